"""Repositories in memory, poured into a layout that is served: that is much quicker than pushing, and gives the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from modelpack.access import Access
from modelpack.oci import Descriptor, Digest, JSONObject, Reference, dumps
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST, REF_NAME
from modelpack.store import MemoryStore, Store
from modelpack.store.sources import Stream


@dataclass(frozen=True)
class Workshop(Access):
    """Leads to stores in memory instead of to the registry."""

    stores: dict[str, MemoryStore] = field(default_factory=lambda: defaultdict(MemoryStore))
    broken: dict[str, bytes] = field(default_factory=dict)
    """What is to stand under a tag instead of a manifest."""

    def open(self, reference: str | Reference, *, create: bool = False) -> Store:
        where = Reference.parse(reference) if isinstance(reference, str) else reference
        return super().open(where, create=create) if where.layout else self.stores[where.repository]

    def lose(self, name: str, digest: Digest) -> None:
        """Forget a blob."""
        del self.stores[f"seed/{name}"]._content[digest]

    def junk(self, name: str, raw: bytes) -> None:
        """Put something that is no manifest under a tag."""
        self.broken[f"seed/{name}:v1"] = raw

    def pour(self, layout: Path) -> None:
        """Write everything into a layout, as `modelpack serve` would have."""
        entries: list[Descriptor] = []
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for repository, store in self.stores.items():
            for digest, (source, size) in store._content.items():
                (blobs / digest.hex).write_bytes(_all(source.open(), size))
            names: dict[Digest, list[str]] = defaultdict(list)
            for tag in store.tags():
                names[store.resolve(tag).digest].append(f"{repository}:{tag}")
            for digest, document in store._documents.items():
                plain = document.descriptor.plain()
                entries += [plain.annotated(**{REF_NAME: name}) for name in names[digest]] or [plain]
        for name, raw in self.broken.items():
            descriptor = Descriptor.of(OCI_MANIFEST, raw)
            (blobs / descriptor.digest.hex).write_bytes(raw)
            entries.append(descriptor.annotated(**{REF_NAME: name}))
        index: JSONObject = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [entry.to_json() for entry in entries],
        }
        (layout / "index.json").write_bytes(dumps(index))


def _all(stream: Stream, size: int) -> bytes:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        done += stream.readinto(view[done:]) or size
    stream.close()
    return bytes(buffer)
