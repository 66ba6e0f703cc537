"""Run a client once: its time, its processor time (``wait4``) and its memory; and what the servers spent meanwhile."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SAMPLE = 0.02
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took. Seconds; ``rss`` is the sum of the peak resident sets of its processes, in bytes."""

    wall: float
    user: float
    system: float
    rss: int
    status: int
    timed_out: bool
    said: str


def find(program: str) -> str | None:
    """Where a program is: on the PATH, among the system's daemons, or in ``$MODELPACK_TEST_TOOLS/bin``."""
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    if tools := os.environ.get("MODELPACK_TEST_TOOLS"):
        places.append(str(Path(tools) / "bin"))
    return shutil.which(program, path=os.pathsep.join(places))


def run(command: list[str], env: Mapping[str, str], folder: Path, limit: float) -> Usage:
    """Run a command in a folder, in a process group of its own that is killed after ``limit`` seconds."""
    log = folder / "output"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    timed_out, rss = True, 0
    try:
        timed_out, rss = _watch(process.pid, limit)
    finally:
        if timed_out:
            os.killpg(process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen must not wait for it again
    said = log.read_text(errors="replace")[-1000:]
    log.unlink()
    return Usage(wall, usage.ru_utime, usage.ru_stime, rss, process.returncode, timed_out, said.strip())


def _watch(pid: int, limit: float) -> tuple[bool, int]:
    """Wait for a process: whether it took too long, and the memory of it and its children.

    ``wait4`` has a peak too, but Linux begins that with the peak of the parent, which is larger than curl's.
    """
    ends = time.monotonic() + limit
    rss = 0
    descriptor = os.pidfd_open(pid)
    try:
        while time.monotonic() < ends:
            if select.select([descriptor], [], [], _SAMPLE)[0]:
                return False, rss
            rss = max(rss, _peak(pid))
    finally:
        os.close(descriptor)
    return True, rss


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    own = int(lines[0][1]) * 1024 if lines else 0
    return own + sum(_peak(int(child)) for child in children)


def group_seconds(groups: list[int]) -> float:
    """Processor time so far, in seconds, of all processes that run in some process groups."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(fields[2]) in groups:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
