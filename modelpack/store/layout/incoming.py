"""Files on their way into a layout, before their digest is known."""

from __future__ import annotations

import fcntl
import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

from modelpack.errors import DigestMismatch
from modelpack.oci import Digest, new_hasher
from modelpack.store.layout.files import CREATE, READ, Files, protect
from modelpack.store.receive import os_errors, write_all
from modelpack.store.sources import CHUNK

_FICLONE = 0x40049409


class Incoming:
    """A file that has no digest yet; locked as long as it is open, so that nobody tidies it away.

    Use it as a context manager: what was not committed is removed. One thread at a time.
    """

    def __init__(self, files: Files, file: int, path: Path) -> None:
        self._files = files
        self._file = file
        self._hasher = new_hasher("sha256")
        self.path = path
        self.size = 0
        with suppress(OSError):  # a hard link may be locked by its owner
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @classmethod
    def create(cls, files: Files) -> Self:
        """An empty file. Raises NoSpace, StoreError."""
        path = files.temporary()
        with os_errors(path):
            return cls(files, os.open(path, CREATE, 0o666), path)

    @classmethod
    def link(cls, files: Files, source: Path) -> Self | None:
        """A hard link to a file; None if that is not possible or not safe (see LayoutStore)."""
        path = files.temporary()
        try:
            os.link(source.resolve(strict=True), path, follow_symlinks=False)
            incoming = cls(files, os.open(path, READ), path)
        except OSError:  # another file system, one without links, somebody else's file
            with suppress(OSError):
                path.unlink()
            return None
        if incoming.is_private():
            return incoming
        incoming.close()
        return None

    def is_private(self) -> bool:
        """Whether it is a regular file that only this user may write to."""
        status = os.fstat(self._file)
        return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022

    def clone(self, source: Path) -> bool:
        """Share the blocks of another file, copy-on-write. Whether the file system could."""
        try:
            with io.FileIO(source) as file:
                fcntl.ioctl(self._file, _FICLONE, file.fileno())
        except OSError:
            return False
        return True

    def write(self, data: memoryview) -> None:
        """Append, and hash. Raises NoSpace, StoreError."""
        self._hasher.update(data)
        self.append(data)

    def append(self, data: memoryview) -> None:
        """Append what the caller hashes. Raises NoSpace, StoreError."""
        with os_errors(self.path):
            write_all(self._file, data, self.size)
        self.size += len(data)

    def commit(self, expected: Digest) -> None:
        """Make what was written a blob. Raises DigestMismatch, StoreError."""
        if self._hexdigest(expected.algorithm) != expected.hex:
            raise DigestMismatch(f"the content does not match {expected}")
        self.place(expected)

    def place(self, digest: Digest) -> None:
        """Make it a blob with the digest that the caller found. Raises StoreError."""
        target = self._files.folder_for(digest)
        with os_errors(target):
            if os.fstat(self._file).st_nlink == 1:  # the mode of a linked file is its owner's
                protect(self._file)
            self.path.replace(target)

    def close(self) -> None:
        """Remove what was not committed. Closing twice is allowed."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not committed."""
        self.close()

    def _hexdigest(self, algorithm: str) -> str:
        if algorithm == "sha256":
            return self._hasher.hexdigest()
        hasher, offset = new_hasher(algorithm), 0
        buffer = memoryview(bytearray(CHUNK))
        with os_errors(self.path):
            while length := os.preadv(self._file, [buffer], offset):
                hasher.update(buffer[:length])
                offset += length
        return hasher.hexdigest()
