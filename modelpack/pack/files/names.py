"""Which file names go into a model: those that every consumer can unpack, checked before they travel.

The rule is the one by which :mod:`modelpack.unpack` takes names out again (a test holds the two together).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from modelpack.errors import InputError

MAX_PATH = 4096
MAX_COMPONENT = 255
MAX_DEPTH = 64
"""Bytes in a path, bytes in one of its names, names in a path."""

_DRIVE = re.compile(r"[A-Za-z]:")
# Control and format characters (bidirectional overrides and zero-width ones among them), surrogates, line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_OURS = re.compile(r"\.modelpack\.json|\..*\.modelpack-(?:partial|lock)", re.DOTALL)


def check_path(path: str) -> None:
    """Raise InputError if a path (POSIX, relative to the model's folder) cannot be unpacked everywhere."""
    if reason := _objection(path):
        shown = ascii(path if len(path) <= 80 else path[:77] + "...")
        raise InputError(
            f"the file name {shown} {reason}", hint="rename the file, or leave it out with an exclude pattern"
        )


def check_distinct(paths: Iterable[str]) -> None:
    """Raise InputError if two files, or a file and a folder, would be one on some file system."""
    seen: dict[tuple[str, ...], tuple[str, bool]] = {}
    for path in paths:
        parts = path.split("/")
        key = tuple(map(_fold, parts))
        for count in range(1, len(parts) + 1):
            this = ("/".join(parts[:count]), count == len(parts))
            known = seen.setdefault(key[:count], this)
            if known != this or (known is not this and this[1]):
                raise InputError(
                    f"{known[0]!r} and {this[0]!r} are the same name on some file systems",
                    hint="rename one of them, or leave it out with an exclude pattern",
                )


def _objection(path: str) -> str:
    """What is wrong with a path, as the end of a sentence; empty if nothing is."""
    parts = path.split("/")
    if any(unicodedata.category(character) in _INVISIBLE for character in path):
        return "holds control or invisible characters, or is not UTF-8"
    if "\\" in path:
        return "holds a backslash, which is a separator on some systems"
    if _DRIVE.match(path):
        return "begins with a drive letter"
    if not {"", ".", ".."}.isdisjoint(parts):
        return "is not a clean relative path"
    if len(path.encode()) > MAX_PATH or any(len(part.encode()) > MAX_COMPONENT for part in parts):
        return "is too long"
    if len(parts) > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} folders"
    return "is reserved for modelpack's own records" if any(map(_OURS.fullmatch, map(_fold, parts))) else ""


def _fold(name: str) -> str:
    """One spelling for all names that some file system takes for the same (case, Unicode form, trailing dots)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return folded.rstrip(". ") or folded
