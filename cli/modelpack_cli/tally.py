"""What a transfer's events add up to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelpack_cli.output import size

if TYPE_CHECKING:
    from modelpack.store import Event


class Tally:
    """Bytes that moved and bytes that were there, out of how many, since when, and how often something was tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self.total = self.moved = self.there = self.retries = 0

    def add(self, event: Event) -> None:
        """Count an event in."""
        if event.action == "plan":
            self.total += event.total or 0
        elif event.action == "bytes":
            self.moved += event.count
        elif event.action in ("exists", "mounted"):
            self.there += event.total or 0
        elif event.action == "retry":
            self.retries += 1

    @property
    def done(self) -> int:
        """Bytes that need not be waited for any more."""
        return self.moved + self.there

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self._clock() - self._begun

    @property
    def rate(self) -> float:
        """Bytes a second that moved, on average."""
        return rate(self.moved, self.seconds)

    @property
    def eta(self) -> float | None:
        """Seconds that are left at this rate, if that can be said."""
        return eta(self.total - self.done, self.rate) if self.total else None

    def line(self) -> str:
        """How far it is, in words."""
        share = f"{min(self.done * 100 // self.total, 100)} % of {size(self.total)}" if self.total else size(self.done)
        left = self.eta
        return f"{share}, {size(self.rate)}/s" + ("" if left is None else f", {duration(left)} left")

    def summary(self) -> str:
        """What it came to, in words."""
        parts = [f"{size(self.moved)} in {self.seconds:.1f} s, {size(self.rate)}/s"]
        if self.retries:
            parts.append("1 retry" if self.retries == 1 else f"{self.retries:,} retries")
        if self.there:
            parts.append(f"{size(self.there)} were there already")
        return ", ".join(parts)


def rate(count: int, seconds: float) -> float:
    """Bytes a second; 0 where nothing has happened, or no time has passed."""
    return max(count, 0) / seconds if seconds > 0 else 0.0


def eta(left: int, per_second: float) -> float | None:
    """Seconds until the rest has come, if that can be said."""
    return max(left, 0) / per_second if per_second > 0 else None


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
