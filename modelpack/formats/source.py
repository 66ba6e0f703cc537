"""Bytes from anywhere, and a cursor that walks a header in few reads (each may be an HTTP request)."""

from __future__ import annotations

from struct import Struct
from typing import NoReturn, Protocol

from modelpack.errors import DocumentError

CHUNK = 64 << 10
"""Bytes of the first read, and of the first one after a jump. While reading goes straight on, each read doubles."""

MAX_HEADER = 256 << 20
"""Bytes that may be read of one file, unless its format says otherwise: ten times the largest real GGUF header."""

_MAX_CHUNK = 4 << 20
_U32, _U64 = Struct("<I"), Struct("<Q")


class ByteSource(Protocol):
    """A file, a blob in a store, an HTTP resource that takes ranges."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle; fewer than ``length`` only at the end."""
        ...


def read_exactly(source: ByteSource, offset: int, length: int, document: str) -> bytes:
    """All of a range. Raises DocumentError if the source has less, and whatever the source raises."""
    data = source.read_at(offset, length) if length else b""
    if len(data) != length:
        raise DocumentError(document, "", f"{len(data)} bytes came for the {length} asked for at {offset}")
    return data


class Cursor:
    """A position in a source, with the bytes around it in memory. It moves forward only.

    ``document`` names the file in errors; ``limit`` is how many bytes may be read in all.
    """

    __slots__ = ("_buffer", "_chunk", "_fetched", "_start", "document", "limit", "position", "source")

    def __init__(self, source: ByteSource, document: str, head: bytes = b"") -> None:
        self.document = document
        self.position = 0
        self.limit = MAX_HEADER
        self.source = source
        self._buffer = head
        self._start = 0
        self._chunk = CHUNK
        self._fetched = len(head)

    @property
    def size(self) -> int:
        """Bytes in the source."""
        return self.source.size

    def fail(self, reason: str, path: str = "") -> NoReturn:
        """Raise DocumentError about this file."""
        raise DocumentError(self.document, path, reason)

    def take(self, length: int) -> bytes:
        """The next bytes."""
        offset = self.position - self._start
        if offset + length > len(self._buffer):
            self._fill(length)
            offset = 0
        self.position += length
        return self._buffer[offset : offset + length]

    def skip(self, length: int) -> None:
        """Step over bytes without reading them."""
        if length > self.size - self.position:
            self._ends_early(length)
        self.position += length

    def u8(self) -> int:
        """The next byte."""
        offset = self.position - self._start
        if offset >= len(self._buffer):
            return self.take(1)[0]
        self.position += 1
        return self._buffer[offset]

    def u32(self) -> int:
        """The next four bytes, little endian."""
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        """The next eight bytes, little endian."""
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def text(self, length: int, limit: int, what: str) -> str:
        """The next bytes as UTF-8. ``what`` says in errors what they are."""
        if length > limit:
            self.fail(f"{what} of {length} bytes at {self.position} (at most {limit} are expected)")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            self.fail(f"{what} before {self.position} is not UTF-8")

    def _fill(self, length: int) -> None:
        """Let the buffer begin at the position and hold ``length`` bytes or more."""
        if length > self.size - self.position:
            self._ends_early(length)
        rest = self._buffer[self.position - self._start :]
        straight_on = self.position <= self._start + len(self._buffer) + CHUNK
        self._chunk = min(self._chunk * 2, _MAX_CHUNK) if straight_on else CHUNK
        begin = self.position + len(rest)
        # A piece larger than a first read is a header of known length: what follows it is not wanted.
        wanted = length - len(rest) if length > CHUNK else max(length - len(rest), self._chunk)
        wanted = min(wanted, self.size - begin)
        self._fetched += wanted
        if self._fetched > self.limit:
            self.fail(f"the header is larger than the {self.limit} bytes allowed")
        self._buffer = rest + read_exactly(self.source, begin, wanted, self.document)
        self._start = self.position

    def _ends_early(self, length: int) -> NoReturn:
        raise DocumentError(
            self.document,
            "",
            f"{length} bytes are announced at {self.position}, but the file ends at {self.size}",
            hint="the file is truncated or damaged; fetch it again",
        )
