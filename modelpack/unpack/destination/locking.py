"""A lock that is a file: held by one run at a time, and gone when nobody holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelpack.store import Event, Observer
from modelpack.unpack.destination.disk import os_errors

LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def held(path: Path, waiting: Event, observe: Observer) -> Iterator[None]:
    """Hold a lock; if another run has it, tell ``waiting`` and wait. Raises InputError, NoSpace."""
    with os_errors(path):
        handle = _taken(path, waiting, observe)
    try:
        yield
    finally:
        # While it is still held: a waiter then notices that the file it locked has lost its name, and tries again.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _taken(path: Path, waiting: Event, observe: Observer) -> int:
    while True:
        handle = os.open(path, LOCK_FLAGS, 0o600)
        try:
            _wait(handle, waiting, observe)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.lstat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait(handle: int, waiting: Event, observe: Observer) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        observe(waiting)
        fcntl.flock(handle, fcntl.LOCK_EX)
