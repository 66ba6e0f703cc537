"""Blobs become files of a tree, by hard link or by copy; a tree becomes a snapshot, by rename."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from modelpack.errors import DigestMismatch
from modelpack.oci import Digest, new_hasher
from modelpack.stage.cache import Cache, sync_folder
from modelpack.store import CHUNK
from modelpack.unpack.destination import os_errors, remove
from modelpack.unpack.destination.disk import exchange

NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES})
_OCCUPIED = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
_FILE, _PROGRAM = 0o444, 0o555


def share(source: Path, blob: Path) -> Path:
    """Give content that was verified, and is on the disk after this, its name among the blobs. From where to link on.

    Who comes second keeps its own file. Raises OSError.
    """
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(handle, _FILE)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(source, blob, follow_symlinks=False)
    except FileExistsError:
        return source
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        source.replace(blob)
        return blob
    return source


def place(blob: Path, target: Path, digest: Digest, *, executable: bool) -> bool:
    """Give a blob's content a second name; a copy if it has another mode, or where there are no links.

    Whether it was there, and (a copy) what its digest says. Raises OSError.
    """
    try:
        if not executable:
            os.link(blob, target, follow_symlinks=False)
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    return _copied(blob, target, digest, _PROGRAM if executable else _FILE)


def file_with(source: Path, target: Path, digest: Digest, *, executable: bool) -> None:
    """The same for content that was verified just now. Raises OSError, DigestMismatch."""
    if not place(source, target, digest, executable=executable):
        raise DigestMismatch(f"{digest} was changed on the disk while it was staged", hint="run again")


def publish(cache: Cache, tree: Path, key: str) -> bool:
    """Make a finished tree the snapshot of a key, in one step; what was there is removed. Whether it is the one that is
    there now: somebody else may have published after. Raises InputError, NoSpace.
    """
    target = cache.snapshot(key)
    with os_errors(target):
        ours = tree.stat()
        try:
            tree.rename(target)
        except OSError as error:
            if error.errno not in _OCCUPIED:
                raise
            _replace(cache, tree, target)
        sync_folder(cache.snapshots)
        with suppress(FileNotFoundError):
            return os.path.samestat(ours, target.lstat())
    return False


def _replace(cache: Cache, tree: Path, target: Path) -> None:
    old = tree
    if target.is_symlink() or not target.is_dir() or not exchange(tree, target):
        old = cache.private / "tmp" / f"old-{secrets.token_hex(8)}"
        target.rename(old)
        tree.rename(target)
    remove(old)


def _copied(blob: Path, target: Path, digest: Digest, mode: int) -> bool:
    """Copy while hashing; nothing is left of what is wrong."""
    try:
        reader = os.open(blob, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    hasher = new_hasher(digest.algorithm)
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "wb") as copy:
        buffer = memoryview(bytearray(CHUNK))
        while length := source.readinto(buffer):
            hasher.update(buffer[:length])
            copy.write(buffer[:length])
        copy.flush()
        os.fchmod(copy.fileno(), mode)
        os.fsync(copy.fileno())
    if hasher.hexdigest() == digest.hex:
        return True
    target.unlink()
    return False
