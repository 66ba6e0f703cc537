"""A snapshot is built beside the published ones: from blobs that are here, and from the registry; then one rename."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from modelpack.errors import Unavailable
from modelpack.oci import Codec, Digest, Manifest
from modelpack.paths import Claims
from modelpack.stage.cache import Cache, boot, sync_folder
from modelpack.stage.cache.folders import is_trusted
from modelpack.stage.snapshots.checking import digest_of
from modelpack.stage.snapshots.layouts import Arrangement
from modelpack.stage.snapshots.placing import file_with, place, share
from modelpack.stage.snapshots.receipt import FileRecord
from modelpack.store import Count, Event, Observer, Store, counter, each
from modelpack.unpack import LayerEntry, Selection, contents
from modelpack.unpack.destination import os_errors
from modelpack.unpack.extract import Extraction, Staged
from modelpack.unpack.selection import Sieve
from modelpack.unpack.staging import Staging

Known: TypeAlias = Mapping[Digest, FileRecord]
"""Blobs that need not be read again, because a receipt knows their state."""

Opened: TypeAlias = Mapping[Digest, tuple[tuple[FileRecord, bool], ...]]
"""Archives that were taken apart before: their files, and whether each may be executed."""


@dataclass(slots=True)
class Build:
    """One building of one snapshot. ``admit`` is asked with the bytes and the number of files that are still to be written, and
    raises if there is no room; ``diff_ids`` are digests of uncompressed layers. ``shared``: other runs on this node may go on
    with what this one leaves behind, because locks work. ``opened`` spares archives that other snapshots have.
    """

    cache: Cache
    key: str
    store: Store
    manifest: Manifest
    selection: Selection
    arrangement: Arrangement
    known: Known
    admit: Callable[[int, int], None]
    observe: Observer
    jobs: int = 8
    shared: bool = True
    diff_ids: Mapping[Digest, Digest] = field(default_factory=dict)
    opened: Opened = field(default_factory=dict)
    fetched: int = 0
    archives: tuple[Digest, ...] = ()
    _staging: Staging = field(init=False)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)
    _records: dict[str, tuple[Digest, str]] = field(init=False, default_factory=dict)
    _paths: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Choose where to work. Runs on other machines never share it: their locks may not reach here."""
        node = boot() if self.shared else ""
        place = node or f"alone-{secrets.token_hex(8)}"
        self._staging = Staging(self.cache.work / place / self.key)

    @property
    def tree(self) -> Path:
        """The folder to be published."""
        return self._staging.tree

    def run(self) -> tuple[FileRecord, ...]:
        """Make the tree, all its bytes hashed and on the disk; what is in it.

        Raises ContentError, UnsafePath, InputError (selection), NoSpace, and whatever the store raises.
        """
        sieve, claims = Sieve(self.selection), Claims()
        files, archives = self._wanted(sieve)
        for entry in files:
            claims.file(PurePosixPath(entry.path))
        with os_errors(self.cache.root):
            self._staging.root.parent.mkdir(mode=0o700, exist_ok=True)
        self._staging.prepare(entry.descriptor for entry in (*files, *archives))
        with os_errors(self.tree):
            self.tree.mkdir(mode=0o755)
        missing = self._missing(files)
        closed = [entry for entry in archives if not self._again(entry, sieve, claims)]
        self._check_room(missing, closed)
        self._fetch(missing, closed, sieve, claims)
        sieve.check()
        self.archives = tuple(dict.fromkeys(entry.descriptor.digest for entry in archives))
        return self._finished()

    def discard(self) -> None:
        """Remove what is left of the work. What resists is left to the next one."""
        self._staging.discard()
        with suppress(OSError):
            self._staging.root.parent.rmdir()

    def _wanted(self, sieve: Sieve) -> tuple[list[LayerEntry], list[LayerEntry]]:
        files, archives = [], []
        for entry in contents(self.manifest):
            if not self.selection.wants_kind(entry.kind):
                continue
            if entry.is_file:
                if sieve.wants(entry.path):
                    files.append(entry)
            elif not entry.single or sieve.wants(entry.path):
                archives.append(entry)
        if not archives:
            sieve.check()
        return files, archives

    def _missing(self, files: list[LayerEntry]) -> list[LayerEntry]:
        """Put what is here in its place; the rest."""
        self.observe(Event("plan", "", sum(entry.size for entry in files)))
        here = each(self._from_cache, files, self.jobs, size=lambda entry: entry.size)
        return [entry for entry, found in zip(files, here, strict=True) if not found]

    def _from_cache(self, entry: LayerEntry) -> bool:
        """Link first and look then: what is cleared away meanwhile is not missed."""
        digest = entry.descriptor.digest
        blob, target = self.cache.blob(digest), self._target(entry.path)
        with os_errors(blob):
            if not place(blob, target, digest, executable=entry.executable):
                return False
            if not self._sound(target, digest):
                target.unlink()
                blob.unlink(missing_ok=True)
                return False
        self._note(entry.path, digest, str(digest))
        self.observe(Event("exists", entry.path, entry.size))
        return True

    def _again(self, entry: LayerEntry, sieve: Sieve, claims: Claims) -> bool:
        """Put the files of an archive in their places, if all of them are here; else none of them."""
        layer = entry.descriptor.digest
        files = [one for one in self.opened.get(layer, ()) if self.selection.wants(one[0].path)]
        if layer not in self.opened or not self._placed(files):
            return False
        for file, _ in self.opened[layer]:
            if sieve.wants(file.path):
                claims.file(PurePosixPath(file.path))
                self._note(file.path, file.digest, str(layer))
        self.observe(Event("exists", entry.path or str(layer), entry.size))
        return True

    def _placed(self, files: list[tuple[FileRecord, bool]]) -> bool:
        done = []
        with os_errors(self.cache.root):
            for file, executable in files:
                target = self._target(file.path)
                if target.exists() or not place(
                    self.cache.blob(file.digest), target, file.digest, executable=executable
                ):
                    break
                done.append(target)
                if not executable and not self._sound(target, file.digest):  # a copy was hashed
                    break
            else:
                return True
            for target in done:
                target.unlink()
        return False

    def _sound(self, target: Path, digest: Digest) -> bool:
        status, record = target.lstat(), self.known.get(digest)
        if not is_trusted(status):  # whoever opened it for writing could still change it
            return False
        if record is not None and record.matches(status):
            return True
        return digest_of(target, digest) == digest

    def _check_room(self, missing: list[LayerEntry], archives: list[LayerEntry]) -> None:
        wanted = [*missing, *archives]
        self.fetched = sum({entry.descriptor.digest: entry.size for entry in wanted}.values())
        with os_errors(self.cache.root):
            unique = {entry.descriptor.digest: entry.descriptor for entry in wanted}
            here = self._staging.arrived(unique.values())
        self.admit(max(0, self.fetched - here), len(wanted))

    def _fetch(self, missing: list[LayerEntry], archives: list[LayerEntry], sieve: Sieve, claims: Claims) -> None:
        groups: defaultdict[Digest, list[LayerEntry]] = defaultdict(list)
        for entry in (*missing, *archives):
            groups[entry.descriptor.digest].append(entry)

        def get(group: list[LayerEntry]) -> list[Staged]:
            if group[0].is_file:
                self._file(group)
                return []
            return [staged for entry in group for staged in self._archive(entry, sieve, claims)]

        try:
            several = each(get, groups.values(), self.jobs, size=lambda group: group[0].size)
        finally:
            self._stopped.set()
        for staged in (staged for files in several for staged in files):
            self._member(staged)

    def _file(self, group: list[LayerEntry]) -> None:
        """A blob that several files share is fetched once."""
        entry = group[0]
        digest = entry.descriptor.digest
        self.observe(Event("begin", entry.path, entry.size))
        staged = self._staging.file(self.store, entry, self._count(entry.path, entry.size))
        with os_errors(self.cache.root):
            source = share(staged.source, self.cache.blob(digest))
            for one in group:
                file_with(source, self._target(one.path), digest, executable=one.executable)
        for one in group:
            self._note(one.path, digest, str(digest))
        self.observe(Event("end", entry.path, entry.size))

    def _archive(self, entry: LayerEntry, sieve: Sieve, claims: Claims) -> list[Staged]:
        name = entry.path or str(entry.descriptor.digest)
        self.observe(Event("begin", name, entry.size))
        diff_id = None if entry.codec is Codec.TAR else self.diff_ids.get(entry.descriptor.digest)
        count = self._count(name, entry.size)
        extraction = Extraction(entry, self.store, count, sieve.wants, claims, diff_id)
        staged = self._staging.archive(extraction, repr(self.selection))
        self.observe(Event("end", name, entry.size))
        return staged

    def _member(self, staged: Staged) -> None:
        target = self._target(staged.path)
        with os_errors(self.cache.root):
            executable = bool(staged.source.stat().st_mode & 0o100)
            source = share(staged.source, self.cache.blob(staged.digest))
            file_with(source, target, staged.digest, executable=executable)
        self._note(staged.path, staged.digest, str(staged.layer))

    def _target(self, path: str) -> Path:
        target = self.tree / self.arrangement.path(self.manifest.descriptor.digest, path)
        with os_errors(target):
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return target

    def _note(self, path: str, digest: Digest, layer: str) -> None:
        self._paths.append(path)
        self._records[self.arrangement.path(self.manifest.descriptor.digest, path)] = (digest, layer)

    def _finished(self) -> tuple[FileRecord, ...]:
        with os_errors(self.tree):
            extras = self.arrangement.extras(self.manifest.descriptor.digest, frozenset(self._paths))
            for path, data in extras.items():
                target = self.tree / path
                target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                target.write_bytes(data)
                target.chmod(0o444)
                self._records[path] = (Digest.of(data), "")
            for folder in (self.tree, *(path for path in self.tree.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
                sync_folder(folder)
            return tuple(
                FileRecord.of(self.tree, path, digest, layer) for path, (digest, layer) in sorted(self._records.items())
            )

    def _count(self, name: str, size: int) -> Count:
        """After one transfer failed the others end soon, so that none of them works on when the lock is gone."""
        count = counter(self.observe, name, size)

        def checked(length: int) -> None:
            if length > 0 and self._stopped.is_set():
                raise Unavailable("stopped, because another transfer failed")
            count(length)

        return checked
