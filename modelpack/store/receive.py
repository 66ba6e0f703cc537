"""Verified content into a file: resumable, safe against a second process, and never half there under its final name."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelpack.errors import (
    ContentError,
    DigestMismatch,
    ModelPackError,
    NoSpace,
    NotFound,
    StoreError,
    UnsafePath,
    UnsupportedFormat,
)
from modelpack.oci import Descriptor, Hasher, new_hasher
from modelpack.store.parallel import THRESHOLD, PartMap, RangedSource, download
from modelpack.store.sources import CHUNK, VerifiedSource

PARTIAL = ".partial"
_PARTS = ".parts"
"""What follows the final name while bytes are still missing, and what follows that for the map of a parallel download."""


def receive(source: VerifiedSource, path: Path) -> None:
    """Write content to ``path``, which gets that name only after all bytes were hashed. What was there is replaced.

    Bytes collect in ``path`` + ``.partial``. They stay there when a transfer breaks off, and the next call goes on
    behind them after hashing them again. A second process or thread waits for the first one's result. Nothing is
    flushed to the disk: after a power failure the file may be damaged, which its next reader notices.

    Raises DigestMismatch, SizeMismatch, NoSpace, UnsafePath (a link stands where the partial file should be),
    StoreError, and whatever the source raises.
    """
    partial = path.with_name(path.name + PARTIAL)
    with os_errors(path):
        while (file := _claim(partial)) is None:
            if _holds(path, source.descriptor):
                (source.count or _nobody)(source.size)
                return
        try:
            _fill(source, file, partial)
            partial.replace(path)
        finally:
            os.close(file)


def final_name(name: str) -> str:
    """The name that a file which :func:`receive` left behind was meant to get; any other name as it is."""
    return name.removesuffix(_PARTS).removesuffix(PARTIAL) if PARTIAL in name else name


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a file into ours."""
    try:
        yield
    except OSError as error:
        raise _translate(error, path) from error


def write_all(file: int, data: memoryview, offset: int) -> None:
    """Write all of it: one call may write less, as when the disk is nearly full."""
    while data:
        written = os.pwrite(file, data, offset)
        data = data[written:]
        offset += written


def _translate(error: OSError, path: Path) -> ModelPackError:
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left for {path}", hint="free some space and run again; what has arrived is kept")
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return UnsafePath(f"{path} or its partial file is a symbolic link", hint="remove the link")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"{path}: {reason}")
    return StoreError(f"{path}: {reason}")


def _claim(partial: Path) -> int | None:
    """The partial file, open and locked; None if another process finished or removed it while this one waited."""
    file = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UnsafePath(f"{partial} is not a regular file", hint="remove it")
        fcntl.flock(file, fcntl.LOCK_EX)
        if _still_named(file, partial):
            return file
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _still_named(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.lstat())
    return False


def _holds(path: Path, descriptor: Descriptor) -> bool:
    """Whether the file that another process left behind is the one that is wanted."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # absent, or a link or a socket, which will be replaced
        return False
    try:
        if os.fstat(file).st_size != descriptor.size:
            return False
        hasher = new_hasher(descriptor.digest.algorithm)
        _rehash(file, hasher)
        return hasher.hexdigest() == descriptor.digest.hex
    finally:
        os.close(file)


def _fill(source: VerifiedSource, file: int, partial: Path) -> None:
    """Make the partial file complete: over several connections where the source allows it, else from front to back."""
    ranged = source.source
    if source.size >= THRESHOLD and isinstance(ranged, RangedSource) and ranged.ranged:
        with suppress(UnsupportedFormat):  # the server ignores ranges: then there is one whole answer to be read
            _fill_parallel(source, ranged, file, partial)
            return
        os.ftruncate(file, 0)
    _fill_serial(source, file, partial)


def _fill_parallel(source: VerifiedSource, ranged: RangedSource, file: int, partial: Path) -> None:
    """What an earlier run left behind was perhaps damaged, or a mirror is: then once more, from nothing."""
    while True:
        parts = PartMap(partial.with_name(partial.name + _PARTS), source.descriptor)
        resumed = bool(parts.blocks)
        try:
            download(source, ranged, file, parts, write_all)
            parts.discard()
        except UnsupportedFormat:
            parts.discard()
            raise
        except ContentError:
            parts.discard()
            os.ftruncate(file, 0)
            if not resumed and not source.distrust():
                partial.unlink()
                raise
        else:
            return
        finally:
            parts.close()


def _fill_serial(source: VerifiedSource, file: int, partial: Path) -> None:
    """What is there was perhaps something else, or a mirror is wrong: then once more from the beginning."""
    algorithm = source.descriptor.digest.algorithm
    hasher = new_hasher(algorithm)
    if os.fstat(file).st_size > source.size:
        os.ftruncate(file, source.size)
    offset = _rehash(file, hasher)
    while True:
        try:
            return _finish(source, file, hasher, offset)
        except ContentError:
            if not offset and not source.distrust():
                partial.unlink()
                raise
        os.ftruncate(file, 0)
        hasher, offset = new_hasher(algorithm), 0


def _rehash(file: int, hasher: Hasher) -> int:
    if not (size := os.fstat(file).st_size):
        return 0
    buffer = memoryview(bytearray(min(CHUNK, size)))
    offset = 0
    while length := os.preadv(file, [buffer], offset):
        hasher.update(buffer[:length])
        offset += length
    return offset


def _finish(source: VerifiedSource, file: int, hasher: Hasher, offset: int) -> None:
    if offset < source.size or not offset:
        _write(source, file, hasher, offset)
    elif hasher.hexdigest() != source.descriptor.digest.hex:
        raise DigestMismatch(f"a partial file does not match {source.descriptor.digest}")
    else:  # the earlier run ended between the last byte and the rename; a server would call this range unsatisfiable
        (source.count or _nobody)(source.size)


def _write(source: VerifiedSource, file: int, hasher: Hasher, offset: int) -> None:
    buffer = memoryview(bytearray(min(CHUNK, source.size) or 1))
    with source.resume(hasher, offset) as reader:
        while length := reader.readinto(buffer):
            write_all(file, buffer[:length], offset)
            offset += length


def _nobody(_: int) -> None:
    """Nobody counts."""
