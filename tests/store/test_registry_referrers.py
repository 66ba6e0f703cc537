"""What is attached to a manifest: by the referrers API, and by the fallback tag where there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest

from modelpack.errors import DocumentError, NotFound, RegistryError, UnsupportedFormat
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from modelpack.store import BytesSource, RegistryStore
from modelpack.store.registry import referrers as module
from tests.faults import FaultyRegistry, Features, Reply, effects
from tests.store.clients import NAME, connect
from tests.store.content import push_model

SIGNATURE, SBOM = "application/vnd.example.signature+json", "application/vnd.example.sbom"


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def registry(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """A registry with the referrers API, and one without."""
    with FaultyRegistry(Features(referrers=request.param)) as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE", 0.01)


def tag_of(subject: Descriptor) -> str:
    return f"sha256-{subject.digest.hex}"


def test_what_is_attached_is_found(registry: FaultyRegistry) -> None:
    with connect(registry) as store:
        model = push_model(store)
        assert store.referrers(model.descriptor) == ()
        signature = push_model(store, b"signature", model.descriptor, SIGNATURE)
        sbom = push_model(store, b"sbom", model.descriptor, SBOM)
        found = store.referrers(model.descriptor)
        assert {entry.digest for entry in found} == {signature.descriptor.digest, sbom.descriptor.digest}
        assert [entry.digest for entry in store.referrers(model.descriptor, SIGNATURE)] == [signature.descriptor.digest]
        assert [entry.artifact_type for entry in store.referrers(model.descriptor, SBOM)] == [SBOM]
        assert store.referrers(model.descriptor, "application/other") == ()
        assert store.referrers(signature.descriptor) == ()
        assert [store.document(entry).raw for entry in found if entry.artifact_type == SBOM] == [sbom.raw]


def test_attaching_twice_changes_nothing(registry: FaultyRegistry) -> None:
    with connect(registry) as store:
        model = push_model(store)
        push_model(store, b"s", model.descriptor, SIGNATURE)
        before = store.referrers(model.descriptor)
        push_model(store, b"s", model.descriptor, SIGNATURE)
        assert store.referrers(model.descriptor) == before


def test_an_index_can_be_attached_and_annotations_are_told(registry: FaultyRegistry) -> None:
    with connect(registry) as store:
        model = push_model(store)
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": SBOM, "manifests": []}
        document |= {"subject": model.descriptor.to_json(), "annotations": {"org.example.ü": "ñ"}}
        raw = json.dumps(document).encode()
        index = Index.parse(raw)
        store.push(index.descriptor, BytesSource(raw))
        (entry,) = store.referrers(model.descriptor)
        assert (entry.digest, entry.media_type) == (index.descriptor.digest, OCI_INDEX)
        assert (entry.artifact_type, entry.annotations) == (SBOM, {"org.example.ü": "ñ"})


def test_the_subject_need_not_exist(registry: FaultyRegistry) -> None:
    absent = Descriptor.of(OCI_MANIFEST, b"absent")
    with connect(registry) as store:
        signature = push_model(store, b"s", absent, SIGNATURE)
        assert [entry.digest for entry in store.referrers(absent)] == [signature.descriptor.digest]


def test_the_fallback_tag_is_only_written_where_it_is_needed(registry: FaultyRegistry) -> None:
    with connect(registry) as store:
        model = push_model(store)
        push_model(store, b"s", model.descriptor, SIGNATURE)
        has_tag = tag_of(model.descriptor) in registry.repository(NAME).tags
    assert has_tag == (registry._endpoints.features.referrers is False)


def test_the_fallback_tag_of_a_long_digest() -> None:
    subject = Descriptor(OCI_MANIFEST, Digest("sha512", "ab" * 64), 1)
    assert module.fallback_tag(subject) == f"sha512-{'ab' * 32}"


def test_what_others_wrote_under_the_fallback_tag_stays() -> None:
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)
        theirs = Descriptor(OCI_MANIFEST, Digest.of(b"theirs"), 6, {"a": "b"}, SBOM, {"platform": {"os": "x"}})
        index = Index.build((theirs,), annotations={"kept": "yes"})
        faulty.repository(NAME).add_manifest(OCI_INDEX, index.raw, tag_of(model.descriptor))
        push_model(store, b"s", model.descriptor, SIGNATURE)
        found = store.document(store.resolve(tag_of(model.descriptor)))
        assert isinstance(found, Index)
        assert found.manifests[0] == theirs
        assert len(found.manifests) == 2
        assert found.annotations == {"kept": "yes"}


def test_entries_that_do_not_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """cosign writes the config's media type for the artifact type; others write nothing."""
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)
        pushed = [push_model(store, b"%d" % n, model.descriptor, SIGNATURE).descriptor for n in range(2)]
        unknown = replace(pushed[0], artifact_type="", annotations={"kept": "yes"})
        cosigns = replace(pushed[1], artifact_type="application/vnd.oci.empty.v1+json")
        absent = Descriptor(OCI_MANIFEST, Digest.of(b"absent"), 6)
        odd = Descriptor("application/vnd.odd", Digest.of(b"odd"), 3)
        index = Index.build((unknown, cosigns, absent, odd))
        faulty.repository(NAME).add_manifest(OCI_INDEX, index.raw, tag_of(model.descriptor))
        found = store.referrers(model.descriptor)
        assert [entry.artifact_type for entry in found] == [SIGNATURE, SIGNATURE, "", ""]
        assert found[0].annotations == {"kept": "yes"}
        assert len(store.referrers(model.descriptor, SIGNATURE)) == 2
        monkeypatch.setattr(module, "MAX_LOOKUPS", 1)
        assert len(store.referrers(model.descriptor, SIGNATURE)) == 1


def test_a_manifest_under_the_fallback_tag_is_not_overwritten() -> None:
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)
        store.tag(model.descriptor, tag_of(model.descriptor))
        assert store.referrers(model.descriptor) == ()
        with pytest.raises(DocumentError, match="names a manifest"):
            push_model(store, b"s", model.descriptor, SIGNATURE)
        assert store.resolve(tag_of(model.descriptor)) == model.descriptor


def test_writers_at_the_same_time_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE", 0.1)
    pushed: list[Manifest] = []
    failed: list[BaseException] = []
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)

        def write(mine: RegistryStore, number: int) -> None:
            try:
                pushed.append(push_model(mine, b"signature %d" % number, model.descriptor, SIGNATURE))
            except BaseException as error:  # noqa: BLE001  # judged below
                failed.append(error)

        stores = [connect(faulty) for _ in range(4)]  # as four processes would
        threads = [threading.Thread(target=write, args=(stores[number % 4], number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in stores:
            one.close()
        assert failed == []
        found = {entry.digest for entry in store.referrers(model.descriptor)}
    assert found == {manifest.descriptor.digest for manifest in pushed}
    assert len(found) == 8


def test_a_writer_between_our_reading_and_our_writing() -> None:
    """The other writer read before we wrote and writes after us: our entry is gone, and must come back."""
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)
        theirs = Descriptor(OCI_MANIFEST, Digest.of(b"theirs"), 6, {}, SBOM)

        def overwrite(exchange: effects.Exchange) -> Reply:
            answer = exchange.answer()
            index = Index.build((theirs,))
            exchange.registry.repository(NAME).add_manifest(OCI_INDEX, index.raw, tag_of(model.descriptor))
            return answer

        faulty.on("PUT", "/manifests/sha256-", overwrite)
        ours = push_model(store, b"s", model.descriptor, SIGNATURE)
        assert {entry.digest for entry in store.referrers(model.descriptor)} == {theirs.digest, ours.descriptor.digest}


def test_a_writer_that_never_stops() -> None:
    with FaultyRegistry(Features(referrers=False)) as faulty, connect(faulty) as store:
        model = push_model(store)
        empty = Index.build(())

        def overwrite(exchange: effects.Exchange) -> Reply:
            answer = exchange.answer()
            exchange.registry.repository(NAME).add_manifest(OCI_INDEX, empty.raw, tag_of(model.descriptor))
            return answer

        faulty.on("PUT", "/manifests/sha256-", overwrite, times=None)
        with pytest.raises(Exception, match="other writers keep replacing sha256-"):
            push_model(store, b"s", model.descriptor, SIGNATURE)


def test_many_referrers_come_in_pages() -> None:
    with FaultyRegistry(Features(page=3)) as faulty, connect(faulty) as store:
        model = push_model(store)
        pushed = {push_model(store, b"%d" % n, model.descriptor, SIGNATURE).descriptor.digest for n in range(7)}
        assert {entry.digest for entry in store.referrers(model.descriptor, SIGNATURE)} == pushed
        pages = faulty.find("GET", "/referrers/")[-3:]
        assert [page.query.get("first") for page in pages] == [None, "3", "6"]
        assert {page.query["artifactType"] for page in pages} == {SIGNATURE}


def test_a_registry_that_does_not_filter(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = push_model(store)
        push_model(store, b"s", model.descriptor, SIGNATURE)
        sbom = push_model(store, b"b", model.descriptor, SBOM)
        everything = Index.build(store.referrers(model.descriptor))
        faulty.on("GET", "/referrers/", effects.reply(200, everything.raw, {"Content-Type": OCI_INDEX}))
        assert [entry.digest for entry in store.referrers(model.descriptor, SBOM)] == [sbom.descriptor.digest]


NO_API: dict[str, effects.Fault] = {
    "400": effects.status(400),
    "404": effects.status(404),
    "405": effects.status(405),
    "501": effects.status(501),
    "a web page": effects.reply(200, b"<html>", {"Content-Type": "text/html"}),
    "nothing": effects.reply(200, b""),
}


@pytest.mark.parametrize("name", NO_API)
def test_ways_to_say_that_there_is_no_api(faulty: FaultyRegistry, name: str) -> None:
    with connect(faulty) as store:
        model = push_model(store)
        faulty.on("GET", "/referrers/", NO_API[name], times=None)
        signature = push_model(store, b"s", model.descriptor, SIGNATURE)
        assert [entry.digest for entry in store.referrers(model.descriptor)] == [signature.descriptor.digest]
        assert tag_of(model.descriptor) in faulty.repository(NAME).tags


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"schemaVersion":2,"manifests":[{}]}', "mediaType: a string is required"),
        (b'{"schemaVersion":2,"manifests":{}}', "an array is required"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_a_list_of_referrers_that_is_none(faulty: FaultyRegistry, body: bytes, message: str) -> None:
    faulty.on("GET", "/referrers/", effects.reply(200, body, {"Content-Type": OCI_INDEX}))
    with connect(faulty) as store, pytest.raises(DocumentError, match=message):
        store.referrers(Descriptor.of(OCI_MANIFEST, b"x"))


def test_a_list_that_breaks_off_is_asked_for_again(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = push_model(store)
        push_model(store, b"s", model.descriptor, SIGNATURE)
        faulty.on("GET", "/referrers/", effects.cut(20), times=2)
        assert len(store.referrers(model.descriptor)) == 1


@pytest.mark.parametrize("limit", ["MAX_REFERRERS", "MAX_PAGES"])
def test_referrers_without_end(faulty: FaultyRegistry, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(10**9))
    entry = Descriptor(OCI_MANIFEST, Digest.of(b"x"), 1)

    def page(_: effects.Exchange) -> Reply:
        headers = {"Content-Type": OCI_INDEX, "Link": f'<?n={next(numbers)}>; rel="next"'}
        return Reply(200, headers, Index.build((entry,)).raw)

    monkeypatch.setattr(module, limit, 4)
    faulty.on("GET", "/referrers/", page, times=None)
    with connect(faulty) as store, pytest.raises(DocumentError, match="referrers, or"):
        store.referrers(Descriptor.of(OCI_MANIFEST, b"x"))
    assert len(faulty.requests) <= 5


def test_the_next_page_is_on_the_same_host(faulty: FaultyRegistry) -> None:
    headers = {"Content-Type": OCI_INDEX, "Link": '<http://evil.example/>; rel="next"'}
    faulty.on("GET", "/referrers/", effects.reply(200, Index.build(()).raw, headers))
    with connect(faulty) as store, pytest.raises(UnsupportedFormat, match="another host"):
        store.referrers(Descriptor.of(OCI_MANIFEST, b"x"))


def test_a_filter_is_quoted(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        store.referrers(Descriptor.of(OCI_MANIFEST, b"x"), "a/b+c&d=e")
    assert faulty.requests[0].query == {"artifactType": "a/b+c&d=e"}


def test_the_repository_is_not_there(registry: FaultyRegistry) -> None:
    with connect(registry, "absent") as store:
        assert store.referrers(Descriptor.of(OCI_MANIFEST, b"x")) == ()
        with pytest.raises(NotFound):
            store.resolve("v1")


@pytest.mark.parametrize(("code", "raises"), [("DIGEST_INVALID", False), ("DENIED", True)])
def test_fault_found_while_others_write(code: str, raises: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.registry.referrers._SETTLE", 0.01)
    with FaultyRegistry(Features(referrers=False)) as registry, connect(registry) as store:
        subject = push_model(store).descriptor
        body = f'{{"errors":[{{"code":"{code}","message":"?"}}]}}'.encode()
        registry.on("PUT", "/manifests/sha256-", effects.reply(400, body))
        signature = Manifest.build(
            artifact_type="x/y", config=store.push_bytes("x/y", b"{}"), layers=(), subject=subject.plain()
        )
        with pytest.raises(RegistryError, match=code) if raises else nullcontext():
            store.push(signature.descriptor, BytesSource(signature.raw))
        assert len(store.referrers(subject)) == (0 if raises else 1)
