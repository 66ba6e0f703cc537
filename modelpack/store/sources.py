"""Content on its way: streams that are read once, sources that can be read again, and readers that hash what passes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from modelpack.errors import DigestMismatch, InputError, NotFound, SizeMismatch, StoreError
from modelpack.oci import Descriptor, Digest, new_hasher
from modelpack.store.hashing import beside

if TYPE_CHECKING:
    from modelpack.oci import Hasher

CHUNK = 256 << 10
"""Bytes per read: small enough to stay in the L2 cache between receive, hash and write."""

Count = Callable[[int], None]
"""Told of bytes as they pass; told of a negative number when an attempt failed and its bytes will come again."""


class Stream(Protocol):
    """Bytes, once, from front to back."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill (part of) the buffer; the number of bytes, 0 only at the end."""
        ...

    def close(self) -> None:
        """Release what is held. Closing twice is allowed."""
        ...


class Source(Protocol):
    """Content that can be read again."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None if only reading tells."""
        ...

    def open(self, offset: int = 0) -> Stream:
        """Start to read at an offset (bytes)."""
        ...


@runtime_checkable
class Replaceable(Protocol):
    """A source that may have another place to read from."""

    def distrust(self) -> bool:
        """What was read was wrong. Whether it will come from elsewhere now."""
        ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Content in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def open(self, offset: int = 0) -> Stream:
        """Start to read."""
        stream = io.BytesIO(self.data)
        stream.seek(offset)
        return stream


@dataclass(frozen=True, slots=True)
class FileSource:
    """Content of a regular file, by reference: the bytes stay where they are."""

    path: Path
    size: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Take a file as it is now. Raises NotFound, InputError (not a regular file)."""
        try:
            if not path.is_file():
                raise InputError(f"{path} is not a regular file")
            return cls(path, path.stat().st_size)
        except OSError as error:
            raise NotFound(f"cannot read {path}: {error.strerror}") from error

    def open(self, offset: int = 0) -> Stream:
        """Start to read. Raises NotFound; and StoreError later, if the disk or a network share fails."""
        stream = _File(self.path)
        stream.seek(offset)
        return stream

    def read_at(self, offset: int, length: int) -> bytes:
        """Some bytes from the middle; fewer at the end of the file. Raises NotFound, StoreError."""
        with _File(self.path) as stream:
            try:
                return os.pread(stream.fileno(), length, offset)
            except OSError as error:
                raise _unreadable(self.path, error) from error


class _File(io.FileIO):
    """An open file whose errors are ours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(path)
        except OSError as error:
            raise NotFound(f"cannot read {path}: {error.strerror}") from error

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed allows any buffer
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _unreadable(self._path, error) from error


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot read {path}: {error.strerror or type(error).__name__}")


class Reader(AbstractContextManager["Reader"]):
    """A stream with the conveniences of a file object (``read`` is what :mod:`tarfile` and decompressors call)."""

    def __init__(self, stream: Stream, count: Count | None = None) -> None:
        self._stream = stream
        self._count = count or (lambda _: None)
        self._counted = 0
        self._complete = False
        self.position = 0

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer; 0 only at the end."""
        length = self._stream.readinto(buffer) or 0
        self.position += length
        self._tell(length)
        return length

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes, fewer only at the end; everything if negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        buffer = bytearray(size)
        view = memoryview(buffer)
        filled = 0
        while filled < size and (length := self.readinto(view[filled:])):
            filled += length
        return bytes(view[:filled])

    def close(self) -> None:
        """Release the stream, and take back what was counted if it was not read to its good end."""
        if not self._complete:
            self.revoke()
        self._stream.close()

    @property
    def complete(self) -> bool:
        """Whether it was read to its good end: all that it handed over is what it should be."""
        return self._complete

    def revoke(self) -> None:
        """Take back what was counted: it will come again."""
        self._tell(-self._counted)

    def _finish_empty(self) -> None:
        """Nothing is left to read: what has to be said, is said before anybody reads."""
        try:
            self._finish()
        except BaseException:
            self.close()
            raise

    def _finish(self) -> None:
        """What is said at the end: nothing, by a reader that does not know where that is."""

    def _tell(self, count: int) -> None:
        self._count(count)
        self._counted += count

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""
        self.close()


class VerifyingReader(Reader):
    """Hands over the bytes of one descriptor, and raises before the last of them if they are not those.

    It may start in the middle: ``hasher`` has then seen the first ``offset`` bytes. A buffer must stay as it is until it is
    given again: it is hashed while the caller sends or writes it, or fills others.
    """

    def __init__(
        self,
        stream: Stream,
        descriptor: Descriptor,
        count: Count | None = None,
        hasher: Hasher | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(stream, count)
        self._descriptor = descriptor
        self._hasher = beside(hasher or new_hasher(descriptor.digest.algorithm), descriptor.size - offset)
        self.position = offset
        self._tell(offset)
        if descriptor.size == offset:
            self._finish_empty()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer. Raises DigestMismatch, SizeMismatch, and whatever the stream raises."""
        left = self._descriptor.size - self.position
        if left == 0 or not len(buffer):
            return 0
        self._hasher.release(buffer)
        length = super().readinto(buffer[:left])
        if length == 0:
            raise SizeMismatch(
                f"{self._descriptor.digest} ended after {self.position} of {self._descriptor.size} bytes",
                hint="the content is truncated where it is stored; push it again",
            )
        self._hasher.update(buffer[:length])
        if length == left:
            self._finish()
        return length

    def _finish(self) -> None:
        if self._stream.readinto(memoryview(bytearray(1))):
            raise SizeMismatch(f"{self._descriptor.digest} is longer than the {self._descriptor.size} bytes promised")
        if self._hasher.hexdigest() != self._descriptor.digest.hex:
            raise DigestMismatch(
                f"content does not match its digest {self._descriptor.digest} ({self._descriptor.size} bytes)",
                hint="it was altered or damaged after it was pushed",
            )
        self._complete = True

    def close(self) -> None:
        """Release the stream and the thread."""
        self._hasher.close()
        super().close()


@dataclass(frozen=True, slots=True)
class VerifiedSource:
    """Content that is known by a descriptor; every reader of it checks that it is."""

    source: Source
    descriptor: Descriptor
    count: Count | None = None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.descriptor.size

    def open(self) -> VerifyingReader:
        """Start to read."""
        return VerifyingReader(self.source.open(), self.descriptor, self.count)

    def resume(self, hasher: Hasher, offset: int) -> VerifyingReader:
        """Go on where an earlier reader stopped; ``hasher`` has seen the ``offset`` bytes before."""
        return VerifyingReader(self.source.open(offset), self.descriptor, self.count, hasher, offset)

    def distrust(self) -> bool:
        """After a ContentError: whether to read again, because the content will then come from another place."""
        return isinstance(self.source, Replaceable) and self.source.distrust()


class HashingSource:
    """Content whose digest is found out by reading it. ``digest`` and ``length`` hold once a reader has reached the end."""

    def __init__(self, source: Source, count: Count | None = None) -> None:
        self.source = source
        self.size = source.size
        self.count = count
        self._result: tuple[Digest, int] | None = None

    @property
    def digest(self) -> Digest:
        """SHA-256 of what was read."""
        return self._finished()[0]

    @property
    def length(self) -> int:
        """Bytes that were read."""
        return self._finished()[1]

    def open(self) -> HashingReader:
        """Start to read (again)."""
        self._result = None
        return HashingReader(self, self.count)

    def finish(self, digest: Digest, length: int) -> None:
        """What a reader says at its end. Raises SizeMismatch if the source promised another size."""
        if self.size is not None and self.size != length:
            raise SizeMismatch(
                f"a file changed while it was read: {length} bytes instead of {self.size}",
                hint="run again when nothing writes to it",
            )
        self._result = (digest, length)

    def _finished(self) -> tuple[Digest, int]:
        if self._result is None:
            raise SizeMismatch("the content was not read to its end")
        return self._result


class HashingReader(Reader):
    """Hashes what passes, and tells its source at the end. As with :class:`VerifyingReader`, buffers must stay as they are."""

    def __init__(self, owner: HashingSource, count: Count | None = None) -> None:
        super().__init__(owner.source.open(), count)
        self._owner = owner
        self._hasher = beside(new_hasher("sha256"), owner.size)
        if owner.size == 0:
            self._finish_empty()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer. Raises SizeMismatch if the content turns out shorter or longer than it was."""
        self._hasher.release(buffer)
        length = super().readinto(buffer)
        self._hasher.update(buffer[:length])
        if length == 0 or self.position == self._owner.size:
            self._finish()
        return length

    def _finish(self) -> None:
        grown = self._stream.readinto(memoryview(bytearray(1))) or 0
        self._owner.finish(Digest("sha256", self._hasher.hexdigest()), self.position + grown)
        self._complete = True

    def close(self) -> None:
        """Release the stream and the thread."""
        self._hasher.close()
        super().close()
