"""A few threads for a list of transfers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import TypeVar

from modelpack.store import hashing

Item = TypeVar("Item")
Result = TypeVar("Result")


SMALL = 1 << 20
"""Bytes up to which an item is bound by round trips rather than by bytes."""

CROWD = 8
"""How many times as many small items as large ones run at a time, where they wait."""

FIRST = 4
"""How many of a crowd begin. On a short way more of them only fight for the interpreter (measured: twice the system's time)."""

FIRST_LARGE = max(hashing.CROWD.cores, 2)
"""How many large items begin: as many as can be hashed at a time (measured over TLS: a fifth faster than eight)."""

_LOOK = 0.02
_BUSY = 0.4
"""Seconds between two looks, and the share of one core below which the process is waiting: then there may be twice as many."""


def each(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int, *, size: Callable[[Item], int] | None = None
) -> list[Result]:
    """Call ``function`` with each item, ``jobs`` at a time; the results in the order of the items.

    With ``size`` (bytes of an item), small items go first and up to eight times as many at a time: they wait for round trips,
    not for bytes; one job stays one. Then not all begin at once either, but only as many as keep this process busy.

    The first error ends it: what has not begun does not begin, and the error is raised here.
    Threads are daemons, and even a single item gets one, so that Ctrl-C does not wait for a socket.
    """
    work = list(items)
    jobs = max(jobs, 1)
    large = {number for number, item in enumerate(work) if size is None or size(item) > SMALL}
    lane = threading.Semaphore(0)
    crowd = jobs > 1 and len(large) < len(work)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | BaseException, bool]] = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                with lane if number in large else nullcontext():
                    done.put((number, function(work[number]), True))
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                done.put((number, error, False))
                return

    for number in sorted(range(len(work)), key=lambda number: crowd and number in large):
        todo.put(number)
    most, first = (jobs * CROWD, FIRST) if crowd else (jobs, jobs)
    lanes = _Growing(jobs, jobs if size is None else FIRST_LARGE, lane.release)
    crew = _Crew(lanes, _Growing(min(most, len(work)), first, lambda count: _start(run, count)))
    results: dict[int, Result] = {}
    try:
        while len(results) < len(work):
            number, outcome, good = _next(done, crew)
            if not good:
                assert isinstance(outcome, BaseException)  # noqa: S101  # what `good` says
                raise outcome
            results[number] = outcome  # type: ignore[assignment]
    finally:
        stop.set()
    return [results[number] for number in range(len(work))]


def _next(done: queue.SimpleQueue[Item], crew: _Crew) -> Item:
    """What is done next; the crew grows while one waits for it."""
    while True:
        with suppress(queue.Empty):
            return done.get(timeout=crew.look())


class _Growing:
    """Something of which there are few at first, and twice as many whenever the process waits."""

    def __init__(self, most: int, first: int, add: Callable[[int], None]) -> None:
        self._add = add
        self._count = min(first, most)
        self.missing = most - self._count
        add(self._count)

    def double(self) -> None:
        """As many again, if so many may be."""
        if count := min(self._count, self.missing):
            self._count += count
            self.missing -= count
            self._add(count)


class _Crew:
    """All that grows, and whether this process waits rather than works."""

    def __init__(self, *growing: _Growing) -> None:
        self._growing = growing
        self._looked, self._spent = time.monotonic(), time.process_time()

    def look(self) -> float | None:
        """Let it grow if that may help. Seconds to the next look; None if nothing is missing any more."""
        if not any(one.missing for one in self._growing):
            return None
        elapsed = time.monotonic() - self._looked
        if elapsed >= _LOOK:
            spent = time.process_time()
            if spent - self._spent < _BUSY * elapsed:
                for one in self._growing:
                    one.double()
            self._looked, self._spent = time.monotonic(), spent
        return _LOOK


def _start(run: Callable[[], None], count: int) -> None:
    for _ in range(count):
        threading.Thread(target=run, daemon=True).start()
