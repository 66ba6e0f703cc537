from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, DocumentError, NotFound, SizeMismatch
from modelpack.oci import Descriptor, Index
from modelpack.oci.mediatypes import MODEL_MANIFEST, OCI_MANIFEST
from modelpack.store import BytesSource, Deleting, FileSource, Listing, MemoryStore, Ranged, Referring
from tests.store.content import WEIGHTS, Flaky, push_model


def test_what_is_pushed_can_be_read() -> None:
    with MemoryStore() as store:
        descriptor = store.push_bytes(WEIGHTS, b"weights")
        assert store.exists(descriptor)
        assert not store.exists(Descriptor(WEIGHTS, descriptor.digest, 3))
        assert store.read(descriptor) == b"weights"


def test_wrong_content_is_refused() -> None:
    store = MemoryStore()
    descriptor = Descriptor.of(WEIGHTS, b"weights")
    with pytest.raises(DigestMismatch):
        store.push(descriptor, BytesSource(b"weightz"))
    assert not store.exists(descriptor)
    with pytest.raises(NotFound):
        store.open(descriptor)


def test_files_stay_where_they_are_and_changes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    store = MemoryStore()
    descriptor = store.ingest(WEIGHTS, FileSource.of(path))
    assert descriptor == Descriptor.of(WEIGHTS, b"weights")
    assert store.exists(descriptor)
    assert store.read(descriptor) == b"weights"
    assert store.read_at(descriptor, 2, 3) == b"igh"
    path.write_bytes(b"WEIGHTS")
    with pytest.raises(DigestMismatch):
        store.read(descriptor)
    path.write_bytes(b"we")
    with pytest.raises(SizeMismatch):
        store.read(descriptor)
    path.unlink()
    with pytest.raises(NotFound):
        store.read(descriptor)


def test_what_was_pushed_stays_although_a_file_has_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    store = MemoryStore()
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    assert store.ingest(WEIGHTS, FileSource.of(path)) == descriptor
    path.unlink()
    assert store.read(descriptor) == b"weights"


def test_reading_in_the_middle() -> None:
    store = MemoryStore()
    descriptor = store.push_bytes(WEIGHTS, b"0123456789")
    assert store.read_at(descriptor, 8, 100) == b"89"
    assert store.read_at(descriptor, 20, 5) == b""
    flaky = store.ingest(WEIGHTS, Flaky(b"abcdef", []))
    assert store.read_at(flaky, 1, 2) == b"bc"


def test_names() -> None:
    store = MemoryStore()
    first, second = push_model(store, b"1"), push_model(store, b"2")
    store.tag(first.descriptor, "v1")
    store.tag(first.descriptor, "latest")
    store.tag(second.descriptor, "latest")
    assert store.tags() == ("latest", "v1")
    assert store.resolve("latest") == second.descriptor
    assert store.resolve(str(first.descriptor.digest)) == first.descriptor
    store.untag("v1")
    with pytest.raises(NotFound, match="v1"):
        store.resolve("v1")
    with pytest.raises(NotFound):
        store.untag("v1")
    store.delete(second.descriptor)
    assert store.tags() == ()
    assert not store.exists(second.descriptor)
    with pytest.raises(NotFound):
        store.delete(second.descriptor)


def test_only_documents_have_names() -> None:
    store = MemoryStore()
    layer = store.push_bytes(WEIGHTS, b"weights")
    with pytest.raises(NotFound):
        store.tag(layer, "v1")
    with pytest.raises(NotFound):
        store.resolve(str(layer.digest))


def test_documents_are_parsed_when_they_come() -> None:
    store = MemoryStore()
    with pytest.raises(DocumentError):
        store.push_bytes(OCI_MANIFEST, b"{}")
    index = Index.build(())
    store.push(index.descriptor, BytesSource(index.raw))
    assert store.document(index.descriptor) == index


def test_attachments() -> None:
    store = MemoryStore()
    model = push_model(store)
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    sbom = push_model(store, b"sbom", model.descriptor, "application/x-sbom")
    assert {entry.digest for entry in store.referrers(model.descriptor)} == {
        signature.descriptor.digest,
        sbom.descriptor.digest,
    }
    (found,) = store.referrers(model.descriptor, "application/x-sbom")
    assert (found.digest, found.artifact_type) == (sbom.descriptor.digest, "application/x-sbom")
    assert store.referrers(sbom.descriptor) == ()
    assert store.referrers(model.descriptor, MODEL_MANIFEST) == ()


def test_abilities() -> None:
    store: object = MemoryStore()
    assert all(isinstance(store, ability) for ability in (Ranged, Listing, Deleting, Referring))


def test_what_is_read_whole_must_be_small() -> None:
    store = MemoryStore()
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    with pytest.raises(SizeMismatch, match="more than the 6 expected"):
        store.read(descriptor, limit=6)


def test_content_moves_from_store_to_store_under_its_own_digest() -> None:
    here, there = MemoryStore(), MemoryStore()
    descriptor = here.push_bytes(WEIGHTS, b"weights")
    there.push(descriptor, here.source(descriptor))
    assert there.read(descriptor) == b"weights"
    assert there.ingest(WEIGHTS, here.source(descriptor).source) == descriptor
    with pytest.raises(DigestMismatch, match="was offered as"):
        there.push(Descriptor.of(WEIGHTS, b"others"), here.source(descriptor))
