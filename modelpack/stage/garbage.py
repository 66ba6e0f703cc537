"""What may go: snapshots that no name, pin or lease uses, blobs that no snapshot has, work that nobody goes on with."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from modelpack.stage.cache import Cache, leases, names, pins, previous
from modelpack.stage.cache.folders import children, is_key
from modelpack.stage.offline import clear_evidence
from modelpack.stage.snapshots import Receipt
from modelpack.unpack.destination import os_errors, remove

_GRACE = 3600.0
_WORK = 86400.0
"""Seconds for which a blob without a snapshot, and unfinished work that nobody touches, stay."""


@dataclass(frozen=True, slots=True)
class Freed:
    """Something that was removed, or would be: ``kind`` is ``snapshot``, ``blob``, ``work`` or ``evidence``. Shared bytes
    count for blobs.
    """

    path: Path
    kind: str
    size: int


def used(cache: Cache, now: float | None = None) -> frozenset[str]:
    """The keys of snapshots that stay. Raises InputError if that cannot be said."""
    named = names(cache)
    before = {key for name in named if (key := previous(cache, name))}
    return frozenset({*named.values(), *before, *(lease.key for lease in leases(cache, now)), *pins(cache)})


def collect(
    cache: Cache,
    *,
    max_bytes: int | None = None,
    max_age: float | None = None,
    grace: float = _GRACE,
    dry_run: bool = False,
    now: float | None = None,
) -> tuple[Freed, ...]:
    """Remove unused snapshots, the oldest first: all, or only until the rest has no more than ``max_bytes``, or only those that
    were published more than ``max_age`` seconds ago. Then blobs that no snapshot has, and the evidence of models that are gone.

    Raises InputError, and removes nothing, if it cannot be said what is used.
    """
    cache.check()
    now = time.time() if now is None else now
    keep = used(cache, now)
    freed = []
    removed = set()
    for key in _chosen(cache, keep, max_bytes, max_age, now):
        if dry_run or _remove(cache, key, now):
            removed.add(key)
            freed.append(Freed(cache.snapshot(key), "snapshot", 0))
    freed += _blobs(cache, removed, now - grace, dry_run=dry_run)
    freed += _work(cache, now, dry_run=dry_run)
    return (*freed, *_evidence(cache, removed, now, grace, dry_run=dry_run))


def _chosen(cache: Cache, keep: frozenset[str], max_bytes: int | None, max_age: float | None, now: float) -> list[str]:
    with os_errors(cache.snapshots):
        ages = {key: _age(cache, key, now) for key in cache.keys()}  # noqa: SIM118  # a method
    unused = sorted((key for key in ages if key not in keep), key=lambda key: -ages[key])
    if max_age is not None:
        unused = [key for key in unused if ages[key] > max_age]
    if max_bytes is None:
        return unused
    sizes = {key: _contents(cache, key) for key in ages}
    gone: list[str] = []
    for key in unused:
        rest = {digest: size for other, files in sizes.items() if other not in gone for digest, size in files.items()}
        if sum(rest.values()) <= max_bytes:
            break
        gone.append(key)
    return gone


def _age(cache: Cache, key: str, now: float) -> float:
    """Since it was published or made anew."""
    place = cache.receipt(key) if cache.receipt(key).exists() else cache.snapshot(key)
    return now - place.stat().st_mtime


def _contents(cache: Cache, key: str) -> dict[str, int]:
    receipt = Receipt.load(cache, key)
    return {str(file.digest): file.size for file in receipt.files} if receipt else {}


def _remove(cache: Cache, key: str, now: float) -> bool:
    """Take it away by one rename, then look again whether somebody began to use it: then it comes back."""
    target = cache.snapshot(key)
    trash = cache.private / "tmp" / f"old-{secrets.token_hex(8)}"
    with os_errors(target):
        target.rename(trash)
        if key in used(cache, now) and not target.exists():
            trash.rename(target)
            return False
        cache.receipt(key).unlink(missing_ok=True)
        remove(trash)
    return True


def _blobs(cache: Cache, removed: set[str], before: float, *, dry_run: bool) -> list[Freed]:
    """A blob with a second name is in a snapshot, or in work that is going on."""
    named = {digest for key in cache.keys() if key not in removed for digest in _contents(cache, key)}  # noqa: SIM118
    freed = []
    with os_errors(cache.blobs):
        for path in [path for folder in children(cache.blobs) for path in children(folder)]:
            status = path.lstat()
            needed = f"{path.parent.name}:{path.name}" in named or (status.st_nlink > 1 and not dry_run)
            if not needed and status.st_ctime <= before:
                freed.append(Freed(path, "blob", status.st_size))
                if not dry_run:
                    path.unlink(missing_ok=True)
    return freed


def _work(cache: Cache, now: float, *, dry_run: bool) -> list[Freed]:
    """Unfinished work, and what a killed run left among the temporary files."""
    with os_errors(cache.work):
        rest = [path for folder in children(cache.work) for path in children(folder) if is_key(path.name)]
        rest += children(cache.private / "tmp")
        old = [(path, _newest(path), _size(path)) for path in rest]
        freed = [Freed(path, "work", size) for path, newest, size in old if newest < now - _WORK]
        for item in freed if not dry_run else ():
            remove(item.path)
    return freed


def _evidence(cache: Cache, removed: set[str], now: float, grace: float, *, dry_run: bool) -> list[Freed]:
    """Manifests and signatures of which no snapshot is left, selections and layouts counted as one."""
    here = {key.partition("-")[0] for key in cache.keys() if key not in removed}  # noqa: SIM118  # a method
    coming = {key.partition("-")[0] for key in used(cache, now) - removed}
    gone = clear_evidence(cache, here, coming, grace=grace, dry_run=dry_run)
    place = cache.evidence / "blobs"
    return [Freed(place / one.digest.algorithm / one.digest.hex, "evidence", one.size) for one in gone]


def _newest(path: Path) -> float:
    return max(_status(item).st_mtime for item in (path, *_below(path)))


def _size(path: Path) -> int:
    return sum(_status(item).st_size for item in (path, *_below(path)) if item.is_file() and not item.is_symlink())


def _below(path: Path) -> list[Path]:
    return list(path.rglob("*")) if path.is_dir() and not path.is_symlink() else []


def _status(path: Path) -> os.stat_result:
    return path.lstat()
