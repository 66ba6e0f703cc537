"""A bandwidth cap: one token bucket for all connections that share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from modelpack.store.sources import CHUNK

_TICK = 0.1
"""Seconds' worth of bytes that may pass in one go: short enough for a shaper down the line, long enough to be cheap."""

_LEAST = 1 << 10


class Throttle:
    """Lets ``rate`` bytes a second pass, both directions together. Thread-safe.

    Whoever takes more than is there waits until the debt is paid, so that the rate holds whatever the sizes, and threads that
    wait share it. After a pause no more than one tenth of a second's bytes may be made up for.
    """

    def __init__(
        self, rate: int, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.rate = rate
        self.piece = max(_LEAST, min(CHUNK, int(rate * _TICK)))
        """Bytes to move at a time, so that nobody waits long for the next ones."""
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = float(self.piece)
        self._last = clock()

    def take(self, count: int) -> None:
        """Account for some bytes, and wait as long as they need."""
        with self._lock:
            now = self._clock()
            self._left = min(self._left + (now - self._last) * self.rate, self.piece) - count
            self._last = now
            debt = -self._left
        if debt > 0:
            self._sleep(debt / self.rate)
