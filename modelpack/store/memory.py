"""A store in memory, for tests and for packing without a copy."""

from __future__ import annotations

import threading

from modelpack.errors import InvalidDigest, NotFound
from modelpack.oci import Descriptor, Digest, Index, Manifest, is_document, parse_document
from modelpack.store.base import Change, Store
from modelpack.store.sources import CHUNK, BytesSource, HashingSource, Source, Stream, VerifiedSource


class MemoryStore(Store):
    """Documents and pushed blobs as bytes; ingested content by reference to its source, read again when needed.

    So packing a folder into memory copies nothing. A file that changes afterwards is noticed when it is read.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: dict[Digest, tuple[Source, int]] = {}
        self._documents: dict[Digest, Manifest | Index] = {}
        self._names: dict[str, Digest] = {}

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the content is there, in full length."""
        found = self._content.get(descriptor.digest)
        return found is not None and found[1] == descriptor.size

    def resolve(self, name: str) -> Descriptor:
        """The manifest or index that a name, or a digest as text, names. Raises NotFound."""
        digest = self._names.get(name) or _digest(name)
        if digest is None or digest not in self._documents:
            raise NotFound(f"nothing is named {name!r}")
        return self._documents[digest].descriptor

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Give a stored manifest or index a name. Raises NotFound if it was not pushed."""
        with self._lock:
            self._names[name] = self._document(descriptor).descriptor.digest

    def tags(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._names))

    def rewrite(self, name: str, change: Change) -> None:
        """Let a name lead to what ``change`` makes of what it leads to now."""
        with self._lock:
            document = change(self._documents[self._names[name]] if name in self._names else None)
            descriptor = document.descriptor
            self._content[descriptor.digest] = (BytesSource(document.raw), descriptor.size)
            self._documents[descriptor.digest] = document
            self._names[name] = descriptor.digest

    def untag(self, name: str) -> None:
        """Remove a name. Raises NotFound."""
        with self._lock:
            if self._names.pop(name, None) is None:
                raise NotFound(f"nothing is named {name!r}")

    def delete(self, descriptor: Descriptor) -> None:
        """Remove a manifest or index, with all its names. Raises NotFound."""
        with self._lock:
            self._document(descriptor)
            del self._documents[descriptor.digest], self._content[descriptor.digest]
            self._names = {name: digest for name, digest in self._names.items() if digest != descriptor.digest}

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Descriptors of the manifests whose subject it is, of one artifact type or of all."""
        found = (document for document in tuple(self._documents.values()) if refers_to(document, subject))
        return tuple(describe(document) for document in found if artifact_type in ("", document.artifact_type))

    def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes, unverified. Raises NotFound."""
        stream = self._open(descriptor, offset)
        try:
            buffer = bytearray(max(0, min(length, descriptor.size - offset)))
            view, filled = memoryview(buffer), 0
            while count := stream.readinto(view[filled:]):
                filled += count
            return bytes(view[:filled])
        finally:
            stream.close()

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        found = self._content.get(descriptor.digest)
        if found is None:
            raise NotFound(f"{descriptor.digest} is not in this store")
        return found[0].open(offset)

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        with source.open() as reader:
            data = reader.read()
        document = None
        if is_document(descriptor.media_type):
            document = parse_document(data, descriptor.media_type, descriptor.digest.algorithm)
        with self._lock:
            self._content[descriptor.digest] = (BytesSource(data), len(data))
            if document is not None:
                self._documents[descriptor.digest] = document

    def _ingest(self, source: HashingSource) -> None:
        buffer = memoryview(bytearray(CHUNK))
        with source.open() as reader:
            while reader.readinto(buffer):
                pass
        with self._lock:
            self._content.setdefault(source.digest, (source.source, source.length))

    def _document(self, descriptor: Descriptor) -> Manifest | Index:
        document = self._documents.get(descriptor.digest)
        if document is None:
            raise NotFound(f"no manifest {descriptor.digest} in this store")
        return document


def describe(document: Manifest | Index) -> Descriptor:
    """What a list of referrers says about one (distribution-spec, "Listing Referrers")."""
    plain = document.descriptor
    return Descriptor(plain.media_type, plain.digest, plain.size, document.annotations, document.artifact_type)


def refers_to(document: Manifest | Index, subject: Descriptor) -> bool:
    """Whether a document is attached to this subject."""
    return document.subject is not None and document.subject.digest == subject.digest


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigest:
        return None
