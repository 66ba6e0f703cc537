"""Locks that only save work. Some file systems grant every lock to everybody; nothing here may depend on them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from modelpack.stage.cache.folders import Cache
from modelpack.store import Event, Observer
from modelpack.unpack.destination import os_errors

Flock: TypeAlias = Callable[[int, int], None]
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def locks_work(cache: Cache, flock: Flock = fcntl.flock) -> bool:
    """Whether a lock that is held is refused to a second descriptor: on some network file systems it is not.

    Raises InputError, NoSpace.
    """
    path = cache.temporary()
    with os_errors(path):
        first, second = os.open(path, _FLAGS, 0o600), os.open(path, _FLAGS, 0o600)
        try:
            flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(first)
            os.close(second)
            path.unlink(missing_ok=True)
    return False


@contextmanager
def locked(cache: Cache, key: str, observe: Observer) -> Iterator[None]:
    """Hold one snapshot against other runs; waits for them, and says so. Raises InputError, NoSpace."""
    path = cache.private / "locks" / f"{key}.lock"
    with os_errors(path):
        handle = _taken(path, key, observe)
    try:
        yield
    finally:
        # While it is still held: a waiter then notices that the file it locked has lost its name, and tries again.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _taken(path: Path, key: str, observe: Observer) -> int:
    while True:
        handle = os.open(path, _FLAGS, 0o600)
        try:
            _wait(handle, key, observe)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.lstat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait(handle: int, key: str, observe: Observer) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        observe(Event("retry", key[:12], note="another run stages the same model; waiting for it"))
        fcntl.flock(handle, fcntl.LOCK_EX)
