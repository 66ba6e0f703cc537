"""What a layout no longer needs: mark from the entries of ``index.json``, sweep the rest."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from modelpack.errors import DigestMismatch, DocumentError, InvalidDigest, NotFound
from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, is_document, loads_object
from modelpack.oci.fields import Fields
from modelpack.oci.manifest import MAX_LAYERS, MAX_MANIFESTS
from modelpack.oci.reference import attached_to, is_attachment_name
from modelpack.store.layout.files import READ, Files, read_small
from modelpack.store.layout.index import LayoutIndex, ref_name
from modelpack.store.receive import final_name, os_errors

_INCOMING_NAME = 32


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file of ``size`` bytes that nothing needs: a blob without a manifest, or one that never became complete."""

    path: Path
    size: int
    kind: Literal["unreachable", "unfinished"]


@dataclass(frozen=True, slots=True)
class _Links:
    """What a document leads to."""

    documents: tuple[Descriptor, ...] = ()
    blobs: tuple[Digest, ...] = ()
    subject: Digest | None = None


def forgettable(files: Files, index: LayoutIndex) -> frozenset[Digest]:
    """Manifests without a name of their own that are neither part of a named one nor attached, by subject or by the tag that
    cosign gives, to one that stays. Raises DocumentError.
    """
    named = tuple(entry for entry in index.entries if (name := ref_name(entry)) and not is_attachment_name(name))
    kept = reachable(files, named)
    loose = {entry.digest: entry for entry in index.entries if entry.digest not in kept}
    subjects = {digest: _links(files, entry).subject or attached_to(ref_name(entry)) for digest, entry in loose.items()}
    while attached := [digest for digest in loose if subjects[digest] in kept]:
        kept |= reachable(files, tuple(loose.pop(digest) for digest in attached))
    return frozenset(loose.keys() - kept)


def reachable(files: Files, roots: tuple[Descriptor, ...]) -> set[Digest]:
    """Everything that the roots lead to. Raises DocumentError, DigestMismatch where that cannot be said for sure."""
    marked: set[Digest] = set()
    todo = list(roots)
    while todo:
        entry = todo.pop()
        if entry.digest not in marked:
            marked.add(entry.digest)
            links = _links(files, entry)
            marked.update(digest for digest in links.blobs if digest not in marked)
            todo += links.documents
    return marked


def sweepable(files: Files, marked: set[Digest], before: float) -> Iterator[Garbage]:
    """Files that are not marked, are ours by their name, and were last touched before a time (seconds since 1970)."""
    for path, kind in _candidates(files, marked):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_ctime <= before:
                yield Garbage(path, status.st_size, kind)


def sweep(garbage: Garbage) -> bool:
    """Remove one file, unless somebody is writing to it. Raises StoreError."""
    with os_errors(garbage.path):
        try:
            file = os.open(garbage.path, READ)
        except FileNotFoundError:
            return False
        try:
            if garbage.kind == "unfinished":
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            garbage.path.unlink()
        except BlockingIOError:
            return False
        finally:
            os.close(file)
    return True


def _links(files: Files, entry: Descriptor) -> _Links:
    """Read a document loosely: kinds that are unknown here must not lose their blobs either."""
    try:
        raw = read_small(files.blob(entry.digest), MAX_DOCUMENT)
    except NotFound:
        return _Links()
    if len(raw) <= MAX_DOCUMENT and Digest.of(raw, entry.digest.algorithm) != entry.digest:
        raise DigestMismatch(
            f"{entry.digest} is damaged, so what it needs is not known", hint="push it again, or delete it"
        )
    try:
        fields = Fields(loads_object(raw, str(entry.digest)), str(entry.digest))
        blobs = (*fields.objects("layers", limit=MAX_LAYERS), *fields.objects("blobs", limit=MAX_LAYERS))
        config, subject = fields.object("config"), fields.object("subject")
        return _Links(
            documents=tuple(map(Descriptor.from_json, fields.objects("manifests", limit=MAX_MANIFESTS))),
            blobs=tuple(blob.digest("digest") for blob in (*blobs, config) if blob.value),
            subject=subject.digest("digest") if subject.value else None,
        )
    except DocumentError:
        if is_document(entry.media_type):
            raise
        return _Links()


def _candidates(files: Files, marked: set[Digest]) -> Iterator[tuple[Path, Literal["unreachable", "unfinished"]]]:
    for path in _children(files.incoming):
        if len(path.name) == _INCOMING_NAME:
            yield path, "unfinished"
    for algorithm in _children(files.root / "blobs"):
        for path in _children(algorithm):
            with suppress(InvalidDigest):
                digest = Digest(algorithm.name, final_name(path.name))
                if path.name != digest.hex:
                    yield path, "unfinished"
                elif digest not in marked:
                    yield path, "unreachable"


def _children(folder: Path) -> list[Path]:
    """The entries of a folder; none where a link would lead into somebody else's."""
    with os_errors(folder):
        return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
