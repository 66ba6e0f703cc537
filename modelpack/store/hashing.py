"""Hashing beside other work: a thread hashes some pieces while the caller reads, sends or writes the next ones."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelpack.oci import Hasher

WORTH_A_THREAD = 4 << 20
"""Bytes of content from which a second thread pays."""

AHEAD = 3 << 20
"""Bytes that may wait to be hashed: enough that neither side waits for the other's hiccups."""


class Crowd:
    """How many large transfers are at work in this process. Thread-safe.

    Few of them gain from a second thread each. As many as there are cores keep all of them busy, and more threads then only
    get in each other's way (measured: a quarter of the rate).
    """

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self._lock = threading.Lock()
        self._count = 0

    def enter(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def leave(self) -> None:
        """One less."""
        with self._lock:
            self._count -= 1

    @property
    def full(self) -> bool:
        """Whether each core has one."""
        return self._count >= self.cores


CROWD = Crowd(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""That of this process."""


class BesideHasher:
    """A hasher that takes a piece and returns at once. Its buffer must stay as it is until :meth:`release` has returned.

    hashlib, sockets and file writes all release the interpreter's lock, so that two cores are at work. In a crowd it hashes at
    once instead.
    """

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        # Queues of C, both of them: events and conditions cost more than hashing a small piece.
        self._pieces: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._pending: deque[tuple[object, int]] = deque()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._open = True
        CROWD.enter()

    def update(self, data: memoryview, /) -> None:
        """Begin to hash a piece as soon as those before are done."""
        if CROWD.full:
            self.settle()
            self._hasher.update(data)
            return
        while self._pending and self._waiting + len(data) > AHEAD:
            self._await_one()
        self._pending.append((data.obj, len(data)))
        self._waiting += len(data)
        self._pieces.put(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def release(self, buffer: memoryview) -> None:
        """Wait until no piece of this buffer is left to hash: it may then be used again."""
        while any(owner is buffer.obj for owner, _ in self._pending):
            self._await_one()

    def settle(self) -> None:
        """Wait until all is hashed."""
        while self._pending:
            self._await_one()

    def hexdigest(self) -> str:
        """What all pieces hash to."""
        self.settle()
        return self._hasher.hexdigest()

    def close(self) -> None:
        """End the thread. Closing twice is allowed."""
        if self._open:
            self._open = False
            CROWD.leave()
            self._pieces.put(None)

    def _await_one(self) -> None:
        self._done.get()
        self._waiting -= self._pending.popleft()[1]

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hasher.update(piece)
            del piece  # or the caller could not resize its buffer
            self._done.put(None)


class InlineHasher:
    """The same for content that is too small for a thread."""

    def __init__(self, hasher: Hasher) -> None:
        self.update = hasher.update
        self.hexdigest = hasher.hexdigest

    def release(self, _: memoryview) -> None:
        """Nothing is going on."""

    def settle(self) -> None:
        """Nothing is going on."""

    def close(self) -> None:
        """Nothing is held."""


def beside(hasher: Hasher, size: int | None) -> BesideHasher | InlineHasher:
    """Whichever suits content of this size (None: not known, perhaps large)."""
    return BesideHasher(hasher) if size is None or size >= WORTH_A_THREAD else InlineHasher(hasher)


def ring(piece: int, size: int | None) -> Iterator[memoryview]:
    """Buffers of ``piece`` bytes in turns, for content of this size; in a crowd the same one, which stays in the cache."""
    count = 1 if size is not None and size < WORTH_A_THREAD else max(AHEAD // piece, 1)
    buffers = deque([memoryview(bytearray(piece))])
    while True:
        yield buffers[0]
        if CROWD.full:
            continue
        if len(buffers) < count:
            buffers.appendleft(memoryview(bytearray(piece)))
        else:
            buffers.rotate()
