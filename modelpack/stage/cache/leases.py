"""Leases and pins: what keeps a snapshot from being cleared away although no name leads to it.

A lease is a file whose modification time is a heartbeat; it counts until ``ttl`` seconds after the last one. A pin counts
until it is removed.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import InputError, ModelPackError, NotFound
from modelpack.oci import dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.stage.cache.folders import Cache, atomic_write, children, is_key
from modelpack.unpack.destination import os_errors

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_MAX_LEASE = 4096
MAX_TTL = 30 * 86400
"""Seconds that a lease can last without a heartbeat."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Somebody, ``owner``, uses the snapshot ``key`` until ``expires`` (seconds since 1970) at least."""

    owner: str
    key: str
    ttl: int
    expires: float


def renew(cache: Cache, owner: str, key: str = "", *, ttl: int = 0) -> Lease:
    """Take a lease of a snapshot, or, without a key, give the sign of life for one that was taken.

    Raises InputError, NotFound (nothing to renew), NoSpace.
    """
    path = _path(cache, owner)
    if key:
        if not 0 < ttl <= MAX_TTL:
            raise InputError(f"a lease lasts between 1 and {MAX_TTL} seconds, not {ttl}")
        atomic_write(cache, path, dumps({"snapshot": key, "ttl": ttl}))
    else:
        try:
            os.utime(path)
        except FileNotFoundError:
            raise NotFound(f"{owner} has no lease", hint="modelpack stage REFERENCE --lease takes one") from None
        except OSError as error:
            raise InputError(f"{path} cannot be renewed: {error.strerror}") from error
    return _read(path)


def release(cache: Cache, owner: str) -> None:
    """Give a lease back; one that is not there is fine. Raises InputError."""
    path = _path(cache, owner)
    with os_errors(path):
        path.unlink(missing_ok=True)


def leases(cache: Cache, now: float | None = None) -> tuple[Lease, ...]:
    """All leases that count. Raises InputError for one that cannot be read: what it protects is not known."""
    now = time.time() if now is None else now
    found = []
    with os_errors(cache.leases):
        paths = children(cache.leases)
    for path in paths:
        with suppress(FileNotFoundError, NotFound):
            if path.lstat().st_mtime + MAX_TTL > now:
                found.append(_read(path))
    return tuple(lease for lease in found if lease.expires > now)


def set_pin(cache: Cache, key: str, *, keep: bool) -> None:
    """Pin a snapshot, or let it go. Raises InputError, NotFound (no such snapshot)."""
    if not is_key(key) or (keep and not cache.snapshot(key).is_dir()):
        raise NotFound(f"there is no snapshot {key[:80]!a} in {cache.root}", hint="modelpack stage status shows them")
    path = cache.pins / key
    if keep:
        atomic_write(cache, path, b"")
    else:
        with os_errors(path):
            path.unlink(missing_ok=True)


def pins(cache: Cache) -> frozenset[str]:
    """The pinned keys. Raises InputError."""
    with os_errors(cache.pins):
        return frozenset(path.name for path in children(cache.pins) if is_key(path.name))


def pinned(cache: Cache, key: str) -> bool:
    """Whether a snapshot is pinned."""
    return (cache.pins / key).exists()


def _path(cache: Cache, owner: str) -> Path:
    if not _ID.fullmatch(owner):
        raise InputError(f"{owner[:80]!a} cannot be the name of a lease", hint="a pod's uid, for example")
    return cache.leases / f"{owner}.json"


def _read(path: Path) -> Lease:
    try:
        with path.open("rb") as file:
            raw, beat = file.read(_MAX_LEASE + 1), os.fstat(file.fileno()).st_mtime
        fields = Fields(loads_object(raw, "lease", limit=_MAX_LEASE), "lease")
        key, ttl = fields.text("snapshot"), min(fields.integer("ttl"), MAX_TTL)
        if not is_key(key):
            fields.fail("snapshot", "not a snapshot's key")
    except FileNotFoundError:
        raise NotFound(f"{path} is gone") from None
    except (OSError, ModelPackError) as error:
        raise InputError(f"the lease {path} cannot be read: {error}", hint="remove it if nobody uses it") from None
    return Lease(path.name.removesuffix(".json"), key, ttl, beat + ttl)
