"""The staging folder: layers arrive here under their digests, and outlive a run that is interrupted.

::

    .NAME.modelpack-partial/
        blobs/sha256-…            a raw layer (with .partial behind it while bytes are missing)
        members/sha256-…-…/       what was taken from one archive: files 0, 1, 2 … and record.json, complete
        members/sha256-….xxxx/    the same while it grows
        tree/                     the new folder, hard links to the above

What is found here is hashed before it is believed. No name from an artifact appears before ``tree``, which every run
makes from nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from modelpack.errors import InputError, ModelPackError
from modelpack.oci import JSON, Descriptor, Digest, dumps, loads_object, new_hasher
from modelpack.oci.fields import Fields
from modelpack.paths import safe_path
from modelpack.store import CHUNK, Count, Store, final_name, receive
from modelpack.unpack.archive import MAX_MEMBERS
from modelpack.unpack.destination import is_own_folder, os_errors, remove
from modelpack.unpack.extract import Extraction, Staged, describe
from modelpack.unpack.layers import LayerEntry

_RECORD = "record.json"
_MAX_RECORD = 128 << 20
_PARTIAL = ".partial"


class Staging:
    """One staging folder, for one run at a time (the place's lock sees to that)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.members = root / "members"
        self.tree = root / "tree"
        self.umask = 0o077

    def prepare(self, layers: Iterable[Descriptor]) -> None:
        """Make the folder, or clean one that was left behind of all that these layers do not need.

        Raises InputError if it belongs to somebody else, NoSpace.
        """
        wanted = {_name(layer.digest) for layer in layers}
        with os_errors(self.root):
            self.root.mkdir(mode=0o700, exist_ok=True)
            if not is_own_folder(self.root):
                raise InputError(f"{self.root} is not this user's own folder", hint="remove it and run again")
            for item in list(self.root.iterdir()):
                if item not in (self.blobs, self.members) or item.is_symlink():
                    remove(item)
            for folder in (self.blobs, self.members):
                folder.mkdir(mode=0o700, exist_ok=True)
                for item in list(folder.iterdir()):
                    if not _is_kept(item, wanted):
                        with suppress(OSError):  # a thread of a run that failed just now may still write there
                            remove(item)
            self._learn_umask()

    def arrived(self, layers: Iterable[Descriptor]) -> int:
        """How many bytes of some layers seem to be here already (nobody has checked them yet). Raises OSError."""
        blobs = {path.name: path for path in self.blobs.iterdir()}
        members = {path.name.rpartition("-")[0] for path in self.members.iterdir()}
        total = 0
        for layer in layers:
            name = _name(layer.digest)
            path = blobs.get(name) or blobs.get(name + _PARTIAL)
            if path is not None:
                total += min(path.stat().st_blocks * 512, layer.size)  # a partial file may have holes
            elif name in members:
                total += layer.size
        return total

    def file(self, store: Store, entry: LayerEntry, count: Count) -> Staged:
        """Fetch a raw layer, or find it whole. Raises as :func:`modelpack.store.receive`."""
        layer = entry.descriptor
        blob = self.blobs / _name(layer.digest)
        with os_errors(blob):
            whole = _holds(blob, layer.digest)
        if whole:
            count(layer.size)
        else:
            receive(store.source(layer, count), blob)
        describe(blob, executable=entry.executable, mtime_ns=entry.mtime_ns)
        return Staged(blob, entry.path, layer.digest, layer.digest)

    def archive(self, extraction: Extraction, key: str) -> list[Staged]:
        """Take an archive apart, or find what an earlier run with the same ``key`` took. Raises as the extraction."""
        layer = extraction.entry.descriptor
        name = _name(layer.digest)
        folder = self.members / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        found = _complete(folder, layer.digest)
        if found is not None:
            extraction.count(layer.size)
            for file in found:
                extraction.wants(file.path)
                extraction.claims.file(PurePosixPath(file.path))
            return found
        with os_errors(self.members):
            remove(folder)
            growing = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.members))
        try:
            staged = extraction.into(growing)
            with os_errors(growing):
                (growing / _RECORD).write_bytes(_record(staged))
                growing.rename(folder)
        except BaseException:
            with suppress(OSError):
                remove(growing)
            raise
        return [replace(file, source=folder / file.source.name) for file in staged]

    def discard(self) -> None:
        """Remove all of it, the old tree too. What resists is left to the next run: this one has done its work."""
        with suppress(OSError):
            remove(self.root)

    def tidy(self) -> None:
        """After a failure: leave nothing behind if there is nothing to go on with."""
        with suppress(OSError):
            for folder in (self.blobs, self.members, self.root):
                folder.rmdir()

    def _learn_umask(self) -> None:
        """Seen in what it does: asking for it would change it for a moment, for all threads."""
        probe = self.root / "umask"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o777))
        self.umask = ~probe.stat().st_mode & 0o777
        probe.unlink()


def _name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.hex}"


def _is_kept(item: Path, wanted: set[str]) -> bool:
    """Complete or partial content of a wanted layer; nothing that is a link, and no archive that was still growing."""
    mode = item.lstat().st_mode
    if item.parent.name == "blobs":
        return stat.S_ISREG(mode) and final_name(item.name) in wanted
    return stat.S_ISDIR(mode) and "." not in item.name and item.name.rpartition("-")[0] in wanted


def _holds(path: Path, digest: Digest) -> bool:
    """Whether a regular file has this content, found out by reading it. Raises OSError.

    A file with a second name is in use somewhere: a run was killed right after its tree went live.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_nlink > 1:
        return False
    hasher = new_hasher(digest.algorithm)
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(CHUNK))
        while length := file.readinto(buffer):
            hasher.update(buffer[:length])
    return hasher.hexdigest() == digest.hex


def _complete(folder: Path, layer: Digest) -> list[Staged] | None:
    """What an earlier run took from an archive, if all of it still has its digest."""
    record = folder / _RECORD
    try:
        with os_errors(folder):
            if record.is_symlink() or not record.is_file():
                return None
            fields = Fields(loads_object(record.read_bytes(), "record", limit=_MAX_RECORD), "record")
            files = [
                Staged(folder / str(number), str(safe_path(file.text("path"))), file.digest("digest"), layer)
                for number, file in enumerate(fields.objects("files", limit=MAX_MEMBERS))
            ]
            if fields.integer("count") != len(files):
                return None
            return files if all(_holds(file.source, file.digest) for file in files) else None
    except ModelPackError:
        return None


def _record(files: list[Staged]) -> bytes:
    entries: list[JSON] = [{"path": file.path, "digest": str(file.digest)} for file in files]
    return dumps({"count": len(files), "files": entries})
