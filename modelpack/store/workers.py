"""A few threads for a list of transfers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> list[Result]:
    """Call ``function`` with each item, ``jobs`` at a time; the results in the order of the items.

    The first error ends it: what has not begun does not begin, and the error is raised here. Threads are daemons, and even a
    single item gets one, so that Ctrl-C does not wait for a socket.
    """
    work = list(items)
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
                done.put((number, function(work[number]), True))
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                done.put((number, error, False))
                return

    for number in range(len(work)):
        todo.put(number)
    for _ in range(min(max(jobs, 1), len(work))):
        threading.Thread(target=run, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(work):
            number, outcome, good = done.get()
            if not good:
                assert isinstance(outcome, BaseException)  # noqa: S101  # what `good` says
                raise outcome
            results[number] = outcome  # type: ignore[assignment]
    finally:
        stop.set()
    return [results[number] for number in range(len(work))]
