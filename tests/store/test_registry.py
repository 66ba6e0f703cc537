"""One repository: documents, tags, listings, mounts, deletion."""

from __future__ import annotations

import hashlib
import json

import pytest

from modelpack.errors import (
    DigestMismatch,
    DocumentError,
    InvalidDigest,
    NotFound,
    RegistryError,
    SizeMismatch,
    UnsupportedFormat,
)
from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from modelpack.store import BytesSource, Deleting, Listing, Mounting, Ranged, Referring, Registry, RegistryStore
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import NAME, connect, held, stored
from tests.store.content import WEIGHTS, push_model


def test_its_abilities(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        for ability in (Ranged, Listing, Deleting, Referring, Mounting):
            assert isinstance(store, ability)


def test_a_model_by_tag_and_by_digest(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
        store.tag(manifest.descriptor, "latest")
        assert store.tags() == ("latest", "v1")
    with connect(faulty) as store:
        assert store.resolve("v1") == manifest.descriptor
        assert store.resolve(str(manifest.descriptor.digest)) == manifest.descriptor
        assert store.document(manifest.descriptor) == manifest
        assert faulty.count("GET", "/manifests/") == 2  # what resolving read is not read again
        assert store.exists(manifest.descriptor)
        assert store.exists(manifest.config)


@pytest.mark.parametrize(
    ("code", "times", "puts"), [("DIGEST_INVALID", 2, 3), ("DIGEST_INVALID", None, 4), ("DENIED", 1, 1)]
)
def test_a_registry_that_finds_fault_while_others_write(
    faulty: FaultyRegistry, code: str, times: int | None, puts: int
) -> None:
    manifest = Manifest.build(artifact_type="", config=stored(faulty, b"{}"), layers=())
    with connect(faulty) as store:
        body = json.dumps({"errors": [{"code": code, "message": "?"}]}).encode()
        faulty.on("PUT", "/manifests/", effects.reply(400, body), times=times)
        if puts == 3:
            store.push(manifest.descriptor, BytesSource(manifest.raw))
        else:
            with pytest.raises(RegistryError, match=code):
                store.push(manifest.descriptor, BytesSource(manifest.raw))
        assert faulty.count("PUT", "/manifests/") == puts


def test_docker_hub_has_another_host_for_its_api() -> None:
    assert Registry("docker.io").url == "https://registry-1.docker.io"
    assert Registry("r.example").url == "https://r.example"


@pytest.mark.parametrize("name", ["absent", f"sha256:{'0' * 64}"])
def test_what_is_not_there(faulty: FaultyRegistry, name: str) -> None:
    absent = Descriptor(OCI_MANIFEST, Digest.of(b"x"), 1)
    with connect(faulty) as store:
        with pytest.raises(NotFound, match=r"answered 404 .MANIFEST_UNKNOWN"):
            store.resolve(name)
        with pytest.raises(NotFound):
            store.read(absent)
        with pytest.raises(NotFound):
            store.tag(absent, "v1")
        with pytest.raises(NotFound):
            store.delete(absent)
        with pytest.raises(NotFound):
            store.untag("absent")
        with connect(faulty, "absent") as other, pytest.raises(NotFound, match="NAME_UNKNOWN"):
            other.tags()
        assert not store.exists(absent)


@pytest.mark.parametrize("name", ["../../x", "a b", "ü", "a?b", "a#b", "a\nb", "\ud800"])
def test_a_name_stays_a_name(faulty: FaultyRegistry, name: str) -> None:
    with connect(faulty) as store, pytest.raises(NotFound):
        store.resolve(name)
    assert faulty.requests[0].path.startswith(f"/v2/{NAME}/manifests/")
    assert faulty.requests[0].query == {}


def test_a_digest_that_is_none(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store, pytest.raises(InvalidDigest):
        store.resolve("sha256:short")
    assert faulty.requests == []


def test_sha512(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        raw = push_model(store).raw
        digest = f"sha512:{hashlib.sha512(raw).hexdigest()}"
        faulty.repository(NAME).manifests[digest] = (OCI_MANIFEST, raw)
        assert str(store.resolve(digest).digest) == digest
        assert store.document(store.resolve(digest)).raw == raw


def test_wrong_bytes_under_a_digest(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
        digest = str(manifest.descriptor.digest)
        faulty.repository(NAME).manifests[digest] = (OCI_MANIFEST, manifest.raw + b" ")
        with pytest.raises(DigestMismatch, match=f"answer for {NAME}:{digest}"):
            store.resolve(digest)


def test_a_digest_in_the_header_that_is_not_the_contents(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        store.tag(push_model(store).descriptor, "v1")
        faulty.on("GET", "/manifests/v1", effects.wrong_digest())
        with pytest.raises(DigestMismatch, match="does not match its digest"):
            store.resolve("v1")
        faulty.on("GET", "/manifests/v1", effects.header("Docker-Content-Digest", "sha512:whatever"))
        store.resolve("v1")  # of another algorithm than the one asked for: nothing to compare


def test_a_registry_that_stores_something_else(faulty: FaultyRegistry) -> None:
    faulty.on("PUT", "/manifests/", effects.wrong_digest())
    with connect(faulty) as store, pytest.raises(DigestMismatch, match="stored something else"):
        push_model(store)


HOSTILE = {
    "no JSON": (b"<html>", "not JSON"),
    "deep": (b"[" * 100_000, "nested deeper"),
    "twice": (b'{"schemaVersion":2,"schemaVersion":2}', "stands twice"),
    "both kinds": (b'{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}', "does not belong"),
    "a number": (b"9" * 1000, "an integer of 1000 digits"),
    "large": (b" " * (MAX_DOCUMENT + 1), "more than the 4194304 allowed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest(faulty: FaultyRegistry, name: str) -> None:
    data, message = HOSTILE[name]
    digest = faulty.repository(NAME).add_manifest(OCI_MANIFEST, data, "v1")
    with connect(faulty) as store:
        with pytest.raises(DocumentError, match=message):
            store.resolve("v1")
        with pytest.raises((DocumentError, SizeMismatch), match=message.replace("allowed", "expected")):
            store.document(Descriptor(OCI_MANIFEST, Digest.parse(digest), len(data)))


def test_an_endless_manifest_is_not_read_to_its_end(faulty: FaultyRegistry) -> None:
    for declared in (True, False):
        faulty.on("GET", "/manifests/", effects.flood(1 << 40, content_type=OCI_MANIFEST, declared=declared))
        with connect(faulty) as store, pytest.raises(DocumentError, match="more than the 4194304 allowed"):
            store.resolve("v1")


def test_a_manifest_called_an_index(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        raw = push_model(store).raw
        faulty.repository(NAME).add_manifest(OCI_INDEX, raw, "v1")
        with pytest.raises(DocumentError, match="is not the type of an index"):
            store.resolve("v1")


def test_a_manifest_that_breaks_off_is_read_again(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
        faulty.on("GET", "/manifests/v1", effects.cut(100, "reset"), times=2)
        assert store.resolve("v1") == manifest.descriptor


def test_kept_documents_do_not_pile_up(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        first = push_model(store, b"0")
        for number in range(20):
            push_model(store, b"%d" % number + b"x")
        reads = faulty.count("GET", "/manifests/")
        assert store.document(first.descriptor) == first
        assert faulty.count("GET", "/manifests/") == reads + 1


def test_the_size_in_the_descriptor_is_a_lie(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
        for wrong in (-1, 1):
            lie = Descriptor(OCI_MANIFEST, manifest.descriptor.digest, manifest.descriptor.size + wrong)
            assert not store.exists(lie)
            with pytest.raises(SizeMismatch):
                store.read(lie)
            with connect(faulty) as other, pytest.raises(SizeMismatch):
                other.read(lie)


def test_delete(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
        store.tag(manifest.descriptor, "v2")
        store.untag("v1")
        assert store.tags() == ("v2",)
        store.delete(manifest.descriptor)
        assert store.tags() == ()
        with pytest.raises(NotFound):
            store.document(manifest.descriptor)


def test_delete_where_it_is_not_allowed() -> None:
    with FaultyRegistry(Features(delete=False)) as faulty, connect(faulty) as store:
        manifest = push_model(store)
        with pytest.raises(UnsupportedFormat, match=f"{faulty.host} does not allow deleting$"):
            store.delete(manifest.descriptor)
        with pytest.raises(UnsupportedFormat, match="deleting the tag v1"):
            store.untag("v1")
        assert store.document(manifest.descriptor) == manifest


def test_mount(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, b"weights", "models/source")
    with connect(faulty) as store:
        assert store.mount(blob, "models/source")
        assert held(faulty, blob) == b"weights"
        assert not store.mount(Descriptor.of(WEIGHTS, b"absent"), "models/source")
        assert faulty.count("DELETE", "/uploads/") == 1  # the upload that was offered instead is not wanted


@pytest.mark.parametrize("code", [401, 403, 404, 405])
def test_a_mount_that_is_refused(faulty: FaultyRegistry, code: int) -> None:
    faulty.on("POST", "/uploads/", effects.status(code))
    with connect(faulty) as store:
        assert not store.mount(Descriptor.of(WEIGHTS, b"x"), "models/source")


def test_a_cancel_that_fails_is_no_matter(faulty: FaultyRegistry) -> None:
    faulty.on("DELETE", "/uploads/", effects.status(404))
    faulty.on("DELETE", "/uploads/", effects.hang_up(), skip=1)
    faulty.on("POST", "/uploads/", effects.header("Location", "http://evil.example/"), skip=2)
    with connect(faulty) as store:
        for _ in range(3):
            assert not store.mount(Descriptor.of(WEIGHTS, b"x"), "models/source")
    assert faulty.count("DELETE", "/uploads/") == 3  # once more on a fresh connection


def test_an_index_of_models(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        parts = tuple(push_model(store, data).descriptor for data in (b"a", b"b"))
        index = Index.build(parts, annotations={"org.example": "ü"})
        store.push(index.descriptor, BytesSource(index.raw))
        store.tag(index.descriptor, "all")
    with connect(faulty) as store:
        found = store.document(store.resolve("all"))
        assert isinstance(found, Index)
        assert [isinstance(store.document(part), Manifest) for part in found.manifests] == [True, True]
        assert json.loads(found.raw)["annotations"] == {"org.example": "ü"}


def test_stores_share_a_registry(faulty: FaultyRegistry) -> None:
    with connect(faulty, "a/b") as one:
        two = RegistryStore(one.registry, "c/d")
        push_model(one)
        push_model(two)
    assert faulty.connections == 1
