"""What is in a folder: files that we wrote and nobody touched, and everything else, which is the user's."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from modelpack.errors import InputError
from modelpack.paths import MARKER
from modelpack.unpack.destination.disk import link_or_copy
from modelpack.unpack.destination.marker import Marker, Placed

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """``ours`` by path; ``foreign`` files (links, sockets … too) and (in order) empty or user-only ``folders``, relative."""

    root: Path
    ours: dict[str, Placed] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    folders: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, marker: Marker) -> Survey:
        """Walk a folder (that may not exist). Raises OSError, and InputError for a file system mounted inside."""
        if not root.exists():
            return cls(root)
        ours: dict[str, Placed] = {}
        foreign: list[str] = []
        folders: list[str] = []
        shared = {str(parent) for path in marker.files for parent in PurePosixPath(path).parents}
        for path, item in _walk(root):
            placed = marker.files.get(path)
            if item.is_dir(follow_symlinks=False):
                folders += [] if path in shared else [path]
            elif placed and placed.is_unchanged(item.stat(follow_symlinks=False)):
                ours[path] = placed
            elif path != MARKER:
                foreign.append(path)
        return cls(root, ours, tuple(foreign), dict.fromkeys(folders))

    def check(self, files: Iterable[str], *, force: bool) -> None:
        """Raise InputError if the user's files are where new ones go; with ``force`` only if whole folders are."""
        new = set(files)
        covered = new | _parents(new)
        in_the_way = [path for path in self.foreign if path in covered]
        theirs = sorted({*self.foreign, *self.folders})
        blocked = [path for path in sorted(new) if path in self.folders or _has_below(theirs, path)]
        if blocked:
            raise InputError(
                f"{self.root} has a folder where the model has a file: {_few(blocked)}", hint="move it out of the way"
            )
        if in_the_way and not force:
            raise InputError(
                f"{self.root} holds files that are not as they were unpacked, or not from a model: {_few(in_the_way)}",
                hint="move them away, unpack to another folder, or use force to overwrite them",
            )

    def carry(self, tree: Path, files: Iterable[str]) -> None:
        """Take what is the user's over into a new tree, except where ``files`` go. Raises OSError."""
        new = set(files)
        covered = new | _parents(new)
        for folder in self.folders:
            make_folder(tree, PurePosixPath(folder))
        for path in self.foreign:
            if path not in covered:
                make_folder(tree, PurePosixPath(path).parent)
                link_or_copy(self.root / path, tree / path)
        for folder in ("", *self.folders):  # only now: they may be read-only
            if (self.root / folder).exists():
                (tree / folder).chmod((self.root / folder).stat().st_mode & 0o7777)


def make_folder(tree: Path, folder: PurePosixPath) -> None:
    """Make a folder of a tree, and those above it."""
    (tree / folder).mkdir(mode=0o755, parents=True, exist_ok=True)


def _has_below(paths: list[str], folder: str) -> bool:
    """Whether one of the sorted paths is in the folder."""
    start = bisect_left(paths, f"{folder}/")
    return start < len(paths) and paths[start].startswith(f"{folder}/")


def _parents(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents}


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder, folders before what is in them; links are not followed."""
    device = root.stat().st_dev
    folders = [""]
    for folder in folders:  # grows while it is walked
        with os.scandir(root / folder) as items:
            for item in sorted(items, key=lambda item: item.name):
                path = f"{folder}/{item.name}" if folder else item.name
                if item.is_dir(follow_symlinks=False):
                    if item.stat(follow_symlinks=False).st_dev != device:
                        raise InputError(f"{root / path} is a mount point", hint="unmount it, or use another folder")
                    folders.append(path)
                yield path, item


def _few(paths: list[str]) -> str:
    return ", ".join(map(repr, paths[:_SHOWN])) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
