"""A stream of work for a few threads: results in the order of the items, and no more of either in memory than a window holds."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Task(Generic[Item, Result]):
    __slots__ = ("done", "error", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None


def stream(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int, *, window: int = 0
) -> Iterator[Result]:
    """Call ``function`` with each item, ``jobs`` at a time. Items are taken in the caller's thread, as there is room for them.

    An error of the function is raised in its turn, and ends the stream. Threads are daemons, so that Ctrl-C does not wait.
    """
    todo: queue.SimpleQueue[_Task[Item, Result] | None] = queue.SimpleQueue()
    window = window or jobs * 4

    def run() -> None:
        while (task := todo.get()) is not None:
            try:
                task.result = function(task.item)
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                task.error = error
            task.done.set()

    for _ in range(jobs):
        threading.Thread(target=run, daemon=True).start()
    pending: deque[_Task[Item, Result]] = deque()
    try:
        for item in items:
            task = _Task[Item, Result](item)
            pending.append(task)
            todo.put(task)
            if len(pending) >= window:
                yield _outcome(pending.popleft())
        while pending:
            yield _outcome(pending.popleft())
    finally:
        while not todo.empty():  # what has not begun does not begin
            todo.get()
        for _ in range(jobs):
            todo.put(None)


def _outcome(task: _Task[Item, Result]) -> Result:
    task.done.wait()
    if task.error is not None:
        raise task.error
    return task.result  # type: ignore[return-value]  # without an error there is one
