"""Byte sources for what is inside of other content: a range of it, or what a decoder makes of it."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.scan.looking import Budget

_PIECE = 1 << 20
_KEPT = 128 << 10


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle."""
        return self.data[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Window:
    """A range of another source."""

    source: ByteSource
    begin: int
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle of the range."""
        length = min(length, self.size - offset)
        return self.source.read_at(self.begin + offset, length) if length > 0 else b""


class Decoder(Protocol):
    """What bz2 and lzma have; ``max_length`` bounds what one call may give."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given after its end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more must be given to get more."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Some of the output."""
        ...


class _Zlib:
    """zlib's decoder with the manners of the others."""

    def __init__(self, window: int) -> None:
        self._decoder = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


_MEMORY = 256 << 20
CODECS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib(31),
    "zlib": lambda: _Zlib(15),
    "deflate": lambda: _Zlib(-15),
    "bzip2": lambda: bz2.BZ2Decompressor(),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY),
}
"""Name to a fresh decoder."""
_CONCATENATED = {"gzip", "bzip2", "xz"}


class Inflated:
    """Decompressed content. Memory stays small: going back means to decode again, and all decoding costs budget.

    Raises DocumentError if the content is damaged, TooMuch (one of them) if the budget is spent.
    """

    def __init__(self, source: ByteSource, codec: str, budget: Budget) -> None:
        self._source = source
        self._codec = codec
        self._budget = budget
        self._size: int | None = None
        self.trailing = 0
        """Bytes of the source after the end of the compressed data; known once the size is."""
        self._restart()

    @property
    def size(self) -> int:
        """Bytes when decompressed: all of it is decoded to know."""
        if self._size is None:
            while self._more():
                pass
            self._size = self._start + len(self._buffer)
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle; fewer at the end."""
        if offset < self._start:
            self._restart()
        while self._start + len(self._buffer) < offset + length and self._more(keep=offset):
            pass
        begin = offset - self._start
        return bytes(self._buffer[begin : begin + length])

    def _restart(self) -> None:
        self._decoder = CODECS[self._codec]()
        self._read = 0
        self._start = 0
        self._buffer = bytearray()
        self._done = False

    def _more(self, keep: int | None = None) -> bool:
        """Decode a piece; bytes before ``keep`` (all but the last ones if None) are given up. False at the end."""
        if self._done:
            return False
        position = self._start + len(self._buffer)
        surplus = min((position if keep is None else keep) - _KEPT - self._start, len(self._buffer))
        if surplus > _PIECE:
            del self._buffer[:surplus]
            self._start += surplus
        piece = self._piece()
        self._budget.spend("inflated", len(piece) + 64)
        self._buffer += piece
        return True

    def _piece(self) -> bytes:
        decoder = self._decoder
        try:
            if decoder.eof:
                return self._next_stream()
            data = self._input() if decoder.needs_input else b""
            piece = decoder.decompress(data, _PIECE)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError) as error:
            raise DocumentError(self._codec, "", f"the compressed data is damaged: {error}") from None
        if not piece and not data and decoder.needs_input and not decoder.eof:
            raise DocumentError(self._codec, "", "the compressed data ends early")
        return piece

    def _next_stream(self) -> bytes:
        """After one stream there may be another of the same kind; everything else is what trails."""
        self._read -= len(self._decoder.unused_data)
        fresh = CODECS[self._codec]()
        head = self._source.read_at(self._read, 6)
        if self._codec in _CONCATENATED and head[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7"):
            self._decoder = fresh
            return b""
        self._done = True
        self.trailing = self._source.size - self._read
        return b""

    def _input(self) -> bytes:
        data = self._source.read_at(self._read, _PIECE)
        self._read += len(data)
        return data
