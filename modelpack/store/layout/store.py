"""The store over a layout."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from modelpack.errors import (
    ContentError,
    DocumentError,
    InputError,
    InvalidDigest,
    InvalidReference,
    NotFound,
    SizeMismatch,
    UnsupportedFormat,
)
from modelpack.oci import (
    MAX_DOCUMENT,
    Descriptor,
    Digest,
    Index,
    Manifest,
    is_document,
    loads_object,
    parse_document,
)
from modelpack.oci.fields import Fields
from modelpack.oci.manifest import MAX_MANIFESTS
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from modelpack.store.base import Change, Store
from modelpack.store.layout.files import BlobFile, Files, make_folder, protect, read_small, replace_file
from modelpack.store.layout.garbage import Garbage, forgettable, reachable, sweep, sweepable
from modelpack.store.layout.incoming import Incoming
from modelpack.store.layout.index import EMPTY, LayoutIndex, check_name, ref_name
from modelpack.store.memory import describe
from modelpack.store.receive import os_errors, receive
from modelpack.store.sources import CHUNK, BytesSource, FileSource, HashingSource, VerifiedSource

DAY = 86400.0
_SETTLED = 2.0
_MARKER = b'{"imageLayoutVersion":"1.0.0"}'
_OURS = frozenset({".modelpack", "blobs", "index.json", "oci-layout"})


class LayoutStore(Store):
    """An OCI image layout, as skopeo and oras read and write it. Several processes and threads may use it at once.

    A name is the annotation ``org.opencontainers.image.ref.name`` of an entry of ``index.json``: a tag, or a whole
    reference (``registry.example/ml/minilm:v1``). A pushed manifest has an entry from the start, without a name.

    Ingested files are cloned (copy-on-write) where the file system can, and else copied. With ``link=True`` they are hard
    links instead, where that is possible and the file is this user's own and writable for nobody else. Even so, who edits
    such a file in place damages the store: readers notice, but the content is lost. Use it for files that never change.

    Raises NotFound or InputError (no layout there), UnsupportedFormat, StoreError.
    """

    def __init__(self, path: Path | str, *, create: bool = True, link: bool = False) -> None:
        self.path = Path(path)
        self._files = Files(self.path)
        self._link = link
        self._parsed: tuple[tuple[int, ...], LayoutIndex] | None = None
        self._attached: dict[Digest, tuple[Digest | None, Descriptor]] = {}
        with os_errors(self.path):
            if create and not (self.path / "oci-layout").exists():
                self._create()
        self._check_marker()

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the content is there, in full length. What is asked for is safe from :meth:`prune` for a while."""
        return self._files.has(descriptor.digest, descriptor.size)

    def resolve(self, name: str) -> Descriptor:
        """The manifest or index that a name, or a digest as text, names; the empty name means the only one.

        Raises NotFound, InvalidReference (no possible name, or ambiguous), DocumentError.
        """
        digest = _digest(name)
        return self._by_digest(digest) if digest else self._index().find(name)

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Give a stored manifest or index a name; who had it before stays, without it. Raises NotFound, InvalidReference."""
        if _digest(check_name(name)):
            raise InvalidReference(f"{name} is a digest, not a name")
        if not self.exists(descriptor):
            raise NotFound(f"{descriptor.digest} is not in {self.path}")
        self._change(lambda index: index.tagged(descriptor, name))

    def tags(self) -> tuple[str, ...]:
        """All names, sorted. Raises DocumentError."""
        return tuple(self._index().names)

    def listed(self) -> tuple[Descriptor, ...]:
        """Everything that ``index.json`` lists, named or not, each digest once. Raises DocumentError."""
        return tuple({entry.digest: entry.plain() for entry in self._index().entries}.values())

    def rewrite(self, name: str, change: Change) -> None:
        """Let a name lead to what ``change`` makes of what it leads to now; what it led to goes if it has no other name."""
        with self._files.locked("index"):
            before = self._index()
            known = before.names.get(check_name(name))
            document = change(self.document(self._by_digest(known)) if known else None)
            self._receive(VerifiedSource(BytesSource(document.raw), document.descriptor))
            after = before.tagged(document.descriptor, name)
            if known and known not in after.names.values():
                after = after.without(frozenset({known}))
            self._write(before, after)

    def untag(self, name: str) -> None:
        """Remove a name; the manifest stays. Raises NotFound."""
        self._change(lambda index: index.untagged(name))

    def delete(self, descriptor: Descriptor) -> None:
        """Remove a manifest or index, with all its names; :meth:`prune` removes its blobs. Raises NotFound."""
        with self._files.locked("index"):
            path = self._files.blob(self._by_digest(descriptor.digest).digest)
            before = self._index()
            self._write(before, before.without(frozenset({descriptor.digest})))
            with os_errors(path):
                path.unlink(missing_ok=True)

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Descriptors of the manifests whose subject it is, of one artifact type or of all.

        Candidates are all entries, and those of a fallback tag (distribution-spec, "Referrers Tag Schema"), which other
        tools copy into layouts. What is damaged or absent is not listed.
        """
        entries = {entry.digest: entry for entry in self._index().entries}
        fallback = f"{subject.digest.algorithm}-{subject.digest.hex}"[:128]
        for entry in tuple(entries.values()):
            if ref_name(entry).rpartition(":")[2] == fallback:
                entries.update((member.digest, member) for member in self._members(entry))
        found = (self._attachment(entry) for entry in entries.values())
        return tuple(
            attachment
            for attached_to, attachment in found
            if attached_to == subject.digest and artifact_type in ("", attachment.artifact_type)
        )

    def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes, unverified. Raises NotFound."""
        with self.blob(descriptor.digest) as file, os_errors(file.path):
            return os.pread(file.fileno(), length, offset)

    def blob(self, digest: Digest) -> BlobFile:
        """The open file of a blob, for ``sendfile``; not verified. Raises NotFound, UnsafePath."""
        try:
            return BlobFile(self._files.blob(digest))
        except NotFound:
            raise NotFound(f"{digest} is not in {self.path}") from None

    def incoming(self) -> Incoming:
        """An empty file that may become a blob. Raises NoSpace, StoreError."""
        return Incoming.create(self._files)

    def garbage(self) -> tuple[Garbage, ...]:
        """All files that nothing needs, or nothing needs yet: a running push is among them. Raises as :meth:`prune`."""
        return self._sweepable(self._index(), 0.0)

    def prune(self, *, dry_run: bool = False, grace: float = DAY, untagged: bool = False) -> tuple[Garbage, ...]:
        """Remove blobs that no entry of the index leads to, and unfinished files. What was (or would be) removed.

        What was written or asked for less than ``grace`` seconds ago stays, as do files that are being written. With
        ``untagged``, manifests without a name are forgotten first, unless they are part of, or attached to, one that stays.
        Raises DocumentError or DigestMismatch, and removes nothing, if a manifest cannot be read.
        """
        if dry_run:
            return self._sweepable(self._pruned(untagged=untagged), grace)
        with self._files.locked("index"), self._files.locked("blobs"):
            index = self._pruned(untagged=untagged)
            found = self._sweepable(index, grace)
            self._write(self._index(), index)
            return tuple(garbage for garbage in found if sweep(garbage))

    def _open(self, descriptor: Descriptor, offset: int) -> BlobFile:
        file = self.blob(descriptor.digest)
        file.seek(offset)
        return file

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        if is_document(descriptor.media_type):
            self._push_document(descriptor, source)
        else:
            self._receive(source)

    def _push_document(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        if descriptor.size > MAX_DOCUMENT:
            raise SizeMismatch(f"{descriptor.digest} is longer than the {MAX_DOCUMENT} bytes allowed for a manifest")
        with source.open() as reader:
            raw = reader.read()
        parse_document(raw, descriptor.media_type, descriptor.digest.algorithm)
        with self._files.locked("index"):  # so that nobody deletes the blob before it has its entry
            self._receive(VerifiedSource(BytesSource(raw), descriptor))
            before = self._index()
            self._write(before, before.added(descriptor))

    def _receive(self, source: VerifiedSource) -> None:
        path = self._files.folder_for(source.descriptor.digest)
        receive(source, path)
        with BlobFile(path) as file, os_errors(path):
            protect(file.fileno())

    def _ingest(self, source: HashingSource) -> None:
        buffer = memoryview(bytearray(CHUNK))
        incoming, complete = self._take(source)
        with incoming, source.open() as reader:
            while length := reader.readinto(buffer):
                if not complete:
                    incoming.append(buffer[:length])
            incoming.place(source.digest)

    def _take(self, source: HashingSource) -> tuple[Incoming, bool]:
        """A file on its way in, and whether it has all bytes already: then those are the ones to hash."""
        file = source.source
        if self._link and isinstance(file, FileSource) and (linked := Incoming.link(self._files, file.path)):
            source.source = FileSource(linked.path, file.size)
            return linked, True
        incoming = self.incoming()
        if isinstance(file, FileSource) and incoming.clone(file.path):
            source.source = FileSource(incoming.path, file.size)
            return incoming, True
        return incoming, False

    def _by_digest(self, digest: Digest) -> Descriptor:
        for entry in self._index().entries:
            if entry.digest == digest:
                return entry.plain()
        return self._sniff(digest)

    def _sniff(self, digest: Digest) -> Descriptor:
        """A manifest that only another document names, as skopeo leaves them."""
        with self.blob(digest) as file, os_errors(file.path):
            raw = os.pread(file.fileno(), MAX_DOCUMENT + 1, 0)
        try:
            fields = Fields(loads_object(raw, str(digest)), str(digest))
            media_type = fields.text("mediaType", OCI_INDEX if "manifests" in fields.value else OCI_MANIFEST)
            found = parse_document(raw, media_type, digest.algorithm).descriptor
        except DocumentError:
            raise NotFound(f"{digest} is not a manifest or an index") from None
        if found.digest != digest:
            raise NotFound(f"{digest} is damaged", hint="push it again")
        return found

    def _members(self, entry: Descriptor) -> tuple[Descriptor, ...]:
        document = self._readable(entry)
        return document.manifests if isinstance(document, Index) else ()

    def _attachment(self, entry: Descriptor) -> tuple[Digest | None, Descriptor]:
        """What an entry is attached to, and its description; remembered, for content under a digest does not change."""
        known = self._attached.get(entry.digest)
        if known is None:
            document = self._readable(entry)
            if document is None:
                return None, entry
            known = (document.subject.digest if document.subject else None, describe(document))
            if len(self._attached) > 2 * MAX_MANIFESTS:
                self._attached.clear()
            self._attached[entry.digest] = known
        return known

    def _readable(self, entry: Descriptor) -> Manifest | Index | None:
        try:
            return self.document(entry) if is_document(entry.media_type) else None
        except (NotFound, ContentError, DocumentError):
            return None

    def _index(self) -> LayoutIndex:
        """What ``index.json`` says; parsed again only when it changed, for it is long where models are many."""
        path = self.path / "index.json"
        with BlobFile(path) as file, os_errors(path):
            status = os.fstat(file.fileno())
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._parsed
            if known and known[0] == stamp:
                return known[1]
            index = LayoutIndex.parse(os.pread(file.fileno(), MAX_DOCUMENT + 1, 0))
        # A file that changes twice within one tick of the clock looks unchanged: remember only what has settled.
        if time.time() - status.st_ctime > _SETTLED:
            self._parsed = (stamp, index)
        return index

    def _change(self, change: Callable[[LayoutIndex], LayoutIndex]) -> None:
        with self._files.locked("index"):
            before = self._index()
            self._write(before, change(before))

    def _write(self, before: LayoutIndex | None, after: LayoutIndex) -> None:
        """Replace ``index.json`` if that changes it; the caller holds its lock."""
        if before != after:
            replace_file(self.path / "index.json", self._files.temporary(), after.dump())

    def _pruned(self, *, untagged: bool) -> LayoutIndex:
        index = self._index()
        return index.without(forgettable(self._files, index)) if untagged else index

    def _sweepable(self, index: LayoutIndex, grace: float) -> tuple[Garbage, ...]:
        marked = reachable(self._files, index.entries)
        return tuple(sweepable(self._files, marked, time.time() - grace))

    def _create(self) -> None:
        """Make an empty layout; finish one that another process began."""
        self.path.mkdir(parents=True, exist_ok=True)
        strange = sorted({entry.name for entry in self.path.iterdir()} - _OURS)
        if strange:
            raise InputError(
                f"{self.path} is not an OCI layout and not empty ({strange[0]!r} is in it)", hint="name a new folder"
            )
        with self._files.locked("index"):
            make_folder(self.path / "blobs" / "sha256")
            if not (self.path / "index.json").exists():
                self._write(None, EMPTY)
            replace_file(self.path / "oci-layout", self._files.temporary(), _MARKER)

    def _check_marker(self) -> None:
        try:
            marker = Fields(
                loads_object(read_small(self.path / "oci-layout", MAX_DOCUMENT), "oci-layout"), "oci-layout"
            )
        except NotFound as error:
            if not self.path.is_dir():
                raise NotFound(f"there is no folder {self.path}") from error
            raise InputError(
                f"{self.path} is not an OCI layout: it has no file oci-layout",
                hint="name a folder that skopeo, oras or modelpack made",
            ) from error
        version = marker.text("imageLayoutVersion")
        if not version.startswith("1."):
            raise UnsupportedFormat(f"{self.path} is an OCI layout of version {version[:20]!r}; 1.0.0 is supported")


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigest:
        return None
