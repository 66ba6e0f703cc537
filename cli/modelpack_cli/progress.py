"""Progress on stderr: bars on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelpack_cli.output import note, printable, size

if TYPE_CHECKING:
    from modelpack.store import Event, Observer

_INTERVAL = 5.0


@contextmanager
def watch(verb: str, *, quiet: bool) -> Iterator[Observer]:
    """An observer for the time of one transfer."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bars(verb) as observer:
            yield observer
    else:
        yield _Lines(verb)


class _Lines:
    """For logs: what is retried, and the state every few seconds."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._lock = threading.Lock()
        self._begun = self._last = time.monotonic()
        self._total = self._done = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            if event.action == "plan":
                self._total += event.total or 0
            elif event.action == "bytes":
                self._done += event.count
            elif event.action in ("exists", "mounted"):
                self._done += event.total or 0
            elif event.action == "retry":
                note(f"retry: {event.name}: {event.note}")
            self._report()

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._last < _INTERVAL:
            return
        self._last = now
        rate = self._done / (now - self._begun)
        share = (
            f"{min(self._done * 100 // self._total, 100)} % of {size(self._total)}" if self._total else size(self._done)
        )
        note(f"{self._verb}: {share}, {size(rate)}/s")


@contextmanager
def _bars(verb: str) -> Iterator[Observer]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        whole = progress.add_task(verb, total=None)
        tasks: dict[str, TaskID] = {}
        lock = threading.Lock()

        def observe(event: Event) -> None:
            with lock:
                if event.action == "plan":
                    progress.update(whole, total=(progress.tasks[0].total or 0) + (event.total or 0))
                elif event.action == "begin":
                    tasks[event.name] = progress.add_task(_short(event.name), total=event.total)
                elif event.action == "bytes":
                    progress.advance(whole, event.count)
                    if event.name in tasks:
                        progress.advance(tasks[event.name], event.count)
                elif event.action == "end" and event.name in tasks:
                    progress.remove_task(tasks.pop(event.name))
                elif event.action in ("exists", "mounted"):
                    progress.advance(whole, event.total or 0)
                elif event.action == "retry":
                    progress.console.print(printable(f"retry: {event.name}: {event.note}"), markup=False)

        yield observe


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= 40 else f"…{name[-39:]}"
