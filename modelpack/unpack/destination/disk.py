"""What is asked of the file system: links, exchange, removal, free space; and its errors in our words."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelpack.errors import InputError, ModelPackError, NoSpace

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})
_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn OSError into NoSpace or InputError about a path that the caller chose."""
    try:
        yield
    except OSError as error:
        raise _translated(error, path) from error


def _translated(error: OSError, path: Path) -> ModelPackError:
    if error.errno in _FULL:
        return NoSpace(
            f"no space left while writing {path}", hint="free some space and run again; what was fetched is kept"
        )
    return InputError(f"cannot write {path}: {error.strerror or type(error).__name__}")


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write to the file system. Raises OSError."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def is_own_folder(path: Path) -> bool:
    """Whether this is a real folder that only this user can have filled. Raises OSError."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file (or symbolic link, never what it leads to) a second name, or a copy where there are no hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def exchange(first: Path, second: Path) -> bool:
    """Let two folders swap names in one step (Linux ``renameat2``). False if this system cannot. Raises OSError."""
    import ctypes  # 10 ms that only this step needs

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(second))


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it (read-only folders too). Links are removed, never followed.

    Without recursion, because users nest deeper than Python does. Raises OSError; what is not there is fine.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    folders = [path]
    for folder in folders:  # grows while it is walked
        folder.chmod(0o700)
        with os.scandir(folder) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    folders.append(Path(item.path))
                else:
                    Path(item.path).unlink()
    for folder in reversed(folders):
        folder.rmdir()
