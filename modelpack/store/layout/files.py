"""The files of a layout: blobs under their digests, and the locks between processes.

What is not part of the specification lies in ``.modelpack/``: lock files, and ``incoming/`` for what has no digest yet.
"""

from __future__ import annotations

import fcntl
import io
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelpack.errors import ModelPackError, UnsafePath
from modelpack.oci import Digest
from modelpack.store.receive import os_errors, write_all

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_STALE = 3600.0
"""Seconds after which a blob that somebody relies on is marked as used again."""


class Files:
    """Where things are in one layout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = root / ".modelpack"
        self.incoming = self.private / "incoming"

    def blob(self, digest: Digest) -> Path:
        """Where a blob is, or would be."""
        return self.root / "blobs" / digest.algorithm / digest.hex

    def folder_for(self, digest: Digest) -> Path:
        """The same path, its folder made."""
        path = self.blob(digest)
        with os_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def temporary(self) -> Path:
        """A new name in ``incoming/``; what a killed process leaves there, pruning removes."""
        make_folder(self.private)
        make_folder(self.incoming)
        return self.incoming / secrets.token_hex(16)

    @contextmanager
    def locked(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Hold one of the locks, ``"index"`` or ``"blobs"``, against other processes and threads."""
        make_folder(self.private)
        path = self.private / f"{name}.lock"
        with os_errors(path):
            file = os.open(path, _LOCK, 0o666)
        try:
            with os_errors(path):
                fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether a blob is there in full length. If so, pruning lets it be for a while."""
        path = self.blob(digest)
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                return False
            return time.time() - status.st_ctime < _STALE or self._freshen(path, status)
        except OSError:
            return False

    def _freshen(self, path: Path, status: os.stat_result) -> bool:
        """Set the change time and nothing else: the file may be a hard link to somebody's own."""
        with suppress(OSError, ModelPackError), self.locked("blobs", shared=True):
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
        return path.exists()


class BlobFile(io.FileIO):
    """An open regular file whose errors are ours. Raises NotFound, UnsafePath (a link stands there), StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with os_errors(path):
            super().__init__(os.open(path, READ))
            if not stat.S_ISREG(os.fstat(self.fileno()).st_mode):
                self.close()
                raise UnsafePath(f"{path} is not a regular file")

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed allows any buffer
        """Fill (part of) the buffer. Raises StoreError."""
        with os_errors(self.path):
            return super().readinto(buffer)


def read_small(path: Path, limit: int) -> bytes:
    """A small file whole; one byte more than ``limit`` if it is larger. Raises as :class:`BlobFile`."""
    with BlobFile(path) as file, os_errors(path):
        return os.pread(file.fileno(), limit + 1, 0)


def make_folder(path: Path) -> None:
    """Make a folder of our own, and its parent. Raises UnsafePath where a link would lead elsewhere, StoreError."""
    with os_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            raise UnsafePath(f"{path} is a symbolic link", hint="remove the link")


def protect(file: int) -> None:
    """Take away the right to write: content never changes under its digest."""
    os.fchmod(file, stat.S_IMODE(os.fstat(file).st_mode) & 0o444)


def replace_file(path: Path, temporary: Path, data: bytes) -> None:
    """Write a small file so that there is always either the old one or the new one, even after a power failure."""
    with os_errors(path):
        file = os.open(temporary, CREATE, 0o666)
        try:
            write_all(file, memoryview(data), 0)
            os.fsync(file)
            temporary.replace(path)
        except OSError:
            temporary.unlink()
            raise
        finally:
            os.close(file)
