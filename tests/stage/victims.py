"""Verbs on a cache in processes that are killed: at their n-th change to the file system, or after some time.

One process has everything loaded and forks for each verb, so that a kill costs hundredths of a second. Run as a module it reads
one task a line on standard input and answers with one line each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from modelpack import Access, HttpOptions, PublicKey, SignedBy
from modelpack.stage import Cache, collect, rollback
from modelpack.staging import stage

CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.chmod", "os.utime"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True, slots=True)
class Task:
    """``verb`` is stage, gc or rollback; it is killed before change number ``at``, or ``after`` so many seconds (0: never)."""

    verb: str
    cache: str
    reference: str = ""
    key: str = ""
    rate: int = 0
    at: int = 0
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """How it ended: ``status`` 0, or -9 if it was killed; how many ``changes`` it made, if it was not."""

    status: int
    changes: int = 0

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Victims:
    """Use it as a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.stage.victims"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, cwd=Path(__file__).parents[2], text=True, **pipes)  # type: ignore[call-overload]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._process.communicate(timeout=30)

    def run(self, task: Task) -> End:
        """Run one to its end, whatever that is."""
        self._process.stdin.write(f"{json.dumps(asdict(task))}\n")
        self._process.stdin.flush()
        return End(**json.loads(self._process.stdout.readline()))


def _main() -> None:
    for line in sys.stdin:
        task = Task(**json.loads(line))
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            _child(task, writer)
        os.close(writer)
        if task.after:
            time.sleep(task.after)
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reader) as said:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            changes = int(said.read() or 0)
        sys.stdout.write(f"{json.dumps(asdict(End(status, changes)))}\n")
        sys.stdout.flush()


def _child(task: Task, writer: int) -> None:
    status, counted, lock = 1, [0], threading.Lock()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if event in CHANGES or opened:
            with lock:
                counted[0] += 1
                if counted[0] == task.at:
                    os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(watch)
        _perform(task)
        os.write(writer, str(counted[0]).encode())
        status = 0
    finally:
        os._exit(status)


def _perform(task: Task) -> None:
    cache = Cache(Path(task.cache))
    if task.verb == "gc":
        collect(cache, grace=0)
    elif task.verb == "rollback":
        rollback(cache)
    else:
        policy = SignedBy(PublicKey.load(Path(task.key).read_bytes()))
        access = Access(HttpOptions(plain_http=True, limit_rate=task.rate))
        stage(task.reference, task.cache, policy=policy, access=access)


if __name__ == "__main__":
    _main()
