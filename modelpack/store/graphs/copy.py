"""Copy: the one way in which graphs move. Push, pull and mirror are copies with different ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from modelpack.errors import ContentError, DocumentError, NotFound, StoreError
from modelpack.oci import Descriptor, Digest, Index, Manifest, annotation, is_document
from modelpack.oci.mediatypes import FILEPATH, TITLE
from modelpack.store.base import Rewriting, Store
from modelpack.store.graphs.attachments import attachments, merged
from modelpack.store.progress import Event, Observer, counter, ignore
from modelpack.store.registry import RegistryStore
from modelpack.store.sources import Count
from modelpack.store.workers import each

MAX_DEPTH = 4
MAX_DOCUMENTS = 10_000
MAX_ATTACHED = 3
"""How far attachments of attachments (the signature of an SBOM) are followed."""

DEFAULT_JOBS = 8


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: the root, how many bytes of blobs were sent, mounted and already there, and how many manifests that are
    attached to what was copied came along.
    """

    descriptor: Descriptor
    sent: int
    mounted: int
    existing: int
    attachments: int = 0


def copy(
    source: Store,
    root: Descriptor,
    target: Store,
    *,
    names: tuple[str, ...] = (),
    attached: bool = False,
    jobs: int = DEFAULT_JOBS,
    observe: Observer = ignore,
) -> Copied:
    """Copy a manifest or an index with all that it names, content first and the root last, then give it its names.

    Documents are copied byte for byte. What the target has is not sent. With ``attached``, signatures and whatever else is
    attached follow, and theirs; what the source lists but does not have is left out. Raises the errors of both stores, and
    DocumentError for indexes nested deeper than 4 or more than 10,000 documents.
    """
    documents: dict[Digest, _Document] = {}
    _walk(source, root, documents, 0)
    own = len(documents)
    for descriptor in [document.descriptor for document in documents.values()] if attached else []:
        _walk_attached(source, descriptor, documents, 0)
    blobs = tuple({blob.digest: blob for document in documents.values() for blob in document.blobs}.values())
    observe(Event("plan", "", sum(blob.size for blob in blobs)))
    mover = _Mover(source, target, observe, threading.Event())
    try:
        moved = each(mover.blob, blobs, jobs, size=lambda blob: blob.size)
    finally:
        mover.stop.set()
    for document in documents.values():
        mover.document(document)
    for name in names:
        target.tag(root, name)
    totals = {way: sum(size for done, size in moved if done == way) for way in ("sent", "mounted", "exists")}
    return Copied(root, totals["sent"], totals["mounted"], totals["exists"], len(documents) - own)


@dataclass(frozen=True, slots=True)
class _Document:
    descriptor: Descriptor
    blobs: tuple[Descriptor, ...]
    refers: bool
    tag: str = ""


def _walk_attached(source: Store, subject: Descriptor, found: dict[Digest, _Document], depth: int) -> None:
    if depth == MAX_ATTACHED:
        return
    for attachment in attachments(source, subject, tags=depth == 0):
        known = attachment.descriptor.digest in found
        try:
            _walk(source, attachment.descriptor, found, 0, attachment.tag)
        except NotFound:  # a list of referrers may name what is gone
            continue
        if not known:
            _walk_attached(source, attachment.descriptor, found, depth + 1)


def _walk(source: Store, root: Descriptor, found: dict[Digest, _Document], depth: int, tag: str = "") -> None:
    """Collect documents in the order in which they may be pushed, each once, with its blobs."""
    if root.digest in found:
        return
    if depth > MAX_DEPTH:
        raise DocumentError("index", "", f"indexes are nested deeper than {MAX_DEPTH}")
    document = source.document(root)
    for entry in document.manifests if isinstance(document, Index) else ():
        if is_document(entry.media_type):
            _walk(source, entry, found, depth + 1)
    if len(found) >= MAX_DOCUMENTS:
        raise DocumentError("index", "", f"more than {MAX_DOCUMENTS} documents")
    blobs = () if isinstance(document, Index) else document.blobs
    found[root.digest] = _Document(root, blobs, document.subject is not None, tag)


@dataclass(frozen=True, slots=True)
class _Mover:
    source: Store
    target: Store
    observe: Observer
    stop: threading.Event

    def blob(self, descriptor: Descriptor) -> tuple[str, int]:
        name = _label(descriptor)
        if self.target.exists(descriptor):
            self.observe(Event("exists", name, descriptor.size))
            return "exists", descriptor.size
        if self._mounted(descriptor):
            self.observe(Event("mounted", name, descriptor.size))
            return "mounted", descriptor.size
        self.observe(Event("begin", name, descriptor.size))
        self._push(descriptor, self._count(name, descriptor.size))
        self.observe(Event("end", name, descriptor.size))
        return "sent", descriptor.size

    def _push(self, descriptor: Descriptor, count: Count) -> None:
        source = self.source.source(descriptor, count)
        while True:
            try:
                return self.target.push(descriptor, source)
            except ContentError:
                if not source.distrust():
                    raise

    def document(self, document: _Document) -> None:
        if document.tag and isinstance(self.target, Rewriting):
            ours = self.source.document(document.descriptor)
            # Somebody may have signed the copy already: then both signatures belong under the tag.
            self.target.rewrite(document.tag, lambda known: merged(known, ours) if isinstance(ours, Manifest) else ours)
            return
        # One that refers is pushed again even so: an earlier run may have ended before it was attached.
        if document.refers or not self.target.exists(document.descriptor):
            self.target.push(document.descriptor, self.source.source(document.descriptor))

    def _count(self, name: str, size: int) -> Count:
        """Tells the observer of passing bytes, and ends what still moves in other threads when the copy has failed."""
        count = counter(self.observe, name, size)

        def tell(length: int) -> None:
            if length > 0 and self.stop.is_set():
                raise StoreError("the copy has ended")
            count(length)

        return tell

    def _mounted(self, descriptor: Descriptor) -> bool:
        """Two repositories of one registry share blobs without moving them."""
        source, target = self.source, self.target
        return (
            isinstance(source, RegistryStore)
            and isinstance(target, RegistryStore)
            and source.registry.host == target.registry.host
            and source.repository != target.repository
            and target.mount(descriptor, source.repository)
        )


def _label(descriptor: Descriptor) -> str:
    """What a person calls it: the file's name if the layer has one."""
    annotations = descriptor.annotations
    return annotation(annotations, FILEPATH) or annotations.get(TITLE) or str(descriptor.digest)
