"""Files directly under a folder that cannot be replaced because something is mounted there, as KServe's ``/mnt/models``.

Everything is fetched and hashed beside them, in the same volume; then a few renames, the record of what is ours last. So a run
that is cut off is gone on with, and who waits for the end of the run (an init container's pod) never sees a part.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from modelpack.errors import InputError
from modelpack.oci import Manifest, ModelConfig
from modelpack.paths import MARKER
from modelpack.store import Event, Observer, Store, ignore
from modelpack.unpack import EVERYTHING, Selection, Unpacked, unpack
from modelpack.unpack.destination import Marker, Survey, os_errors, remove

_WORK = ".modelpack-work"
_NOT_OURS = frozenset({_WORK, "lost+found"})


def deliver(
    store: Store,
    manifest: Manifest,
    folder: Path,
    *,
    selection: Selection = EVERYTHING,
    reference: str = "",
    jobs: int = 2,
    observe: Observer = ignore,
    config: ModelConfig | None = None,
) -> Unpacked:
    """Put the selected files of a verified model directly under ``folder``, which stays the folder that it is.

    It may be missing, empty, or hold what this function put there: then only what differs is fetched. Raises as
    :func:`modelpack.unpack.unpack`.
    """
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, observe):
        model = folder / _WORK / "model"
        marker = _taken_back(folder, model, manifest, selection)
        if marker is not None:
            observe(Event("exists", reference, sum(file.size for file in marker.files.values())))
            files = tuple(sorted(marker.files))
            return Unpacked(folder, manifest.descriptor.digest, files, len(files), unchanged=True)
        unpacked = unpack(
            store,
            manifest,
            model,
            selection=selection,
            reference=reference,
            jobs=jobs,
            observe=observe,
            config=config,
        )
        _bring(model, folder)
        return replace(unpacked, path=folder, unchanged=False)


def _taken_back(folder: Path, model: Path, manifest: Manifest, selection: Selection) -> Marker | None:
    """Where it is all there and unchanged, its record; else what is ours goes back to where it is worked on."""
    with os_errors(folder):
        if _is_link(folder / _WORK):
            raise InputError(f"{folder / _WORK} is not a folder of ours", hint="remove it")
        there = [path for path in sorted(folder.iterdir()) if path.name not in _NOT_OURS]
        if not there:
            return None
        finished = Marker.load(folder)
        marker = finished or Marker.load(model)
        ours = {path.partition("/")[0] for path in marker.files} | {MARKER} if marker else set()
        if marker is None or (strangers := [path.name for path in there if path.name not in ours]):
            what = f"holds {strangers[0]!a}" if marker else "is not empty"
            raise InputError(
                f"{folder} {what}, which modelpack did not put there", hint="mount an empty volume, an emptyDir"
            )
        same = finished and (finished.digest, finished.selection) == (manifest.descriptor.digest, selection)
        if finished and same and _is_whole(folder, finished):
            return finished
        model.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(there, key=lambda path: path.name != MARKER):
            path.rename(model / path.name)
    return None


def _is_whole(folder: Path, marker: Marker) -> bool:
    """Whether the files are as they were left, by size and time, and nothing else is among them."""
    survey = Survey.of(folder, marker)
    strangers = [path for path in survey.foreign if path.partition("/")[0] not in _NOT_OURS]
    return not strangers and survey.ours.keys() == marker.files.keys()


def _bring(model: Path, folder: Path) -> None:
    with os_errors(folder):
        for path in sorted(model.iterdir(), key=lambda path: path.name == MARKER):
            path.rename(folder / path.name)
        remove(folder / _WORK)


def _is_link(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


@contextmanager
def _held(folder: Path, observe: Observer) -> Iterator[None]:
    """A lock on the folder itself, which leaves no file behind."""
    with os_errors(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            observe(Event("retry", str(folder), note="another run fills the same folder; waiting for it"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # no locks here; they would only save work
            pass
        yield
    finally:
        with suppress(OSError):
            os.close(handle)
