"""Names, manifests and what is attached to them."""

from __future__ import annotations

import os
import time

import pytest

from modelpack.errors import (
    DocumentError,
    InvalidReference,
    NotFound,
    SizeMismatch,
)
from modelpack.oci import MAX_DOCUMENT, Descriptor, Index
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.store import BytesSource, Deleting, LayoutStore, Listing, Ranged, Referring
from modelpack.store.layout.index import LayoutIndex
from tests.store.content import WEIGHTS, push_model
from tests.store.layout.places import blob, index, write_index

DATA = os.urandom(600_000)


def test_names(store: LayoutStore) -> None:
    first, second = push_model(store, b"1"), push_model(store, b"2")
    store.tag(first.descriptor, "registry.example:5000/ml/minilm:v1")
    store.tag(first.descriptor, "latest")
    store.tag(second.descriptor, "latest")
    assert store.tags() == ("latest", "registry.example:5000/ml/minilm:v1")
    assert store.resolve("latest") == second.descriptor
    assert store.resolve("registry.example:5000/ml/minilm:v1") == first.descriptor
    assert store.resolve(str(first.descriptor.digest)) == first.descriptor
    store.untag("latest")
    with pytest.raises(NotFound, match="latest") as caught:
        store.resolve("latest")
    assert "registry.example:5000/ml/minilm:v1" in caught.value.hint
    assert store.resolve(str(second.descriptor.digest)) == second.descriptor
    assert LayoutStore(store.path, create=False).tags() == store.tags()


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", ".x", "a\nb", "ä", "a" * 513, "a\x00", "sha256:" + "0" * 64])
def test_what_cannot_be_a_name(store: LayoutStore, name: str) -> None:
    with pytest.raises(InvalidReference):
        store.tag(push_model(store).descriptor, name)
    assert store.tags() == ()


def test_a_settled_index_is_parsed_once_and_every_change_is_seen(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = push_model(store), push_model(store, b"other")
    store.tag(model.descriptor, "v1")
    parsed: list[bytes] = []
    parse = LayoutIndex.parse

    def counting(raw: bytes) -> LayoutIndex:
        parsed.append(raw)
        return parse(raw)

    monkeypatch.setattr(LayoutIndex, "parse", counting)
    store.tags()
    store.tags()
    assert len(parsed) == 2  # it may change again before the clock ticks
    monkeypatch.setattr("modelpack.store.layout.store._SETTLED", 0.0)
    time.sleep(0.02)
    for _ in range(3):
        assert store.tags() == ("v1",)
    assert len(parsed) == 3
    LayoutStore(store.path).tag(other.descriptor, "v2")
    assert store.tags() == ("v1", "v2")
    write_index(store, manifests=[])
    assert store.tags() == ()


def test_only_what_is_there_gets_a_name(store: LayoutStore) -> None:
    with pytest.raises(NotFound):
        store.tag(Descriptor.of(OCI_MANIFEST, b"{}"), "v1")


def test_without_a_name_the_only_manifest_is_meant(store: LayoutStore) -> None:
    with pytest.raises(NotFound, match="the layout is empty"):
        store.resolve("")
    model = push_model(store)
    assert store.resolve("") == model.descriptor
    store.tag(model.descriptor, "v1")
    store.tag(model.descriptor, "v2")
    push_model(store, b"signature", model.descriptor, "application/x-signature")
    assert store.resolve("") == model.descriptor
    store.tag(push_model(store, b"other").descriptor, "other")
    with pytest.raises(InvalidReference, match="holds 2 manifests") as caught:
        store.resolve("")
    assert caught.value.hint == "it has other, v1, v2"


def test_without_a_name_among_nameless_manifests(store: LayoutStore) -> None:
    push_model(store, b"1")
    push_model(store, b"2")
    with pytest.raises(InvalidReference, match="holds 2 manifests") as caught:
        store.resolve("")
    assert "digest" in caught.value.hint


def test_manifests_that_only_an_index_names_are_found_by_digest(store: LayoutStore) -> None:
    model = push_model(store)
    both = Index.build((model.descriptor,))
    store.push(both.descriptor, BytesSource(both.raw))
    write_index(store, manifests=[both.descriptor.to_json()])
    assert store.resolve(str(model.descriptor.digest)) == model.descriptor
    write_index(store, manifests=[])
    assert store.resolve(str(both.descriptor.digest)) == both.descriptor


def test_blobs_are_not_manifests(store: LayoutStore) -> None:
    layer = store.push_bytes(WEIGHTS, b"weights")
    long = store.push_bytes(WEIGHTS, b'{"schemaVersion":2}' + b" " * MAX_DOCUMENT)
    for one in (layer, long):
        with pytest.raises(NotFound, match="not a manifest"):
            store.resolve(str(one.digest))
    with pytest.raises(NotFound, match="is not in"):
        store.resolve("sha256:" + "0" * 64)


def test_a_damaged_manifest_is_not_found_by_its_digest(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    write_index(store, manifests=[])
    path = blob(store, model.descriptor.digest)
    path.unlink()
    path.write_bytes(other.raw)
    with pytest.raises(NotFound, match="damaged"):
        store.resolve(str(model.descriptor.digest))


def test_a_manifest_must_be_one(store: LayoutStore) -> None:
    with pytest.raises(DocumentError):
        store.push_bytes(OCI_MANIFEST, b"{}")
    with pytest.raises(SizeMismatch, match="allowed for a manifest"):
        store.push_bytes(OCI_MANIFEST, b" " * (MAX_DOCUMENT + 1))
    assert index(store)["manifests"] == []


def test_deleting(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    store.tag(model.descriptor, "v1")
    store.tag(model.descriptor, "v2")
    store.tag(other.descriptor, "other")
    store.delete(model.descriptor)
    assert store.tags() == ("other",)
    assert not store.exists(model.descriptor)
    assert store.exists(other.descriptor)
    with pytest.raises(NotFound):
        store.resolve(str(model.descriptor.digest))
    with pytest.raises(NotFound):
        store.delete(model.descriptor)


def test_attachments(store: LayoutStore) -> None:
    model = push_model(store)
    assert store.referrers(model.descriptor) == ()
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    sbom = push_model(store, b"sbom", model.descriptor, "application/x-sbom")
    for _ in range(2):
        found = store.referrers(model.descriptor)
        assert [entry.digest for entry in found] == [signature.descriptor.digest, sbom.descriptor.digest]
    (only,) = store.referrers(model.descriptor, "application/x-sbom")
    assert (only.digest, only.artifact_type) == (sbom.descriptor.digest, "application/x-sbom")
    store.delete(sbom.descriptor)
    assert len(store.referrers(model.descriptor)) == 1


def test_attachments_under_a_fallback_tag(store: LayoutStore) -> None:
    model = push_model(store)
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    unrelated = push_model(store, b"unrelated")
    fallback = Index.build((signature.descriptor, unrelated.descriptor, Descriptor.of(OCI_MANIFEST, b"absent")))
    store.push(fallback.descriptor, BytesSource(fallback.raw))
    tag = f"sha256-{model.descriptor.digest.hex}"
    for name in (tag, f"ml/minilm:{tag}"):
        named = fallback.descriptor.annotated(**{"org.opencontainers.image.ref.name": name})
        write_index(store, manifests=[model.descriptor.to_json(), named.to_json()])
        assert [entry.digest for entry in store.referrers(model.descriptor)] == [signature.descriptor.digest]
    wrong = model.descriptor.annotated(**{"org.opencontainers.image.ref.name": tag})
    write_index(store, manifests=[wrong.to_json()])
    assert store.referrers(model.descriptor) == ()


def test_damaged_and_foreign_entries_are_no_attachments(store: LayoutStore) -> None:
    model = push_model(store)
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    path = blob(store, signature.descriptor.digest)
    path.unlink()
    path.write_bytes(b"x" * signature.descriptor.size)
    foreign = store.push_bytes("application/x-foreign", b"?")
    write_index(store, manifests=[entry.to_json() for entry in (model.descriptor, signature.descriptor, foreign)])
    assert store.referrers(model.descriptor) == ()


def test_what_attachments_are_remembered_is_bounded(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.layout.store.MAX_MANIFESTS", 1)
    model = push_model(store)
    for number in range(6):
        push_model(store, b"%d" % number, model.descriptor, "application/x-signature")
    assert len(store.referrers(model.descriptor)) == 6
    assert len(store._attached) <= 4


def test_abilities(store: LayoutStore) -> None:
    assert all(isinstance(store, ability) for ability in (Ranged, Listing, Deleting, Referring))
