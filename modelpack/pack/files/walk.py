"""Find the files of a folder or of a Hugging Face cache snapshot, where every file is a symbolic link.

A link is followed where it stays inside the folder, or (in a cache) inside its repository's ``blobs``. So a model that
somebody else prepared cannot make us pack a file of ours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

from modelpack.errors import InputError
from modelpack.pack.files.names import check_path
from modelpack.pack.files.selection import NOT_INCLUDED, Selection
from modelpack.pack.files.text import reading
from modelpack.paths import MAX_DEPTH

MAX_FILES = 100_000
MAX_SEEN = 1_000_000
"""Files in a model; names looked at to find them."""

_CACHE_PREFIXES = ("models--", "datasets--", "spaces--")
_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file: its path in the model, where its bytes are, bytes, and 0o644 or 0o755."""

    path: str
    file: Path
    size: int
    mode: int


@dataclass(slots=True)
class Folder:
    """One folder to pack, and where its links may lead (``within``; None: anywhere)."""

    root: Path
    within: tuple[Path, ...] | None
    skipped: list[str] = field(default_factory=list)
    _seen: int = 0

    @classmethod
    def at(cls, source: Path, *, follow_links: bool = False) -> Self:
        """A folder that exists. Raises InputError."""
        with reading(source):
            root = Path(os.path.realpath(source, strict=True))
        if not root.is_dir():
            raise InputError(f"{source} is not a folder")
        return cls(root, None if follow_links else (root, *_blobs(root)))

    def files(self, selection: Selection, start: str = "") -> Iterator[Found]:
        """The selected files, also those in folders below; why others are not goes to ``skipped``.

        Raises InputError: a link that escapes, dangles or loops, a special file, an impossible name, too many files.
        """
        folder = self.resolve(start) if start else self.root
        for count, found in enumerate(self._walk(folder, start, selection, (folder,)), start=1):
            if count > MAX_FILES:
                raise InputError(
                    f"more than {MAX_FILES} files in {self.root}", hint="exclude some, or pack them as archives"
                )
            yield found

    def resolve(self, path: str) -> Path:
        """Where a path of the folder really is. Raises InputError if it is nowhere, or outside."""
        try:
            real = Path(os.path.realpath(self.root / path, strict=True))
        except OSError as error:
            self._unreadable(path, error)
        if self.within is not None and not any(real.is_relative_to(parent) for parent in self.within):
            raise InputError(
                f"{path!r} is a link to {real}, outside of {self.root}",
                hint="copy the file into the folder, exclude it, or allow links to be followed anywhere",
            )
        return real

    def found(self, path: str, real: Path) -> Found:
        """Describe a resolved regular file. Raises InputError for any other."""
        check_path(path)
        info = self._stat(path, real)
        if not stat.S_ISREG(info.st_mode):
            kind = next((name for test, name in _SPECIAL if test(info.st_mode)), "not a regular file")
            raise InputError(f"{path!r} in {self.root} is {kind}", hint="only files can be packed; exclude it")
        return Found(path, real, info.st_size, 0o755 if info.st_mode & stat.S_IXUSR else 0o644)

    def names(self, folder: Path, path: str) -> list[str]:
        """What is in a folder, sorted. Raises InputError."""
        try:
            names = sorted(child.name for child in folder.iterdir())
        except OSError as error:
            self._unreadable(path, error)
        self._seen += len(names)
        if self._seen > MAX_SEEN:
            raise InputError(f"more than {MAX_SEEN} names in {self.root}")
        return names

    def _walk(self, folder: Path, path: str, selection: Selection, above: tuple[Path, ...]) -> Iterator[Found]:
        if len(above) > MAX_DEPTH:
            raise InputError(f"{path[:80]!r} in {self.root} is nested deeper than {MAX_DEPTH} folders")
        for name in self.names(folder, path):
            inner = f"{path}/{name}" if path else name
            # A folder and a link to one are asked about alike; whether a link may be followed is only asked if it is wanted.
            into = is_folder(folder / name)
            if reason := selection.objection(inner, folder=into):
                if reason != NOT_INCLUDED:
                    self.skipped.append(f"{inner}: {reason}")
                continue
            real = self.resolve(inner)
            if not into:
                yield self.found(inner, real)
                continue
            if real in above:
                raise InputError(f"{inner!r} in {self.root} is a link to a folder that it is in")
            yield from self._walk(real, inner, selection, (*above, real))

    def _stat(self, path: str, real: Path) -> os.stat_result:
        try:
            return real.stat()
        except OSError as error:
            self._unreadable(path, error)

    def _unreadable(self, path: str, error: OSError) -> NoReturn:
        raise InputError(f"cannot read {path or '.'!r} in {self.root}: {error.strerror}") from error


def is_folder(path: Path) -> bool:
    """Whether this is a folder, or a link to one, that can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False  # whoever wants it learns why it cannot be read


def _blobs(root: Path) -> tuple[Path, ...]:
    """Where the files of a Hugging Face cache snapshot are (``models--org--name/{snapshots/<commit>,blobs}``)."""
    repository = root.parent.parent
    if root.parent.name != "snapshots" or not repository.name.startswith(_CACHE_PREFIXES):
        return ()
    blobs = repository / "blobs"
    return (blobs,) if blobs.is_dir() and not blobs.is_symlink() else ()
