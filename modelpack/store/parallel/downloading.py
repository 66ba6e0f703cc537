"""The download itself: workers receive and write, the caller hashes behind them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from modelpack.errors import DigestMismatch, SizeMismatch
from modelpack.oci import Hasher, new_hasher
from modelpack.store.hashing import CROWD
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
_FIRST_LOOK = 0.02
"""Seconds after which it shows already whether the network holds a download up: one round trip of a long way."""

_BUSY = 0.4
"""The share of all cores that this process has when what it receives is bound by them, and not by the network."""


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
        self._flushed = self._looked = time.monotonic()
        self._alone = True
        self._patience = min(_FIRST_LOOK, _LOOK)
        self._spent = time.process_time()

    def run(self) -> None:
        there = self._there
        self._count(there)
        CROWD.enter()
        try:
            digest = self._hash()
        except BaseException:
            self._count(-there - self._board.received)
            raise
        finally:
            CROWD.leave()
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
        """Hash in order: behind the workers, out of the page cache; in a crowd of downloads, what this thread receives."""
        hasher = new_hasher(self._source.descriptor.digest.algorithm)
        buffer = memoryview(bytearray(CHUNK))
        position, look = 0, 0.0
        while position < self._source.size:
            alone = self._pays_alone()
            if alone and (segment := self._board.take_at(position, self._stretch)):
                position = self._receive(segment, self._open(segment), buffer, hasher)
                continue
            now = time.monotonic()
            if now >= look:
                look = now + _LOOK
                if not alone:
                    self._staff(now)
                self._flush(now)
            edge = self._board.wait(position, _LOOK)
            stop = min(edge, position + 16 * CHUNK)
            while position < stop:
                length = os.preadv(self._file, [buffer[: stop - position]], position)
                if not length:
                    raise SizeMismatch("a partial file was cut short by somebody else")
                hasher.update(buffer[:length])
                position += length
        return hasher.hexdigest()

    def _pays_alone(self) -> bool:
        """Whether to receive, hash and write in one thread: while as many downloads run as there are cores, and those are what
        holds them up. Where the network does, further connections may help.
        """
        now = time.monotonic()
        if (elapsed := now - self._looked) >= self._patience:
            spent = time.process_time()
            self._alone = spent - self._spent >= _BUSY * CROWD.cores * elapsed
            self._looked, self._spent, self._patience = now, spent, _LOOK
            self._flush(now)
        return self._alone and CROWD.full

    @property
    def _stretch(self) -> int:
        """How much to ask for alone: little as long as nobody knows what holds it up, then all of it."""
        return self._source.size if self._board.received >= _FIRST else _FIRST

    def _staff(self, now: float) -> None:
        """As many workers as are worth it; those that are too many leave at the end of their segment."""
        self._wanted = self._pace.observe(now, self._board.received)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < self._wanted and not self._board.exhausted:
            if self._threads and not _FURTHER.acquire(blocking=False):
                break
            work = self._work_further if self._threads else self._work
            self._start(work)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_further(self) -> None:
        try:
            self._work()
        finally:
            _FURTHER.release()

    def _work(self, begun: tuple[Segment, Stream] | None = None) -> None:
        """Fetch segment after segment; first the one that another thread has begun."""
        buffer = memoryview(bytearray(CHUNK))
        try:
            if begun:
                self._receive(*begun, buffer)
            while self._threads.index(threading.current_thread()) < self._wanted:
                segment = self._board.take(self._length())
                if segment is None:
                    return
                self._receive(segment, self._open(segment), buffer)
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

    def _open(self, segment: Segment) -> Stream:
        return self._ranged.open_range(segment.position, segment.end - segment.position)

    def _receive(self, segment: Segment, stream: Stream, buffer: memoryview, hasher: Hasher | None = None) -> int:
        """Receive and write a segment; with a hasher also hash it, and leave the rest to a worker if that does not pay.

        How far it got.
        """
        position = segment.position
        try:
            while position < segment.end and not self._board.stopped:
                length = stream.readinto(buffer[: segment.end - position]) or 0
                if not length:
                    raise SizeMismatch(f"{self._source.descriptor.digest} ended after {position} bytes")
                if hasher:
                    hasher.update(buffer[:length])
                self._write(self._file, buffer[:length], position)
                position += length
                alone = not hasher or self._pays_alone()
                if not alone or position - segment.position >= BLOCK:
                    self._arrived(segment, position)
                if not alone and position < segment.end:
                    self._hand_over(segment, stream)
                    return position
        except BaseException:
            self._leave(segment, stream, position)
            raise
        self._leave(segment, stream, position)
        return position

    def _leave(self, segment: Segment, stream: Stream, position: int) -> None:
        stream.close()
        self._arrived(segment, position)

    def _hand_over(self, segment: Segment, stream: Stream) -> None:
        """A worker goes on over the same connection, which is at its full rate by now; what is far ahead others may have."""
        self._board.shorten(segment, _FIRST)
        self._start(lambda: self._work((segment, stream)))

    def _arrived(self, segment: Segment, position: int) -> None:
        """Tell the others, not for each small piece: that would cost more than the piece."""
        if count := position - segment.position:
            self._board.advance(segment, count)
            self._count(count)

    def _flush(self, now: float) -> None:
        """From time to time, in the background, so that a power failure does not cost the whole of a long transfer."""
        if now - self._flushed < _FLUSH_INTERVAL or (self._flusher and self._flusher.is_alive()):
            return

        def flush() -> None:
            entries = self._parts.entries
            os.fdatasync(self._file)
            self._parts.mark(entries)

        self._flusher = threading.Thread(target=flush, daemon=True)
        self._flusher.start()
        self._flushed = now


def _blocks(length: int) -> int:
    """Whole blocks, at least one."""
    return max(length // BLOCK, 1) * BLOCK
