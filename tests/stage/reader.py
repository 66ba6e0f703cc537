"""A server that opens what a name leads to, again and again, in a process of its own: ``LINK``, until standard input ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from tests.stage.models import read_at_once


class Reader:
    """Reads from now on, until :meth:`seen` is asked for."""

    def __init__(self, link: Path) -> None:
        command = [sys.executable, "-m", "tests.stage.reader", str(link)]
        self._process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "reading\n"

    def seen(self) -> dict[str, int]:
        """How often it saw what: all files' names and contents, as text."""
        out, _ = self._process.communicate(timeout=30)
        assert self._process.returncode == 0
        found: dict[str, int] = json.loads(out)
        return found


def as_text(files: dict[str, bytes]) -> str:
    """What a reader says it saw."""
    return json.dumps({name: data.decode("latin-1") for name, data in sorted(files.items())})


def _main(link: Path) -> None:
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    seen: Counter[str] = Counter()
    seen[as_text(read_at_once(link))] += 1
    print("reading", flush=True)  # noqa: T201
    while not over.is_set():
        seen[as_text(read_at_once(link))] += 1
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
