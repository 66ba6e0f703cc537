"""The download itself: workers receive and write, the caller hashes behind them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from modelpack.errors import DigestMismatch, SizeMismatch
from modelpack.oci import new_hasher
from modelpack.store.parallel.board import Board, Segment
from modelpack.store.parallel.pace import Pace
from modelpack.store.parallel.partmap import BLOCK, PartMap
from modelpack.store.sources import CHUNK, Stream, VerifiedSource

THRESHOLD = 16 << 20
"""Smaller blobs are not worth a second thread."""

MAX_CONNECTIONS = 8
_FURTHER = threading.BoundedSemaphore(16)
"""Connections beyond the first one of each blob, of all downloads together: registries count what one client opens."""

_SEGMENT = 16 << 20
"""Bytes that a worker fetches with one request, of several workers; fewer near the end, so that all end together."""

_FIRST = 8 << 20
"""Bytes of the first request, before a rate is known."""

_AHEAD = 0.25
"""Seconds that the segment of a single worker takes: short enough to let others in soon."""

_FLUSH_INTERVAL = 30.0
_LOOK = 0.1


@runtime_checkable
class RangedSource(Protocol):
    """A source of which any part can be read, by several readers at once."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def ranged(self) -> bool:
        """Whether that is so here."""
        ...

    def open_range(self, offset: int, length: int) -> Stream:
        """Start to read ``length`` bytes at an offset."""
        ...


def download(
    source: VerifiedSource, ranged: RangedSource, file: int, parts: PartMap, write: Callable[..., None]
) -> None:
    """Fill ``file`` with a blob and check it. The part map tells what is there already, and is kept up to date.

    Raises DigestMismatch, and whatever readers and ``write(file, buffer, offset)`` raise; the file then keeps what came.
    """
    _Download(source, ranged, file, parts, write).run()


class _Download:
    def __init__(
        self, source: VerifiedSource, ranged: RangedSource, file: int, parts: PartMap, write: Callable[..., None]
    ) -> None:
        self._source = source
        self._ranged = ranged
        self._file = file
        self._parts = parts
        self._write = write
        self._count = source.count or (lambda _: None)
        self._board = Board(source.size, parts.blocks, parts.add)
        self._pace = Pace(MAX_CONNECTIONS)
        self._wanted = 1
        self._there = sum(min(BLOCK, source.size - block * BLOCK) for block in parts.blocks)
        self._begun = time.monotonic() - _LOOK
        self._threads: list[threading.Thread] = []
        self._flusher: threading.Thread | None = None

    def run(self) -> None:
        there = self._there
        self._count(there)
        try:
            digest = self._hash()
        except BaseException:
            self._count(-there - self._board.received)
            raise
        finally:
            # Nobody may write to the file any more when its lock is given up.
            self._board.stop()
            for thread in filter(None, (*self._threads, self._flusher)):
                thread.join()
        if digest != self._source.descriptor.digest.hex:
            self._count(-self._source.size)
            raise DigestMismatch(
                f"content does not match its digest {self._source.descriptor.digest} ({self._source.size} bytes)",
                hint="it was altered or damaged after it was pushed",
            )

    def _hash(self) -> str:
        """Hash in order behind the workers, out of the page cache."""
        hasher = new_hasher(self._source.descriptor.digest.algorithm)
        buffer = memoryview(bytearray(CHUNK))
        position, look, flushed = 0, 0.0, time.monotonic()
        while position < self._source.size:
            now = time.monotonic()
            if now >= look:
                look = now + _LOOK
                self._staff(now)
                flushed = self._flush(now, flushed)
            edge = self._board.wait(position, _LOOK)
            stop = min(edge, position + 16 * CHUNK)
            while position < stop:
                length = os.preadv(self._file, [buffer[: stop - position]], position)
                if not length:
                    raise SizeMismatch("a partial file was cut short by somebody else")
                hasher.update(buffer[:length])
                position += length
        return hasher.hexdigest()

    def _staff(self, now: float) -> None:
        """As many workers as are worth it; those that are too many leave at the end of their segment."""
        self._wanted = self._pace.observe(now, self._board.received)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < self._wanted and not self._board.exhausted:
            if self._threads and not _FURTHER.acquire(blocking=False):
                break
            work = self._work_further if self._threads else self._work
            thread = threading.Thread(target=work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work_further(self) -> None:
        try:
            self._work()
        finally:
            _FURTHER.release()

    def _work(self) -> None:
        buffer = memoryview(bytearray(CHUNK))
        try:
            while self._threads.index(threading.current_thread()) < self._wanted:
                segment = self._board.take(self._length())
                if segment is None:
                    return
                self._fetch(segment, buffer)
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            self._board.fail(error)

    def _length(self) -> int:
        """How much to fetch with the next request."""
        left = self._source.size - self._there - self._board.received
        if self._wanted > 1:
            return min(_SEGMENT, _blocks(left // (2 * self._wanted)))
        if self._pace.settled:  # alone, and it stays so
            return self._source.size
        return max(_FIRST, _blocks(int(self._board.received / (time.monotonic() - self._begun) * _AHEAD)))

    def _fetch(self, segment: Segment, buffer: memoryview) -> None:
        stream = self._ranged.open_range(segment.position, segment.end - segment.position)
        position = segment.position
        try:
            while position < segment.end and not self._board.stopped:
                length = stream.readinto(buffer[: segment.end - position]) or 0
                if not length:
                    raise SizeMismatch(f"{self._source.descriptor.digest} ended after {position} bytes")
                self._write(self._file, buffer[:length], position)
                position += length
                if position - segment.position >= BLOCK:
                    self._arrived(segment, position)
        finally:
            stream.close()
            self._arrived(segment, position)

    def _arrived(self, segment: Segment, position: int) -> None:
        """Tell the others, not for each small piece: that would cost more than the piece."""
        if count := position - segment.position:
            self._board.advance(segment, count)
            self._count(count)

    def _flush(self, now: float, flushed: float) -> float:
        """From time to time, in the background, so that a power failure does not cost the whole of a long transfer."""
        if now - flushed < _FLUSH_INTERVAL or (self._flusher and self._flusher.is_alive()):
            return flushed

        def flush() -> None:
            entries = self._parts.entries
            os.fdatasync(self._file)
            self._parts.mark(entries)

        self._flusher = threading.Thread(target=flush, daemon=True)
        self._flusher.start()
        return now


def _blocks(length: int) -> int:
    """Whole blocks, at least one."""
    return max(length // BLOCK, 1) * BLOCK
