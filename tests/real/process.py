"""A server program on a free loopback port, for as long as a ``with`` block lasts."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

START = 20.0
"""Seconds that a server may need until it accepts connections."""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(command: Callable[[int], list[str]], folder: Path) -> Iterator[int]:
    """Start what ``command`` says for a port, wait until it listens; the port. Its output goes to ``folder/log``."""
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(port), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, port, folder)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    said = (folder / "log").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{process.args!r} did not start to listen (exit status {process.poll()}):\n{said}")
