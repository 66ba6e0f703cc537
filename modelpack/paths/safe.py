"""Which names an artifact may give its files: one rule for raw layers, archive members and our own records.

Every name that reaches the disk went through :func:`safe_path`, and every set of names through :class:`Claims`.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from pathlib import PurePosixPath

from modelpack.errors import UnsafePath

MARKER = ".modelpack.json"
"""Our record inside an unpacked folder."""

MODEL_SIGNATURE = "model.sig"
"""What OpenSSF Model Signing calls the signature that lies beside the files; it is not one of them."""

STAGING_SUFFIX = ".modelpack-partial"
LOCK_SUFFIX = ".modelpack-lock"

MAX_PATH = 4096
MAX_COMPONENT = 255
MAX_DEPTH = 64
"""Bytes in a path, bytes in one of its names, names in a path: what Linux takes, and what recursive tools survive."""

_DRIVE = re.compile(r"[A-Za-z]:")
# Control and format characters (bidirectional overrides and zero-width ones among them), surrogates, line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe_path(name: str) -> PurePosixPath:
    """A file name from an artifact as a relative path that stays in its folder; a leading ``./`` is dropped.

    Names that only Windows reserves (``aux``, a trailing dot) are fine; :class:`Claims` sees to it that they do not
    collide there. Raises UnsafePath.
    """
    reason = "is too long" if len(name) > MAX_PATH else _objection(_stripped(name))
    if reason:
        shown = repr(name if len(name) <= 80 else name[:77] + "...")
        raise UnsafePath(
            f"file name {shown} {reason}", hint="the artifact must be packed again with relative, plain paths"
        )
    return PurePosixPath(_stripped(name))


def _stripped(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name


def _objection(name: str) -> str:
    """What is wrong with a name, as the end of a sentence; empty if nothing is."""
    parts = name.split("/")
    if not name or name == ".":
        return "is empty"
    if name.startswith("/"):
        return "is absolute"
    if _DRIVE.match(name):
        return "begins with a drive letter"
    if "\\" in name:
        return "holds a backslash, which is a separator on some systems"
    if ".." in parts:
        return "leads out of its folder"
    if "" in parts or "." in parts:
        return "is not a clean path (empty or '.' component)"
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        return "holds control or invisible characters"
    return _too_much(name, parts) or _reserved(parts)


def _too_much(name: str, parts: list[str]) -> str:
    if len(parts) > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} folders"
    if len(name.encode()) > MAX_PATH or any(len(part.encode()) > MAX_COMPONENT for part in parts):
        return "is too long"
    return ""


def _reserved(parts: list[str]) -> str:
    """Our own records, anywhere: a folder below could be a destination one day, and what lies there is believed."""
    for part in map(_fold, parts):
        if part == MARKER or (part.startswith(".") and part.endswith((STAGING_SUFFIX, LOCK_SUFFIX))):
            return "is reserved for modelpack's own records"
    return ""


def _fold(part: str) -> str:
    """One spelling for all names that some file system takes for the same (case, Unicode form, trailing dots)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())
    return folded.rstrip(". ") or folded


class Claims:
    """The names that are taken. Refuses a second claim to the same file, however it is spelled. Thread-safe."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, ...], tuple[str, bool]] = {}
        self._lock = threading.Lock()

    def file(self, path: PurePosixPath) -> None:
        """Take a name for a file. Raises UnsafePath."""
        with self._lock:
            self._folders(path.parent)
            key = _key(path)
            if key in self._taken:
                raise UnsafePath(_collision(str(path), *self._taken[key]))
            self._taken[key] = (str(path), False)

    def folder(self, path: PurePosixPath) -> None:
        """Take a name for a folder; the same folder may be named again. Raises UnsafePath."""
        with self._lock:
            self._folders(path)

    def include(self, other: Claims) -> None:
        """Take all names that another one has. Raises UnsafePath."""
        for name, is_folder in list(other._taken.values()):
            (self.folder if is_folder else self.file)(PurePosixPath(name))

    def _folders(self, path: PurePosixPath) -> None:
        for folder in (path, *path.parents)[:-1]:  # the last one is the root
            known = self._taken.setdefault(_key(folder), (str(folder), True))
            if known != (str(folder), True):
                raise UnsafePath(_collision(str(folder), *known))


def _key(path: PurePosixPath) -> tuple[str, ...]:
    return tuple(map(_fold, path.parts))


def _collision(name: str, other: str, is_folder: bool) -> str:  # noqa: FBT001  # private, and both callers unpack a pair
    if name == other:
        return (
            f"file name {name!r} stands twice, or for a file and a folder" if not is_folder else f"{name!r} is a folder"
        )
    return f"file names {other!r} and {name!r} are the same on some file systems"
