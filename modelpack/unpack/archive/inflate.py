"""Decompression in small pieces, with a bound on what may come out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

from modelpack.errors import ContentError
from modelpack.oci import Codec, Hasher
from modelpack.store import CHUNK, Reader

MAX_RATIO = 200
FLOOR = 64 << 20
"""A layer may expand to this many times its size, or to this many bytes if that is more. Text reaches 20; zeros, of which
a bomb is made, reach 1000 in gzip and 30000 in zstd."""

_MAX_WINDOW = 1 << 27
"""Bytes a zstd frame may make us hold: what the zstd program itself accepts by default."""

_GZIP = 31
"""zlib's word for "a gzip header is required"."""


class Inflated:
    """Uncompressed bytes of one layer, front to back: counted, bounded, and hashed if asked."""

    def __init__(self, pieces: Iterator[bytes], name: str, limit: int, hasher: Hasher | None = None) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._limit = limit
        self._hasher = hasher
        self.name = name
        self.length = 0

    def some(self, limit: int) -> memoryview:
        """At least one and at most ``limit`` bytes; none only at the end."""
        if not self._rest:
            self._rest = self._next()
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        return piece

    def exactly(self, size: int) -> bytes:
        """``size`` bytes (few, they are held in memory); fewer only at the end."""
        result = bytearray()
        while len(result) < size and (piece := self.some(size - len(result))):
            result += piece
        return bytes(result)

    def _next(self) -> memoryview:
        piece = next(self._pieces, b"")
        self.length += len(piece)
        if self.length > self._limit:
            raise ContentError(
                f"{self.name} expands to more than {self._limit} bytes",
                hint="this is how decompression bombs look; pack the files uncompressed",
            )
        if self._hasher:
            self._hasher.update(piece)
        return memoryview(piece)


def inflated(reader: Reader, codec: Codec, size: int, name: str, hasher: Hasher | None = None) -> Inflated:
    """The uncompressed bytes of an archive layer of ``size`` stored bytes; ``name`` is for messages.

    Reading raises ContentError for damaged data and for data behind the end.
    """
    limit = size if codec is Codec.TAR else max(FLOOR, MAX_RATIO * size)
    return Inflated(_PIECES[codec](reader, name), name, limit, hasher)


def _plain(reader: Reader, _: str) -> Iterator[bytes]:
    return iter(lambda: reader.read(CHUNK), b"")


def _gunzip(reader: Reader, name: str) -> Iterator[bytes]:
    """All members of a gzip file. What is not a member raises, so nothing can hide behind the last one."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        while data := reader.read(CHUNK):
            while data:
                if inflater.eof:
                    inflater = zlib.decompressobj(_GZIP)
                if piece := inflater.decompress(data, CHUNK):
                    yield piece
                data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    except zlib.error as error:
        raise ContentError(f"{name} is not valid gzip data: {error}") from None
    if not inflater.eof:
        raise ContentError(f"{name} is not valid gzip data: it ends too early")


def _unzstd(reader: Reader, name: str) -> Iterator[bytes]:
    """All frames of a zstd file. A frame that is cut short goes unnoticed here; the archive's end marker is then missing."""
    import zstandard  # heavy, and rarely needed

    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    try:
        with decompressor.stream_reader(
            cast("IO[bytes]", reader), read_size=CHUNK, read_across_frames=True, closefd=False
        ) as stream:
            while piece := stream.read(CHUNK):
                yield piece
    except zstandard.ZstdError as error:
        raise ContentError(f"{name} is not valid zstd data: {error}") from None


_PIECES: dict[Codec, Callable[[Reader, str], Iterator[bytes]]] = {
    Codec.TAR: _plain,
    Codec.TAR_GZIP: _gunzip,
    Codec.TAR_ZSTD: _unzstd,
}
