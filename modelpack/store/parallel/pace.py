"""How many connections are worth having: found out by trying, while the bytes come."""

from __future__ import annotations

from dataclasses import dataclass, field

_FIRST = 0.3
_INTERVAL = 0.5
_GAIN = 1.25


@dataclass(slots=True)
class Pace:
    """Begins with one connection and doubles as long as that brings a quarter more; where it does not, one step back.

    On a short path one connection fills the line and a second only costs processor time; where latency or a limit per
    connection holds each one back, the rate grows with their number. Times are in seconds, rates in bytes a second.
    """

    limit: int
    workers: int = 1
    settled: bool = False
    _before: float = 0.0
    _since: float = field(default=-1.0)
    _count: int = 0

    def observe(self, now: float, received: int) -> int:
        """The number of connections to have from now on, given all bytes received so far."""
        if self.settled or self.limit <= 1:
            return min(self.workers, max(self.limit, 1))
        if self._since < 0:
            self._since, self._count = now, received
        elapsed = now - self._since
        if elapsed >= (_FIRST if self.workers == 1 else _INTERVAL):
            self._judge((received - self._count) / elapsed)
            self._since, self._count = now, received
        return self.workers

    def _judge(self, rate: float) -> None:
        if self.workers > 1 and rate < self._before * _GAIN:
            # The bytes that the larger number brings are not worth their cost; a larger rate is kept all the same.
            self.workers = self.workers // 2 if rate < self._before * 1.05 else self.workers
            self.settled = True
        elif self.workers * 2 > self.limit:
            self.settled = True
        else:
            self._before = rate
            self.workers *= 2
