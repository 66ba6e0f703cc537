"""A server process on a free loopback port, for as long as a ``with`` block lasts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_START = 20.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that runs. ``host`` is ``127.0.0.1:PORT``, ``ca`` the authority of its certificate (None: plain HTTP).

    ``groups`` are the process groups of the server, ``network`` those of what stands for the network in front of it.
    """

    kind: str
    host: str
    ca: Path | None
    groups: tuple[int, ...]
    network: tuple[int, ...] = ()

    @property
    def url(self) -> str:
        """Scheme and host."""
        return f"{'https' if self.ca else 'http'}://{self.host}"


@contextlib.contextmanager
def serving(command: Callable[[int], list[str]], folder: Path) -> Iterator[tuple[int, int]]:
    """Start what ``command`` says for a port and wait until it listens: the port and the process group."""
    port = _free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(port), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(process, port, folder)
        yield port, process.pid
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    said = (folder / "log").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{process.args!r} did not start to listen (exit status {process.poll()}):\n{said}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
