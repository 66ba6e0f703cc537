"""A graph becomes files again: plan, fetch into the staging folder, put the new tree together, swap."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelpack.errors import InputError, NoSpace, Unavailable
from modelpack.oci import Codec, Digest, Manifest, ModelConfig
from modelpack.paths import Claims
from modelpack.store import Count, Event, Observer, Store, counter, each, ignore
from modelpack.unpack.destination import Marker, Place, Survey, free_bytes, os_errors
from modelpack.unpack.extract import Extraction, Staged
from modelpack.unpack.layers import LayerEntry, contents
from modelpack.unpack.plan import Plan, diff_ids
from modelpack.unpack.selection import EVERYTHING, Selection, Sieve
from modelpack.unpack.staging import Staging
from modelpack.unpack.tree import Tree

_RESERVE = 1 << 20
"""Bytes kept free for folders and our own record."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What is at ``path`` now: ``files`` (relative, sorted) of the manifest ``digest``.

    ``reused`` of the selected files were there before; ``unchanged``: all of them, and nothing was done.
    """

    path: Path
    digest: Digest
    files: tuple[str, ...]
    reused: int
    unchanged: bool = False


def unpack(
    store: Store,
    manifest: Manifest,
    destination: Path,
    *,
    selection: Selection = EVERYTHING,
    reference: str = "",
    force: bool = False,
    jobs: int = 2,
    observe: Observer = ignore,
    config: ModelConfig | None = None,
    besides: tuple[LayerEntry, ...] = (),
) -> Unpacked:
    """Make ``destination`` a folder with the selected files of a model, all at one instant.

    The folder may be missing, empty, or one that this function made: files that are the same stay, files of the user's
    are taken along, and another selection of the same manifest adds to what is there. ``force`` overwrites the user's
    files where the model has files, and takes over folders that something else made. With ``config``, compressed
    archives are also compared with its ``diff_ids``. ``reference`` is noted in the folder. ``besides`` are further files,
    whose blobs are in the store. A run that is interrupted
    leaves the destination as it was, and ``.NAME.modelpack-partial`` beside it, with which the next run goes on.

    Raises InputError (destination, selection), UnsupportedFormat, DocumentError, ContentError, UnsafePath, NoSpace, and
    whatever the store raises.
    """
    entries = (*contents(manifest), *besides)
    expected = diff_ids(manifest, config)
    place = Place.of(destination)
    with place.locked(observe):
        with os_errors(place.path):
            place.recover()
        run = _Run(store, manifest, place, selection, observe, expected)
        return run.run(entries, reference=reference, force=force, jobs=jobs)


class _Run:
    """One unpacking, while it holds the lock."""

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        place: Place,
        selection: Selection,
        observe: Observer,
        expected: dict[Digest, Digest],
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._place = place
        self._selection = selection
        self._observe = observe
        self._expected = expected
        self._staging = Staging(place.staging)
        self._sieve = Sieve(selection)
        self._claims = Claims()
        self._stopped = threading.Event()

    def run(self, entries: tuple[LayerEntry, ...], *, reference: str, force: bool, jobs: int) -> Unpacked:
        marker = self._marker(force=force)
        survey = self._survey(marker)
        plan = Plan(marker, survey, self._selection, self._sieve)
        plan.add(entries)
        if plan.is_known:
            self._sieve.check()
        survey.check(plan.paths, force=force)
        digest = self._manifest.descriptor.digest
        if plan.adds_nothing and marker.digest == digest:
            return self._nothing_to_do(plan, survey)
        try:
            fetched = self._fetch(plan, jobs)
            self._sieve.check()
            new = self._assemble(plan, fetched, marker, Marker(reference, digest, self._selection), force=force)
        except BaseException:
            self._staging.tidy()
            raise
        return Unpacked(self._place.path, digest, tuple(sorted(new.files)), len(plan.kept))

    def _marker(self, *, force: bool) -> Marker:
        """What we know of the folder; nothing of one that is empty, or that ``force`` makes ours."""
        folder = self._place.path
        if (marker := Marker.load(folder)) is not None:
            return marker
        with os_errors(folder):
            if not force and folder.exists() and any(folder.iterdir()):
                raise InputError(
                    f"{folder} is not empty and was not made by modelpack",
                    hint="name another folder, or use force to add to this one",
                )
        return Marker()

    def _survey(self, marker: Marker) -> Survey:
        with os_errors(self._place.path):
            return Survey.of(self._place.path, marker)

    def _nothing_to_do(self, plan: Plan, survey: Survey) -> Unpacked:
        for path in sorted(plan.kept):
            self._observe(Event("exists", path, plan.kept[path].old.size))
        self._staging.discard()  # of a run that was killed after its last step
        files = tuple(sorted(survey.ours))
        return Unpacked(self._place.path, self._manifest.descriptor.digest, files, len(plan.kept), unchanged=True)

    def _fetch(self, plan: Plan, jobs: int) -> list[Staged]:
        for path in sorted(plan.paths):
            self._claims.file(PurePosixPath(path))
        self._staging.prepare(entry.descriptor for entry in plan.fetch)
        self._check_space(plan.fetch)
        kept = sum(plan.kept[path].old.size for path in plan.kept)
        self._observe(Event("plan", "", kept + sum(entry.size for entry in plan.fetch)))
        for path in sorted(plan.kept):
            self._observe(Event("exists", path, plan.kept[path].old.size))
        try:
            # A blob that several files share is fetched once; the others then find it whole.
            several = each(self._layers, _by_digest(plan.fetch), jobs, size=lambda group: group[0].size)
        finally:
            self._stopped.set()
        return [staged for files in several for staged in files]

    def _check_space(self, fetch: list[LayerEntry]) -> None:
        """Files that share a blob are copies, so each counts; compressed archives are at least as big as they are."""
        with os_errors(self._place.staging):
            here = self._staging.arrived({entry.descriptor.digest: entry.descriptor for entry in fetch}.values())
            free = free_bytes(self._place.staging)
        needed = sum(entry.size for entry in fetch) - here
        if needed and needed + _RESERVE > free:
            raise NoSpace(
                f"{needed} bytes are still to be written to {self._place.path.parent}, but only {free} are free",
                hint="free some space, or select fewer files",
            )

    def _layers(self, entries: list[LayerEntry]) -> list[Staged]:
        return [staged for entry in entries for staged in self._layer(entry)]

    def _layer(self, entry: LayerEntry) -> list[Staged]:
        name = entry.path or str(entry.descriptor.digest)
        self._observe(Event("begin", name, entry.size))
        count = self._until_stopped(counter(self._observe, name, entry.size))
        if entry.is_file:
            staged = [self._staging.file(self._store, entry, count)]
        else:
            staged = self._staging.archive(self._extraction(entry, count), repr(self._selection))
        self._observe(Event("end", name, entry.size))
        return staged

    def _extraction(self, entry: LayerEntry, count: Count) -> Extraction:
        # What is stored uncompressed has its digest compared already.
        diff_id = None if entry.codec is Codec.TAR else self._expected.get(entry.descriptor.digest)
        return Extraction(entry, self._store, count, self._sieve.wants, self._claims, diff_id)

    def _until_stopped(self, count: Count) -> Count:
        """After one transfer failed the others end soon, so that none of them works on when the lock is gone."""

        def checked(length: int) -> None:
            if length > 0 and self._stopped.is_set():
                raise Unavailable("stopped, because another transfer failed")
            count(length)

        return checked

    def _assemble(self, plan: Plan, fetched: list[Staged], old: Marker, new: Marker, *, force: bool) -> Marker:
        """Put the new tree together and swap it in. The folder is looked at again: hours may have passed."""
        with os_errors(self._place.path):
            survey = Survey.of(self._place.path, old)
            tree = Tree(self._staging.tree, self._staging.umask)
            for kept in plan.kept.values():
                tree.keep(survey, kept)
            for staged in fetched:
                tree.add(staged)
            archives = set(plan.archives)
            if old.digest == new.digest:
                tree.keep_rest(survey)
                archives |= old.archives
            survey.check(tree.files, force=force)
            survey.carry(tree.root, tree.files)
            lost = {file.layer for path, file in old.files.items() if path not in tree.files}
            archives -= {part for part in archives - plan.archives if part[0] in lost}
            new = dataclasses.replace(new, files=tree.files, archives=frozenset(archives))
            tree.finish(new)
            self._place.replace(tree.root)
        self._staging.discard()
        return new


def _by_digest(entries: Iterable[LayerEntry]) -> list[list[LayerEntry]]:
    groups: dict[Digest, list[LayerEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.descriptor.digest, []).append(entry)
    return list(groups.values())
