"""The new folder, put together from what was fetched, what can stay, and what is the user's."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelpack.errors import InputError
from modelpack.oci import Digest
from modelpack.paths import MARKER
from modelpack.unpack.destination import Marker, Placed, Survey, link_or_copy
from modelpack.unpack.destination.survey import make_folder
from modelpack.unpack.extract import Staged


@dataclass(frozen=True, slots=True)
class Kept:
    """An untouched file of ours that a new version has too, perhaps under another name. ``executable`` None: as it is."""

    old: Placed
    path: str
    layer: Digest
    executable: bool | None = None


class Tree:
    """A folder in the making. No two of its own files share storage: a change to one would show in the other."""

    def __init__(self, root: Path, umask: int) -> None:
        root.mkdir(mode=0o755)
        self.root = root
        self.files: dict[str, Placed] = {}
        self._umask = umask
        self._used: set[tuple[int, int]] = set()
        self._folders: set[PurePosixPath] = set()

    def add(self, file: Staged) -> None:
        """Put a fetched file in its place. Raises OSError."""
        status = file.source.stat()
        target = self._give(file.source, file.path, status)
        self._set_mode(target, executable=bool(status.st_mode & 0o100))
        self.files[file.path] = Placed(file.path, file.digest, file.layer, status.st_size, status.st_mtime_ns)

    def keep(self, survey: Survey, kept: Kept) -> None:
        """Take an untouched file over from the old folder. Raises OSError, InputError."""
        old = kept.old
        if survey.ours.get(old.path) != old:
            raise InputError(f"{survey.root / old.path} was changed during this run", hint="run again")
        source = survey.root / old.path
        target = self._give(source, kept.path, source.stat())
        if kept.executable not in (None, bool(target.stat().st_mode & 0o100)):
            self._set_mode(target, executable=bool(kept.executable))
        status = target.stat()
        self.files[kept.path] = Placed(kept.path, old.digest, kept.layer, status.st_size, status.st_mtime_ns)

    def keep_rest(self, survey: Survey) -> None:
        """Take over all other untouched files: a second selection adds to the first. Raises OSError."""
        for path, old in survey.ours.items():
            if path not in self.files:
                self.keep(survey, Kept(old, path, old.layer))

    def finish(self, marker: Marker) -> None:
        """Write the record, last of all. Raises OSError."""
        (self.root / MARKER).write_bytes(marker.to_bytes())

    def _give(self, source: Path, path: str, status: os.stat_result) -> Path:
        """Link or copy a file, modification time and all."""
        folder = PurePosixPath(path).parent
        if folder not in self._folders:
            make_folder(self.root, folder)
            self._folders.add(folder)
        target = self.root / path
        if (status.st_dev, status.st_ino) in self._used:
            shutil.copy2(source, target)
        else:
            self._used.add((status.st_dev, status.st_ino))
            link_or_copy(source, target)
        return target

    def _set_mode(self, target: Path, *, executable: bool) -> None:
        target.chmod((0o755 if executable else 0o644) & ~self._umask)
