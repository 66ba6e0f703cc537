"""Locks that only save work. Some file systems grant every lock to everybody; nothing here may depend on them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from modelpack.stage.cache.folders import Cache
from modelpack.store import Event, Observer
from modelpack.unpack.destination import LOCK_FLAGS, held, os_errors

Flock: TypeAlias = Callable[[int, int], None]


def locks_work(cache: Cache, flock: Flock = fcntl.flock) -> bool:
    """Whether a lock that is held is refused to a second descriptor: on some network file systems it is not.

    Raises InputError, NoSpace.
    """
    path = cache.temporary()
    with os_errors(path):
        first, second = os.open(path, LOCK_FLAGS, 0o600), os.open(path, LOCK_FLAGS, 0o600)
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
    waiting = Event("retry", key[:12], note="another run stages the same model; waiting for it")
    with held(cache.private / "locks" / f"{key}.lock", waiting, observe):
        yield
