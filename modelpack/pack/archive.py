"""Layers that are tar archives: made while they are read, the same bytes for the same files on any machine.

Members are sorted by path and have no owner and one constant time. The format is POSIX ustar with PAX records for what does
not fit (names over 100 bytes or beyond ASCII, files over 8 GiB). Compressed bytes also depend on the version of zlib or zstd.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from modelpack.errors import InputError, SizeMismatch
from modelpack.oci import Codec, Digest, new_hasher
from modelpack.pack.plan import Entry
from modelpack.store import CHUNK, Stream

GZIP_LEVEL = 6
ZSTD_LEVEL = 3

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")  # deflate, no name, no time, made on an "unknown" system


class Compressor(Protocol):
    """What :mod:`zlib` and zstandard have in common."""

    def compress(self, data: memoryview, /) -> bytes:
        """Take bytes; some of the result."""
        ...

    def flush(self) -> bytes:
        """The rest of the result."""
        ...


class ArchiveSource:
    """A tar archive of some files, as content to be stored. Memory is flat, whatever the files' sizes.

    Once a reader has come to the end, ``files`` are the digests of the files, and ``content_digest`` is that of a compressed
    archive's content. Reading raises SizeMismatch if a file is not as long as planned any more, InputError if it cannot
    be read. One thread at a time.
    """

    def __init__(self, entries: tuple[Entry, ...], moment: datetime, codec: Codec) -> None:
        self.entries = entries
        self.codec = codec
        self.files: dict[str, Digest] = {}
        self.content_digest: Digest | None = None
        self._time = int(moment.timestamp())

    @property
    def size(self) -> int | None:
        """Bytes of a plain archive; None for a compressed one."""
        if self.codec != Codec.TAR:
            return None
        return sum(len(self._header(entry)) + _padded(entry.size) for entry in self.entries) + len(_END)

    def open(self, offset: int = 0) -> Stream:
        """Start to read. The bytes before an offset are made and thrown away."""
        stream: Stream = _Chain(self._parts())
        if self.codec != Codec.TAR:
            stream = _Compressed(_Hashed(stream, self._finish), _compressor(self.codec))
        _discard(stream, offset)
        return stream

    def _parts(self) -> Iterator[Stream]:
        for entry in self.entries:
            yield io.BytesIO(self._header(entry))
            yield _Hashed(_Member(entry), partial(self.files.__setitem__, entry.path))
            yield io.BytesIO(bytes(_padded(entry.size) - entry.size))
        yield io.BytesIO(_END)

    def _header(self, entry: Entry) -> bytes:
        info = tarfile.TarInfo(entry.path)
        info.size, info.mode, info.mtime = entry.size, entry.mode, self._time
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")

    def _finish(self, digest: Digest) -> None:
        self.content_digest = digest


class _Member:
    """The bytes of one file, exactly as many as planned."""

    def __init__(self, entry: Entry) -> None:
        self._path = entry.path
        self._left = entry.size
        self._stream = _open(entry.path, entry.file)

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            if not self._left:
                if self._stream.read(1):
                    raise self._changed()
                return 0
            count = self._stream.readinto(buffer[: self._left])
        except OSError as error:
            raise InputError(f"cannot read {self._path}: {error.strerror}") from error
        if not count:
            raise self._changed()
        self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()

    def _changed(self) -> SizeMismatch:
        return SizeMismatch(f"{self._path} changed while it was read", hint="run again when nothing writes to it")


class _Chain:
    """Streams one after the other."""

    def __init__(self, streams: Iterator[Stream]) -> None:
        self._streams = streams
        self._current: Stream | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        while True:
            if self._current is None:
                self._current = next(self._streams, None)
                if self._current is None:
                    return 0
            if count := self._current.readinto(buffer):
                return count
            self.close()

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
        self._current = None


class _Hashed:
    """Passes bytes on, and tells their digest at the end."""

    def __init__(self, stream: Stream, finish: Callable[[Digest], None]) -> None:
        self._stream = stream
        self._finish = finish
        self._hasher = new_hasher("sha256")

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._stream.readinto(buffer) or 0
        self._hasher.update(buffer[:count])
        if not count:
            self._finish(Digest("sha256", self._hasher.hexdigest()))
        return count

    def close(self) -> None:
        self._stream.close()


class _Compressed:
    """Compresses what a stream gives, chunk by chunk."""

    def __init__(self, stream: Stream, compressor: Compressor) -> None:
        self._stream = stream
        self._compressor: Compressor | None = compressor
        self._chunk = memoryview(bytearray(CHUNK))
        self._ready = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._ready and self._compressor is not None:
            count = self._stream.readinto(self._chunk)
            if count:
                self._ready = memoryview(self._compressor.compress(self._chunk[:count]))
            else:
                self._ready = memoryview(self._compressor.flush())
                self._compressor = None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()


class _Gzip:
    """A gzip member (RFC 1952). Not zlib's own, whose header tells the operating system."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._start = _GZIP_HEADER
        self._crc = self._length = 0

    def compress(self, data: memoryview, /) -> bytes:
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        start, self._start = self._start, b""
        return start + self._deflate.compress(data)

    def flush(self) -> bytes:
        return self._deflate.flush() + struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)


def _compressor(codec: Codec) -> Compressor:
    if codec == Codec.TAR_GZIP:
        return _Gzip()
    import zstandard

    compressor: Compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    return compressor


def _open(path: str, file: Path) -> io.FileIO:
    try:
        return io.FileIO(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _discard(stream: Stream, count: int) -> None:
    buffer = memoryview(bytearray(min(count, CHUNK)))
    while count and (passed := stream.readinto(buffer[:count])):
        count -= passed
