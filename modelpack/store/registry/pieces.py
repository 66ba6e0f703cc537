"""Content in pieces: each can be read again, and the hash goes on from piece to piece."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Self

from modelpack.errors import DigestMismatch, SizeMismatch
from modelpack.oci import Digest, Hasher, new_hasher
from modelpack.store.hashing import beside
from modelpack.store.sources import CHUNK, Count, Source, Stream

PIECE = 16 << 20
MIN_PIECE = 1 << 20
MAX_PIECE = 128 << 20
_SECONDS = 1.0
"""Pieces grow until one takes about this long: a crash costs one of them."""

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


class Content:
    """Content on its way in pieces: a source, how much of it has arrived, and the hash up to there.

    The last byte is handed over only if all of it is what is expected, or if it is believed. One stream serves all pieces
    that follow each other.
    """

    def __init__(self, source: Source, size: int, expected: Digest | None, count: Count | None) -> None:
        self.size = size
        self.position = 0
        self._source = source
        self._expected = expected
        self._algorithm = expected.algorithm if expected else "sha256"
        self._count = count or (lambda _: None)
        self._counted = 0
        self._hasher = new_hasher(self._algorithm)
        self._stream: Stream | None = None
        self._at = 0
        self.believed = False

    def believe(self) -> None:
        """Take a local file for what it is expected to be, because the receiver hashes it: it need not be read here then.

        Content of another kind, or of unknown digest, stays to be hashed.
        """
        self.rewind()
        if self._expected is not None and isinstance(self._stream, io.FileIO):
            self.believed = True
            self._hasher = _Known(self._expected.hex)

    def verify(self) -> None:
        """Hash what was believed after all. Raises DigestMismatch, SizeMismatch."""
        self.believed = False
        self._hasher = new_hasher(self._algorithm)
        self.position = 0
        self.rewind()
        hasher, buffer = self.copy_hasher(), memoryview(bytearray(CHUNK))
        while self._at < self.size:
            length = self._read(buffer[: self.size - self._at])
            hasher.update(buffer[:length])
        self.check(hasher)

    @property
    def file(self) -> io.FileIO | None:
        """The open file to send from, at its position, if nobody here has to see its bytes."""
        return self._stream if self.believed and isinstance(self._stream, io.FileIO) else None

    @property
    def digest(self) -> Digest:
        """Of what has arrived; of all of it at the end."""
        return Digest(self._algorithm, self._hasher.hexdigest())

    def seek(self, position: int) -> None:
        """The registry has this much: hash up to there again. Raises SizeMismatch, DigestMismatch."""
        if self.believed:
            self._tell(position - self._counted)
            self.position = position
            return
        if position < self.position:
            self._hasher = new_hasher(self._algorithm)
            self.position = 0
        self.recount()
        if position == self.position:
            return
        self.rewind()
        buffer = memoryview(bytearray(CHUNK))
        while self.position < position:
            length = self.read(buffer[: position - self.position])
            self._hasher.update(buffer[:length])
            self.position += length
        self.check(self._hasher)

    def piece(self, length: int) -> Piece:
        """The next bytes, as the body of a request. :meth:`arrived` says that they need not be sent again."""
        return Piece(self, min(length, self.size - self.position))

    def arrived(self, piece: Piece) -> None:
        """A piece has arrived whole."""
        self._hasher = piece.hasher
        self.position += piece.size

    def copy_hasher(self) -> Hasher:
        """The hash up to the position, for a piece to go on with."""
        return self._hasher.copy()

    def rewind(self) -> None:
        """Read on at the position."""
        if self._stream is None or self._at != self.position:
            self.close()
            self._stream = self._source.open(self.position)
            self._at = self.position

    def read(self, buffer: memoryview) -> int:
        """Some bytes, at least one; counted. Raises SizeMismatch."""
        length = self._read(buffer)
        self._tell(length)
        return length

    def passed(self, length: int) -> None:
        """Bytes went out of :attr:`file` directly. Raises SizeMismatch if none did."""
        _require(length)
        self._at += length
        self._tell(length)

    def _read(self, buffer: memoryview) -> int:
        assert self._stream is not None  # noqa: S101  # it is open
        length = self._stream.readinto(buffer) or 0
        _require(length)
        self._at += length
        return length

    def check(self, hasher: Hasher) -> None:
        """At the end: whether it is the end, and the hash that of what is expected. Raises SizeMismatch, DigestMismatch."""
        if self._at != self.size:
            return
        assert self._stream is not None  # noqa: S101  # it is open
        if self._stream.readinto(memoryview(bytearray(1))):
            raise SizeMismatch(
                "the content became longer while it was sent", hint="run again when nothing writes to it"
            )
        if self._expected is not None and hasher.hexdigest() != self._expected.hex:
            raise DigestMismatch(
                f"content does not match its digest {self._expected} ({self.size} bytes)",
                hint="it was altered or damaged where it is stored",
            )

    def recount(self) -> None:
        """Take back what was counted beyond the position: it will be sent again."""
        self._tell(self.position - self._counted)

    def revoke(self) -> None:
        """Take back all that was counted."""
        self._tell(-self._counted)

    def close(self) -> None:
        """Release the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _tell(self, count: int) -> None:
        if count:
            self._count(count)
            self._counted += count


class Piece:
    """A request's body; it may be read several times, and ``hasher`` is what the last reading made of it.

    ``failed`` says that it was the reading that failed.
    """

    def __init__(self, content: Content, size: int) -> None:
        self.size = size
        self.failed = False
        self.hasher = content.copy_hasher()
        self._content = content
        self._left = size

    def open(self) -> Self:
        """Start from the front of the piece."""
        try:
            self._content.recount()
            self._content.rewind()
        except BaseException:
            self.failed = True
            raise
        self.hasher = self._content.copy_hasher()
        self._beside = beside(self.hasher, 0 if self._content.believed else self.size)
        self._left = self.size
        return self

    @property
    def file(self) -> io.FileIO | None:
        """What :meth:`readinto` would read, if that need not be."""
        return self._content.file

    @property
    def left(self) -> int:
        """Bytes that are still to be sent."""
        return self._left

    def passed(self, length: int) -> None:
        """Bytes were sent out of the file. Raises SizeMismatch."""
        try:
            self._content.passed(length)
            self._advance(length)
        except BaseException:
            self.failed = True
            raise

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer, which must stay as it is until it is given again: it is hashed while it is sent."""
        try:
            return self._read(buffer) if self._left else 0
        except BaseException:
            self.failed = True
            raise

    def close(self) -> None:
        """Wait until all of it is hashed."""
        self._beside.settle()
        self._beside.close()

    def _read(self, buffer: memoryview) -> int:
        self._beside.release(buffer)
        length = self._content.read(buffer[: self._left])
        self._beside.update(buffer[:length])
        self._advance(length)
        return length

    def _advance(self, length: int) -> None:
        self._left -= length
        if not self._left:
            self._beside.settle()
            self._content.check(self.hasher)


@dataclass(frozen=True, slots=True)
class _Known:
    """A hasher that need not see anything."""

    hex: str

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Nothing."""

    def hexdigest(self) -> str:
        return self.hex

    def copy(self) -> _Known:
        return self


@dataclass(slots=True)
class Pieces:
    """How large the next piece is: it grows until one takes about a second."""

    size: int = PIECE
    limit: int = MAX_PIECE

    def took(self, size: int, seconds: float) -> None:
        """Learn from a piece that arrived."""
        if size == self.size and seconds < _SECONDS / 2:
            self.size = min(self.size * 2, self.limit)
        elif seconds > 2 * _SECONDS:
            self.size = max(self.size // 2, min(PIECE, self.limit))

    def too_large(self) -> bool:
        """The registry does not take pieces of this size. False if they cannot be smaller."""
        if self.size <= MIN_PIECE:
            return False
        self.size = self.limit = max(self.size // 2, MIN_PIECE)
        return True


def _require(length: int) -> None:
    if not length:
        raise SizeMismatch("the content became shorter while it was sent", hint="run again when nothing writes to it")


def reported_offset(header: str) -> int:
    """What ``Range`` says a session has: ``0-N`` are N + 1 bytes, but ``0-0`` is also how an empty one is written."""
    match = _RANGE.fullmatch(header.strip())
    last = int(match[1]) if match else 0
    return last + 1 if last else 0
