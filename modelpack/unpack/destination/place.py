"""Where a tree goes, the staging folder and the lock beside it, and the one step that puts the new tree there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import InputError
from modelpack.paths import LOCK_SUFFIX, STAGING_SUFFIX
from modelpack.store import Event, Observer
from modelpack.unpack.destination.disk import exchange, is_own_folder, os_errors
from modelpack.unpack.destination.locking import held


@dataclass(frozen=True, slots=True)
class Place:
    """A destination: a folder or a name that is free, resolved to where it really is."""

    path: Path

    @classmethod
    def of(cls, destination: Path) -> Place:
        """Check a destination. Raises InputError for what cannot, or had better not, be replaced as a whole."""
        if "\0" in str(destination):
            raise InputError("the destination holds a NUL character")
        with os_errors(destination):
            path = Path(os.path.realpath(destination))
            if path.is_symlink() or (destination.is_symlink() and not path.exists()):
                raise InputError(f"{destination} is a symbolic link that leads nowhere")
            if path.exists() and not path.is_dir():
                raise InputError(f"{destination} is a file", hint="name a folder")
            _check_replaceable(path)
            path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @property
    def staging(self) -> Path:
        """Where the new tree grows: on the same file system, so that one rename is enough."""
        return self.path.with_name(f".{self.path.name}{STAGING_SUFFIX}")

    @property
    def previous(self) -> Path:
        """Where the old tree waits for a moment on systems that cannot exchange two folders."""
        return self.staging / "previous"

    @contextmanager
    def locked(self, observe: Observer) -> Iterator[None]:
        """Hold the place against other runs; waits for them."""
        path = self.path.with_name(f".{self.path.name}{LOCK_SUFFIX}")
        waiting = Event("retry", str(self.path), note="another run unpacks to the same place; waiting for it")
        with held(path, waiting, observe):
            yield

    def recover(self) -> None:
        """Finish what a run without exchange was killed in. Raises OSError.

        What lies in a staging folder of somebody else is no destination of ours.
        """
        if os.path.lexists(self.path) or not os.path.lexists(self.previous):
            return
        if is_own_folder(self.staging) and self.previous.is_dir() and not self.previous.is_symlink():
            self.previous.rename(self.path)

    def replace(self, tree: Path) -> None:
        """Make a tree the destination; what was there is then in the staging folder. Raises OSError."""
        if not self.path.exists():
            tree.rename(self.path)
        elif not exchange(tree, self.path):
            self.path.rename(self.previous)
            try:
                tree.rename(self.path)
            except OSError:
                self.previous.rename(self.path)
                raise


def _check_replaceable(path: Path) -> None:
    hint = "name a new folder inside it"
    if path.parent == path:
        raise InputError("the destination is the root of the file system", hint=hint)
    if path.is_mount():
        raise InputError(f"{path} is a mount point, which cannot be replaced in one step", hint=hint)
    with suppress(FileNotFoundError):  # no current folder is no obstacle
        if Path.cwd().is_relative_to(path):
            raise InputError(f"{path} is (or holds) the current folder, which would be replaced", hint=hint)
