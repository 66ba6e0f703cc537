"""Who fetches what: segments are handed out from the front, so that hashing in order follows closely behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelpack.store.parallel.partmap import BLOCK


@dataclass(slots=True)
class Segment:
    """Bytes ``position`` to ``end`` of a blob are still to come; it began at a block's boundary."""

    position: int
    end: int


class Board:
    """The state of one download. Thread-safe."""

    def __init__(self, size: int, done: Iterable[int], arrived: Callable[[int], None]) -> None:
        self.size = size
        self.received = 0
        self._arrived = arrived
        self._change = threading.Condition()
        self._todo = _gaps(size, set(done))
        self._active: list[Segment] = []
        self._error: BaseException | None = None
        self._stopped = False

    def take(self, length: int) -> Segment | None:
        """The next segment, of at most ``length`` bytes; None when there is none left or the download has ended."""
        with self._change:
            if self._stopped or not self._todo:
                return None
            begin, end = self._todo.pop(0)
            if end - begin > length:
                self._todo.insert(0, (begin + length, end))
                end = begin + length
            segment = Segment(begin, end)
            self._active.append(segment)
            return segment

    def take_at(self, position: int, length: int) -> Segment | None:
        """As :meth:`take`, if what is next begins at a position and nobody is at work; else None."""
        with self._change:
            if self._active or not self._todo or self._todo[0][0] != position:
                return None
        return self.take(length)

    def advance(self, segment: Segment, count: int) -> None:
        """Bytes of a segment were written; blocks that became whole are reported."""
        with self._change:
            first = segment.position // BLOCK
            segment.position += count
            self.received += count
            last = -(-self.size // BLOCK) if segment.position == self.size else segment.position // BLOCK
            for block in range(first, last):
                self._arrived(block)
            if segment.position == segment.end:
                self._active.remove(segment)
            self._change.notify_all()

    def shorten(self, segment: Segment, length: int) -> None:
        """Let others have what lies more than about ``length`` bytes ahead, in whole blocks."""
        with self._change:
            end = (segment.position + length) // BLOCK * BLOCK
            if segment.position < end < segment.end:
                self._todo.insert(0, (end, segment.end))
                segment.end = end

    def fail(self, error: BaseException) -> None:
        """End the download with an error; the first one counts."""
        with self._change:
            self._error = self._error or error
            self._stopped = True
            self._change.notify_all()

    def stop(self) -> None:
        """No more segments."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing left to begin."""
        return self._stopped or not self._todo

    @property
    def stopped(self) -> bool:
        """Whether workers should leave."""
        return self._stopped

    def wait(self, beyond: int, timeout: float) -> int:
        """How far the content is written without a gap: more than ``beyond``, or whatever holds after ``timeout`` seconds.

        Raises what a worker failed with.
        """
        with self._change:
            self._change.wait_for(lambda: self._error or self._prefix() > beyond, timeout)
            if self._error:
                raise self._error
            return self._prefix()

    def _prefix(self) -> int:
        edges = [segment.position for segment in self._active]
        if self._todo:
            edges.append(self._todo[0][0])
        return min(edges, default=self.size)


def _gaps(size: int, done: set[int]) -> list[tuple[int, int]]:
    """What is missing, in order: byte ranges between the blocks that are there."""
    gaps: list[tuple[int, int]] = []
    for block in range(-(-size // BLOCK)):
        if block in done:
            continue
        begin, end = block * BLOCK, min((block + 1) * BLOCK, size)
        if gaps and gaps[-1][1] == begin:
            gaps[-1] = (gaps[-1][0], end)
        else:
            gaps.append((begin, end))
    return gaps
