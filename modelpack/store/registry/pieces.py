"""Content in pieces: each can be read again, and the hash goes on from piece to piece."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from modelpack.errors import DigestMismatch, SizeMismatch
from modelpack.oci import Digest, Hasher, new_hasher
from modelpack.store.hashing import beside
from modelpack.store.sources import CHUNK, Count, Source, Stream

PIECE = 16 << 20
MAX_PIECE = 128 << 20
_SECONDS = 1.0
"""Pieces grow until one takes about this long: a crash costs one of them."""

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


class Content:
    """Content on its way in pieces: a source, how much of it has arrived, and the hash up to there.

    With ``expected``, the last byte is handed over only if all of it is that.
    """

    def __init__(self, source: Source, size: int, expected: Digest | None, count: Count | None) -> None:
        self.size = size
        self.position = 0
        self._source = source
        self._expected = expected
        self._count = count or (lambda _: None)
        self._hasher = new_hasher(expected.algorithm if expected else "sha256")

    @property
    def digest(self) -> Digest:
        """Of what has arrived; of all of it at the end."""
        return Digest(self._expected.algorithm if self._expected else "sha256", self._hasher.hexdigest())

    def seek(self, position: int) -> None:
        """The registry has this much: hash up to there again. Raises SizeMismatch."""
        if position < self.position:
            self._count(-self.position)
            self._hasher = new_hasher(self._expected.algorithm if self._expected else "sha256")
            self.position = 0
        stream = self._source.open(self.position)
        buffer = memoryview(bytearray(CHUNK))
        try:
            while self.position < position:
                length = stream.readinto(buffer[: position - self.position]) or 0
                if not length:
                    raise SizeMismatch("the content became shorter while it was sent")
                self._hasher.update(buffer[:length])
                self.position += length
                self._count(length)
        finally:
            stream.close()

    def piece(self, length: int) -> Piece:
        """The next bytes, as the body of a request. :meth:`arrived` says that they need not be sent again."""
        return Piece(self, min(length, self.size - self.position))

    def arrived(self, piece: Piece) -> None:
        """A piece has arrived whole."""
        self._hasher = piece.hasher
        self.position += piece.size

    def open(self, hasher: Hasher, size: int) -> _PieceStream:
        """A stream of the next ``size`` bytes that goes on with a copy of the hash."""
        last = self.position + size == self.size
        return _PieceStream(self._source.open(self.position), hasher, size, self._check if last else None, self._count)

    def copy_hasher(self) -> Hasher:
        """The hash up to the position, for a piece to go on with."""
        return self._hasher.copy()

    def _check(self, hasher: Hasher, stream: Stream) -> None:
        if stream.readinto(memoryview(bytearray(1))):
            raise SizeMismatch(
                "the content became longer while it was sent", hint="run again when nothing writes to it"
            )
        if self._expected is not None and hasher.hexdigest() != self._expected.hex:
            raise DigestMismatch(
                f"content does not match its digest {self._expected} ({self.size} bytes)",
                hint="it was altered or damaged where it is stored",
            )


class Piece:
    """A request's body; it may be read several times, and ``hasher`` is what the last reader made of it."""

    def __init__(self, content: Content, size: int) -> None:
        self.size = size
        self.hasher = content.copy_hasher()
        self._content = content
        self._stream: _PieceStream | None = None

    def open(self) -> Stream:
        """Start from the front of the piece."""
        self.revoke()
        self.hasher = self._content.copy_hasher()
        self._stream = self._content.open(self.hasher, self.size)
        return self._stream

    @property
    def failed(self) -> bool:
        """Whether it was the reading that failed."""
        return self._stream is not None and self._stream.failed

    def revoke(self) -> None:
        """Take back what was counted: it will be sent again."""
        if self._stream is not None:
            self._stream.revoke()


class _PieceStream:
    def __init__(
        self, stream: Stream, hasher: Hasher, size: int, check: Callable[[Hasher, Stream], None] | None, count: Count
    ) -> None:
        self.failed = False
        self._stream = stream
        self._raw_hasher = hasher
        self._hasher = beside(hasher, size)
        self._left = size
        self._check = check
        self._count = count
        self._counted = 0

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._left:
            return 0
        try:
            return self._read(buffer)
        except BaseException:
            self.failed = True
            raise

    def close(self) -> None:
        self._hasher.settle()
        self._hasher.close()
        self._stream.close()

    def revoke(self) -> None:
        self._count(-self._counted)
        self._counted = 0

    def _read(self, buffer: memoryview) -> int:
        self._hasher.settle()
        length = self._stream.readinto(buffer[: self._left]) or 0
        if not length:
            raise SizeMismatch(
                "the content became shorter while it was sent", hint="run again when nothing writes to it"
            )
        self._hasher.update(buffer[:length])
        self._left -= length
        if not self._left and self._check:
            self._hasher.settle()
            self._check(self._raw_hasher, self._stream)
        self._counted += length
        self._count(length)
        return length


@dataclass(slots=True)
class Pieces:
    """How large the next piece is: it grows until one takes about a second."""

    size: int = PIECE

    def took(self, size: int, seconds: float) -> None:
        """Learn from a piece that arrived."""
        if size == self.size and seconds < _SECONDS / 2:
            self.size = min(self.size * 2, MAX_PIECE)
        elif seconds > 2 * _SECONDS:
            self.size = max(self.size // 2, PIECE)


def reported_offset(header: str) -> int:
    """What ``Range`` says a session has: ``0-N`` are N + 1 bytes, but ``0-0`` is also how an empty one is written."""
    match = _RANGE.fullmatch(header.strip())
    last = int(match[1]) if match else 0
    return last + 1 if last else 0
