"""What a transfer tells its observer: the same events feed a terminal, JSON lines and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from modelpack.store.sources import Count

Action = Literal["plan", "begin", "bytes", "end", "exists", "mounted", "retry"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of moving one piece of content.

    ``plan`` comes first and once: ``total`` bytes are to be moved. For the others, ``name`` is a file path or a digest, and
    ``total`` bytes of it are expected (None: unknown). ``count`` goes with ``bytes``: how many
    more have passed, negative when an attempt failed and they will come again. ``note`` goes with ``retry``: why.
    """

    action: Action
    name: str
    total: int | None = None
    count: int = 0
    note: str = ""


Observer: TypeAlias = Callable[[Event], None]
"""Called from worker threads; what it raises stops the transfer."""


def ignore(_: Event) -> None:
    """The observer that does nothing."""


def counter(observe: Observer, name: str, total: int | None = None) -> Count:
    """The callback that turns passing bytes into events."""
    return lambda count: observe(Event("bytes", name, total, count)) if count else None
