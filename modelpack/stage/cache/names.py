"""Names: symbolic links to snapshots, swapped by one rename, and what each led to before."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from modelpack.errors import InputError
from modelpack.stage.cache.folders import Cache, children, is_key, sync_folder
from modelpack.unpack.destination import os_errors

CURRENT = "current"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = frozenset({"blobs", "snapshots", "receipts", "evidence", "leases", "pins", "lost+found"})


def check_name(name: str) -> str:
    """The same, if it can be a name. Raises InputError."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise InputError(
            f"{name[:80]!a} cannot be a name in the cache", hint="letters, digits, '.', '_' and '-', such as current"
        )
    return name


def target(cache: Cache, name: str) -> str:
    """The key of the snapshot that a name leads to; empty if there is no such name. Raises InputError."""
    return _read(cache.root / check_name(name), "snapshots/")


def previous(cache: Cache, name: str) -> str:
    """What it led to before; empty if nothing. Raises InputError."""
    return _read(cache.previous / check_name(name), "")


def names(cache: Cache) -> dict[str, str]:
    """All names with their keys. Raises InputError."""
    with os_errors(cache.root):
        found = [item.name for item in children(cache.root) if item.is_symlink() and _NAME.fullmatch(item.name)]
    return {name: key for name in found if name not in _TAKEN and (key := target(cache, name))}


def point(cache: Cache, name: str, key: str) -> bool:
    """Let a name lead to a snapshot, from one instant to the next; whether that changed anything.

    Where it led to before is kept, for going back. Raises InputError, NoSpace.
    """
    before = target(cache, name)
    if before == key:
        return False
    if before:
        _link(cache, cache.previous / name, before)
    _link(cache, cache.root / name, f"snapshots/{key}")
    return True


def _read(link: Path, prefix: str) -> str:
    try:
        text = str(link.readlink())
    except FileNotFoundError:
        return ""
    except OSError:
        raise InputError(f"{link} is not a link of ours", hint="choose another --name, or remove it") from None
    key = text.removeprefix(prefix)
    if not text.startswith(prefix) or not is_key(key):
        raise InputError(
            f"{link} leads to {text[:200]!a}, not to a snapshot", hint="remove it, or choose another --name"
        )
    return key


def _link(cache: Cache, link: Path, text: str) -> None:
    temporary = cache.temporary()
    with os_errors(link):
        try:
            temporary.symlink_to(text)
            temporary.replace(link)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(link.parent)
