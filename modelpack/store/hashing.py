"""Hashing beside other work: a thread hashes one piece while the caller sends or writes the same piece."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelpack.oci import Hasher

WORTH_A_THREAD = 4 << 20
"""Bytes of content from which a second thread pays."""


class BesideHasher:
    """A hasher that takes a piece and returns at once. The piece must stay as it is until :meth:`settle` has returned.

    hashlib, sockets and file writes all release the interpreter's lock, so that two cores are at work.
    """

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        # Queues of C, both of them: events and conditions cost more than hashing a small piece.
        self._pieces: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._busy = False
        threading.Thread(target=self._run, daemon=True).start()

    def update(self, data: memoryview, /) -> None:
        """Begin to hash a piece, when the one before is done."""
        self.settle()
        self._busy = True
        self._pieces.put(data)

    def settle(self) -> None:
        """Wait until the last piece is hashed: its buffer may then be used again."""
        if self._busy:
            self._done.get()
            self._busy = False

    def hexdigest(self) -> str:
        """What all pieces hash to."""
        self.settle()
        return self._hasher.hexdigest()

    def close(self) -> None:
        """End the thread. Closing twice is allowed."""
        self._pieces.put(None)

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

    def settle(self) -> None:
        """Nothing is going on."""

    def close(self) -> None:
        """Nothing is held."""


def beside(hasher: Hasher, size: int | None) -> BesideHasher | InlineHasher:
    """Whichever suits content of this size (None: not known, perhaps large)."""
    return BesideHasher(hasher) if size is None or size >= WORTH_A_THREAD else InlineHasher(hasher)
