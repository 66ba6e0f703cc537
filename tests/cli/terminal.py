"""The program on a pseudo-terminal, for what it does only there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cli.program import start

PATIENCE = 20.0
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal:
    """A run of the program on a terminal of 100 columns and 24 lines. ``seen`` is all that came out so far."""

    def __init__(self, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        self.process: subprocess.Popen[str] = start(
            *arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = ""

    def press(self, text: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until something was printed."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    @property
    def screen(self) -> list[str]:
        """What is on the screen: the few control sequences that progress bars use are carried out."""
        lines, row, column, at = [""], 0, 0, 0
        while at < len(self.seen):
            control = _CONTROL.match(self.seen, at)
            character = self.seen[at]
            at = control.end() if control else at + 1
            if control and control[2] == "A":
                row -= int(control[1] or 1)
            elif control and control[2] == "K":
                lines[row] = "" if control[1] == "2" else lines[row][:column]
            elif control:
                assert control[2] in "mhl", control[0]
            elif character == "\r":
                column = 0
            elif character == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            else:
                lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in lines if line.strip()]

    def _read(self) -> bool:
        try:
            ready, _, _ = select.select([self._master], [], [], PATIENCE)
            data = os.read(self._master, 64 << 10) if ready else b""
        except OSError:  # EIO: the program has closed its side
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
