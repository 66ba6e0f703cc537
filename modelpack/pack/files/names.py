"""Which file names go into a model: those that every consumer can unpack, checked before they travel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from modelpack.errors import InputError, UnsafePath
from modelpack.paths import Claims, safe_path

_HINT = "rename the file, or leave it out with an exclude pattern"


def check_path(path: str) -> None:
    """Raise InputError if a path (POSIX, relative to the model's folder) cannot be unpacked everywhere."""
    try:
        clean = str(safe_path(path))
    except UnsafePath as error:
        raise InputError(str(error), hint=_HINT) from None
    if clean != path:
        raise InputError(f"file name {path[:80]!r} is not a clean path", hint=_HINT)


def check_distinct(paths: Iterable[str]) -> None:
    """Raise InputError if two files, or a file and a folder, would be one on some file system."""
    claims = Claims()
    try:
        for path in paths:
            claims.file(PurePosixPath(path))
    except UnsafePath as error:
        raise InputError(str(error), hint=_HINT) from None
