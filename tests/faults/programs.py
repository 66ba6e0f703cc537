"""Pull and push in a process of their own, which can be killed and measured."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from modelpack import Access, HttpOptions, InsecureAcceptAnything, LayoutStore, pull, push
from modelpack.store import FolderJournal


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """``pull REFERENCE FOLDER`` or ``push LAYOUT:NAME REFERENCE JOURNAL``."""
    command = [sys.executable, "-m", "tests.faults.programs", *map(str, arguments)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes]) -> int:
    """Wait for it; the most memory that it used for the transfer (bytes)."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    return int(output.split()[-1])


def _main(verb: str, *arguments: str) -> None:
    before = _peak()
    http = HttpOptions(plain_http=True, backoff=0.05)
    if verb == "pull":
        pull(arguments[0], arguments[1], policy=InsecureAcceptAnything(), access=Access(http))
    else:
        layout, _, name = arguments[0].rpartition("=")
        push((LayoutStore(layout), name), arguments[1], access=Access(http, journal=FolderJournal(Path(arguments[2]))))
    print(_peak() - before)  # noqa: T201


def _peak() -> int:
    """The most memory so far (bytes). ``getrusage`` would begin with that of the process that started this one."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


if __name__ == "__main__":
    _main(*sys.argv[1:])
