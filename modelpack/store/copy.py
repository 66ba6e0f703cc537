"""Copy: the one way in which graphs move. Push, pull and mirror are copies with different ends."""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.errors import DocumentError
from modelpack.oci import Descriptor, Index, annotation, is_document
from modelpack.oci.mediatypes import FILEPATH, TITLE
from modelpack.store.base import Store
from modelpack.store.progress import Event, Observer, counter, ignore
from modelpack.store.registry import RegistryStore
from modelpack.store.workers import each

MAX_DEPTH = 4
DEFAULT_JOBS = 4


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: the root, and how many bytes of blobs were sent, mounted and already there."""

    descriptor: Descriptor
    sent: int
    mounted: int
    existing: int


def copy(
    source: Store,
    root: Descriptor,
    target: Store,
    *,
    names: tuple[str, ...] = (),
    jobs: int = DEFAULT_JOBS,
    observe: Observer = ignore,
) -> Copied:
    """Copy a manifest or an index with all that it names, content first and the root last, then give it its names.

    Documents are copied byte for byte. What the target has is not sent. Raises the errors of both stores, and DocumentError
    for indexes nested deeper than 4.
    """
    documents = _walk(source, root, 0)
    blobs = tuple({blob.digest: blob for _, blobs in documents for blob in blobs}.values())
    observe(Event("plan", "", sum(blob.size for blob in blobs)))
    mover = _Mover(source, target, observe)
    moved = each(mover.blob, blobs, jobs)
    for document, _ in documents:
        mover.document(document)
    for name in names:
        target.tag(root, name)
    totals = {way: sum(size for done, size in moved if done == way) for way in ("sent", "mounted", "exists")}
    return Copied(root, totals["sent"], totals["mounted"], totals["exists"])


def _walk(source: Store, root: Descriptor, depth: int) -> list[tuple[Descriptor, tuple[Descriptor, ...]]]:
    """Documents in the order in which they may be pushed, each with its blobs."""
    if depth > MAX_DEPTH:
        raise DocumentError("index", "", f"indexes are nested deeper than {MAX_DEPTH}")
    document = source.document(root)
    if not isinstance(document, Index):
        return [(root, document.blobs)]
    found: list[tuple[Descriptor, tuple[Descriptor, ...]]] = []
    for entry in document.manifests:
        if is_document(entry.media_type):
            found += _walk(source, entry, depth + 1)
    return [*found, (root, ())]


@dataclass(frozen=True, slots=True)
class _Mover:
    source: Store
    target: Store
    observe: Observer

    def blob(self, descriptor: Descriptor) -> tuple[str, int]:
        name = _label(descriptor)
        if self.target.exists(descriptor):
            self.observe(Event("exists", name, descriptor.size))
            return "exists", descriptor.size
        if self._mounted(descriptor):
            self.observe(Event("mounted", name, descriptor.size))
            return "mounted", descriptor.size
        self.observe(Event("begin", name, descriptor.size))
        self.target.push(descriptor, self.source.source(descriptor, counter(self.observe, name, descriptor.size)))
        self.observe(Event("end", name, descriptor.size))
        return "sent", descriptor.size

    def document(self, descriptor: Descriptor) -> None:
        if not self.target.exists(descriptor):
            self.target.push(descriptor, self.source.source(descriptor))

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
