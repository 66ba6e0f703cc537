"""Progress on stderr: bars on a terminal, a line now and then elsewhere, JSON for programs, nothing when quiet."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from modelpack_cli import tally
from modelpack_cli.output import note, printable
from modelpack_cli.tally import Tally

if TYPE_CHECKING:
    from rich.progress import Progress as Table
    from rich.progress import TaskID

    from modelpack.store import Event, Observer

_LINES = 5.0
_JSON = 0.25
"""Seconds between two lines of text, and between two lines of JSON about one file."""


class Progress(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    BAR = "bar"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


@contextmanager
def watch(verb: str, shown: Progress = Progress.AUTO, *, quiet: bool) -> Iterator[Observer]:
    """An observer for the time of one transfer. What is shown is the user's choice; if there is none, nothing when quiet."""
    terminal = sys.stderr.isatty()
    if shown is Progress.AUTO and quiet:
        shown = Progress.NONE
    if shown is Progress.NONE:
        yield lambda _: None
    elif shown is Progress.BAR or (shown is Progress.AUTO and terminal):
        with _bars(verb, force=not terminal) as observer:
            yield observer
    elif shown is Progress.JSON:
        objects = JsonLines(verb, _write)
        yield objects
        objects.finish()
    else:
        lines = Lines(verb, always=shown is Progress.PLAIN)
        yield lines
        lines.finish()


class Lines:
    """For logs: what is retried, the state every few seconds, and what it came to; ``always``, however short it was."""

    def __init__(self, verb: str, *, always: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._verb = verb
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = Tally(clock)
        self._last = clock()
        self._told = always

    def __call__(self, event: Event) -> None:
        """Take notice."""
        with self._lock:
            self._tally.add(event)
            if event.action == "retry":
                note(f"retry: {event.name}: {event.note}")
            now = self._clock()
            if now - self._last >= _LINES:
                self._last, self._told = now, True
                note(f"{self._verb}: {self._tally.line()}")

    def finish(self) -> None:
        """It went well."""
        if self._told:
            note(f"{self._verb}: {self._tally.summary()}")


class JsonLines:
    """For programs: one object a line. Bytes are told of a few times a second for each file, all else always.

    ``event`` is ``plan``, ``begin``, ``bytes``, ``end``, ``exists``, ``mounted``, ``retry`` or, at last, ``summary``; ``name``
    a file, a digest or (plan, summary) the command; sizes are in bytes, rates in bytes a second, times in seconds.
    """

    def __init__(
        self, verb: str, write: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verb = verb
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = Tally(clock)
        self._files: dict[str, _File] = {}

    def __call__(self, event: Event) -> None:
        """Take notice."""
        with self._lock:
            self._tally.add(event)
            line: dict[str, Any] = {"event": event.action, "name": event.name or self._verb}
            if event.action == "retry":
                self._write(line | {"note": event.note, "retries": self._tally.retries})
            elif event.action == "bytes":
                self._bytes(event, line)
            else:
                self._step(event, line)

    def finish(self) -> None:
        """It went well."""
        seen = self._tally
        self._write(
            {
                "event": "summary",
                "name": self._verb,
                "total": seen.total,
                "done": seen.done,
                "moved": seen.moved,
                "existing": seen.there,
                "retries": seen.retries,
                "seconds": round(seen.seconds, 3),
                "rate": round(seen.rate),
            }
        )

    def _step(self, event: Event, line: dict[str, Any]) -> None:
        if event.action == "begin":
            self._files[event.name] = _File(self._clock())
        file = self._files.pop(event.name, None) if event.action == "end" else None
        done = {"done": file.done} if file else {}
        self._write(line | {"total": event.total} | done)

    def _bytes(self, event: Event, line: dict[str, Any]) -> None:
        now = self._clock()
        file = self._files.setdefault(event.name, _File(now))
        file.done += event.count
        if now - file.told < _JSON:
            return
        file.told = now
        rate = tally.rate(file.done, now - file.begun)
        left = None if event.total is None else tally.eta(event.total - file.done, rate)
        eta = None if left is None else round(left, 1)
        self._write(line | {"total": event.total, "done": file.done, "rate": round(rate), "eta": eta})


class _File:
    """How far one file is."""

    def __init__(self, now: float) -> None:
        self.begun = self.told = now
        self.done = 0


def _write(line: dict[str, Any]) -> None:
    sys.stderr.write(f"{json.dumps(line)}\n")


@contextmanager
def _bars(verb: str, *, force: bool) -> Iterator[Observer]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True, force_terminal=True if force else None)
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress, verb)


class _Bars:
    """One bar for all, and one for each file that moves."""

    def __init__(self, progress: Table, verb: str) -> None:
        self._progress = progress
        self._whole = progress.add_task(verb, total=None)
        self._total = 0
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        progress = self._progress
        with self._lock:
            if event.action == "plan":
                self._total += event.total or 0
                progress.update(self._whole, total=self._total)
            elif event.action == "begin":
                title = _short(event.name, progress.console.width)
                self._tasks[event.name] = progress.add_task(title, total=event.total)
            elif event.action == "bytes":
                progress.advance(self._whole, event.count)
                if event.name in self._tasks:
                    progress.advance(self._tasks[event.name], event.count)
            elif event.action == "end" and event.name in self._tasks:
                progress.remove_task(self._tasks.pop(event.name))
            elif event.action in ("exists", "mounted"):
                progress.advance(self._whole, event.total or 0)
            elif event.action == "retry":
                progress.console.print(printable(f"retry: {event.name}: {event.note}"), markup=False)


def _short(name: str, width: int) -> str:
    """A name that leaves room for bar, sizes, rate and time on a line: what is beyond the line's end stays on the screen."""
    name, most = printable(name), min(max(width - 52, 12), 40)
    return name if len(name) <= most else f"…{name[1 - most :]}"
