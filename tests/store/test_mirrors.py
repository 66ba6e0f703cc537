"""Mirrors that serve, fail, lie and stall: what comes is always right, and the registry answers for the rest."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import DigestMismatch, NotFound, SizeMismatch, Unavailable
from modelpack.oci import Descriptor
from modelpack.store import (
    TLS,
    BytesSource,
    Credential,
    LayoutStore,
    MemoryStore,
    Mirror,
    Mirrors,
    Proxies,
    Registry,
    RegistryStore,
    StaticCredentials,
    VerifiedSource,
    copy,
    receive,
)
from modelpack.store.parallel import THRESHOLD
from modelpack.unpack import unpack
from tests.faults import FaultyRegistry, Features, Guard, effects
from tests.real.certificates import Authority
from tests.real.proxy import Proxy
from tests.store.clients import NAME, QUICK, Recorder, held, stored
from tests.store.content import WEIGHTS, push_model
from tests.unpack.models import archive, compress, model, tar_of

LARGE = random.Random(11).randbytes(THRESHOLD + 12_345)
SMALL = b"weights" * 1000
BLOBS = "/blobs/"


@pytest.fixture
def mirror() -> Iterator[FaultyRegistry]:
    """A second registry that misbehaves on request."""
    with FaultyRegistry() as running:
        yield running


def at(registry: FaultyRegistry, **fields: Any) -> Mirror:
    return replace(Mirror.parse(registry.url), **fields)


def connect(
    origin: FaultyRegistry,
    *mirrors: Mirror,
    observe: Recorder | None = None,
    logins: dict[str, Credential] | None = None,
    **options: Any,
) -> RegistryStore:
    """A repository of a registry that has mirrors."""
    credentials = StaticCredentials(logins or {})
    registry = Registry(
        origin.host, replace(QUICK, **options), credentials, observe or Recorder(), mirrors=Mirrors(mirrors)
    )
    return RegistryStore(registry, NAME)


def both(data: bytes, *registries: FaultyRegistry) -> Descriptor:
    """A blob that all of them hold."""
    descriptors = [stored(registry, data) for registry in registries]
    return descriptors[0]


def downloads(registry: FaultyRegistry, path: str = BLOBS) -> int:
    return registry.count("GET", path)


@pytest.mark.parametrize("data", [SMALL, LARGE, b""])
def test_content_comes_from_the_mirror(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path, data: bytes
) -> None:
    blob = both(data, faulty, mirror)
    with connect(faulty, at(mirror)) as store:
        receive(store.source(blob), tmp_path / "weights")
        assert store.read(blob, limit=len(data)) == data
    assert (tmp_path / "weights").read_bytes() == data
    assert downloads(faulty) == 0
    assert downloads(mirror) > 0


def test_a_mirror_is_told_whose_content_it_is(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror, headers=(("X-Team", "ml"),))) as store:
        store.read(blob)
    (asked,) = mirror.find("GET", BLOBS)
    assert (asked.query, asked.headers["x-team"]) == ({"ns": faulty.host}, "ml")


def test_documents_come_by_digest_from_the_mirror_and_tags_from_the_registry(
    faulty: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    with connect(mirror) as store:
        manifest = push_model(store)
    with connect(faulty) as store:
        push_model(store)
        store.tag(manifest.descriptor, "v1")
    faulty.requests.clear()
    with connect(faulty, at(mirror)) as store:
        root = store.resolve("v1")
        assert store.resolve(str(root.digest)) == root
    with connect(faulty, at(mirror)) as store:
        assert store.document(root) == manifest
    assert [request.path for request in faulty.find("GET", "manifests")] == [f"/v2/{NAME}/manifests/v1"]
    assert mirror.count("GET", "manifests/sha256:") == 2


def test_a_mirror_that_is_believed_resolves_tags(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with connect(mirror) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
    with connect(faulty, at(mirror, resolve=True)) as store:
        assert store.resolve("v1") == manifest.descriptor
        with pytest.raises(NotFound):
            store.resolve("v2")
    assert [request.path for request in faulty.requests] == [f"/v2/{NAME}/manifests/v2"]


def test_one_that_only_resolves_is_asked_for_nothing_else(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror, pull=False, resolve=True)) as store:
        store.read(blob)
    assert (downloads(mirror), downloads(faulty)) == (0, 1)


def test_all_writing_is_done_at_the_registry(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with connect(faulty, at(mirror, resolve=True)) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
        store.untag("v1")
    assert {request.method for request in mirror.requests} <= {"GET"}


def test_what_is_going_to_be_replaced_is_read_from_the_registry() -> None:
    """A mirror's older list of what refers to a model would undo the newer entries."""
    without = Features(referrers=False)
    with FaultyRegistry(without) as origin, FaultyRegistry(without) as mirror:
        with connect(mirror) as store:
            model_ = push_model(store)
            push_model(store, b"old", model_.descriptor, "old")
        with connect(origin, at(mirror, resolve=True)) as store:
            push_model(store)
            for number in range(2):
                push_model(store, b"%d" % number, model_.descriptor, "new")
            found = store.referrers(model_.descriptor)
    assert [entry.artifact_type for entry in found] == ["new", "new"]


def test_a_blob_that_the_mirror_lacks(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    missing, there = stored(faulty, SMALL), both(b"there", faulty, mirror)
    observe = Recorder()
    with connect(faulty, at(mirror), observe=observe) as store:
        assert store.read(missing) == SMALL
        assert store.read(there) == b"there"
    assert (downloads(mirror), downloads(faulty)) == (2, 1)
    assert observe.notes == []


@pytest.mark.parametrize(
    "fault", [effects.status(500), effects.status(403), effects.status(429), effects.hang_up(), effects.silence()]
)
def test_a_mirror_that_fails_is_not_asked_again(
    faulty: FaultyRegistry, mirror: FaultyRegistry, fault: effects.Fault
) -> None:
    mirror.on("GET", BLOBS, fault, times=None)
    observe = Recorder()
    blobs = [both(data, faulty, mirror) for data in (b"one", b"two", b"three")]
    with connect(faulty, at(mirror), observe=observe, read_timeout=0.3) as store:
        assert [store.read(blob) for blob in blobs] == [b"one", b"two", b"three"]
    assert (downloads(mirror), downloads(faulty)) == (1, 3)
    (note,) = observe.notes
    assert note.startswith(f"the mirror {mirror.host} is not asked again: ")


def test_a_mirror_that_is_not_there(faulty: FaultyRegistry) -> None:
    with FaultyRegistry() as gone:
        pass
    observe = Recorder()
    with connect(faulty, at(gone), observe=observe) as store:
        manifest = push_model(store)
    with connect(faulty, at(gone), observe=observe) as store:
        assert store.resolve(str(manifest.descriptor.digest)) == manifest.descriptor
        assert store.read(manifest.blobs[1]) == b"weights"
    assert len(observe.notes) == 1
    assert "refuses connections" in observe.notes[0]


def test_a_mirror_with_unusable_settings(faulty: FaultyRegistry, tmp_path: Path) -> None:
    blob, observe = stored(faulty, SMALL), Recorder()
    broken = Mirror("https://127.0.0.1:1/v2", tls=TLS(tmp_path / "none.pem"))
    with connect(faulty, broken, observe=observe) as store:
        assert store.read(blob) == SMALL
    assert "cannot use the CA" in observe.notes[0]


@pytest.mark.parametrize("ending", ["close", "reset", "stall"])
@pytest.mark.parametrize("data", [SMALL * 10, LARGE])
def test_a_stream_that_breaks_goes_on_elsewhere(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path, data: bytes, ending: Any
) -> None:
    mirror.on("GET", BLOBS, effects.cut(50_000, ending), times=None)
    blob = both(data, faulty, mirror)
    counted: list[int] = []
    with connect(faulty, at(mirror), read_timeout=0.3) as store:
        receive(store.source(blob, counted.append), tmp_path / "weights")
    assert (tmp_path / "weights").read_bytes() == data
    assert (sum(counted), min(counted) >= 0) == (len(data), True)
    assert all("range" in request.headers for request in faulty.find("GET", BLOBS))
    assert downloads(mirror) == 1


def test_the_next_mirror_is_asked_before_the_registry(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    mirror.on("GET", BLOBS, effects.cut(50_000), times=None)
    with FaultyRegistry() as second:
        blob = both(LARGE, faulty, mirror, second)
        with connect(faulty, at(mirror), at(second)) as store:
            receive(store.source(blob), tmp_path / "weights")
        assert (downloads(mirror), downloads(faulty)) == (1, 0)
        assert downloads(second) > 0


def test_the_error_of_the_registry_is_the_one_that_counts(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    mirror.on("GET", BLOBS, effects.status(500), times=None)
    blob = Descriptor.of(WEIGHTS, SMALL)
    with connect(faulty, at(mirror)) as store:
        with pytest.raises(NotFound, match=faulty.host):
            store.read(blob)
        stored(faulty, SMALL)
        faulty.on("GET", BLOBS, effects.cut(10), times=None)
        with pytest.raises(Unavailable):
            store.read(blob)


def test_a_mirror_without_ranges_serves_the_whole(faulty: FaultyRegistry, tmp_path: Path) -> None:
    with FaultyRegistry(Features(ranges=False)) as mirror:
        blob = both(LARGE, faulty, mirror)
        with connect(faulty, at(mirror)) as store:
            receive(store.source(blob), tmp_path / "weights")
        assert downloads(faulty) == 0
        assert (tmp_path / "weights").read_bytes() == LARGE


def test_parts_that_are_there_are_not_thrown_away_for_a_mirror_without_ranges(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    mirror.on("GET", BLOBS, effects.cut(5_000_000), times=None)
    with FaultyRegistry(Features(ranges=False)) as second:
        blob = both(LARGE, faulty, mirror, second)
        with connect(faulty, at(mirror), at(second)) as store:
            receive(store.source(blob), tmp_path / "weights")
        assert (tmp_path / "weights").read_bytes() == LARGE
    assert all(request.headers["range"] != "bytes=0-" for request in faulty.find("GET", BLOBS))


WRONG = [effects.wrong_bytes(3), effects.body(b"short"), effects.body(bytes(len(LARGE) + 1))]


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_a_mirror_that_lies(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path, data: bytes, fault: effects.Fault
) -> None:
    mirror.on("GET", BLOBS, fault, times=None)
    observe, counted = Recorder(), list[int]()
    blob, other = both(data, faulty, mirror), both(b"other", faulty, mirror)
    with connect(faulty, at(mirror), observe=observe) as store:
        receive(store.source(blob, counted.append), tmp_path / "weights")
        before = downloads(mirror)
        assert store.read(other) == b"other"
    assert (tmp_path / "weights").read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights"]
    assert sum(counted) == len(data)
    assert downloads(mirror) == before
    assert len(observe.notes) == 1


@pytest.mark.parametrize("fault", WRONG)
def test_small_content_that_is_wrong(faulty: FaultyRegistry, mirror: FaultyRegistry, fault: effects.Fault) -> None:
    mirror.on("GET", BLOBS, fault, times=None)
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror)) as store:
        assert store.read(blob) == SMALL
    assert (downloads(mirror), downloads(faulty)) == (1, 1)


def test_a_document_that_is_wrong(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with connect(faulty) as store:
        manifest = push_model(store)
    with connect(mirror) as store:
        push_model(store)
    mirror.on("GET", "manifests", effects.wrong_bytes(5), times=None)
    for names in ("resolve", "document"):
        with connect(faulty, at(mirror)) as store:
            if names == "resolve":
                assert store.resolve(str(manifest.descriptor.digest)) == manifest.descriptor
            else:
                assert store.document(manifest.descriptor) == manifest
            assert not store.distrust(manifest.descriptor)
    assert mirror.count("GET", "manifests") == 2


def test_the_registry_itself_is_asked_once_when_it_lies(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    for registry in (faulty, mirror):
        registry.on("GET", BLOBS, effects.wrong_bytes(), times=None)
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror)) as store, pytest.raises(DigestMismatch):
        receive(store.source(blob), tmp_path / "weights")
    assert (downloads(mirror), downloads(faulty)) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_and_wrong_is_not_the_mirrors_fault(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    blob = both(SMALL, faulty, mirror)
    (tmp_path / "weights.partial").write_bytes(b"something else")
    observe = Recorder()
    with connect(faulty, at(mirror), observe=observe) as store:
        receive(store.source(blob), tmp_path / "weights")
    assert (tmp_path / "weights").read_bytes() == SMALL
    assert (downloads(faulty), observe.notes) == (0, [])


@pytest.mark.parametrize("size", [len(SMALL), 20 << 20])
def test_a_copy_into_another_registry_when_the_mirror_lies(
    faulty: FaultyRegistry, mirror: FaultyRegistry, size: int
) -> None:
    weights = random.Random(5).randbytes(size)
    mirror.on("GET", BLOBS, effects.wrong_bytes(1), times=None)
    for registry in (faulty, mirror):
        with connect(registry) as store:
            manifest = push_model(store, weights)
    observe = Recorder()
    with FaultyRegistry() as target, connect(faulty, at(mirror)) as source, connect(target) as into:
        copy(source, manifest.descriptor, into, names=("v1",), observe=observe)
        assert held(target, manifest.blobs[1]) == weights
    assert observe.passed == sum(blob.size for blob in manifest.blobs)


def test_a_copy_into_a_layout_and_into_memory(faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path) -> None:
    for registry in (faulty, mirror):
        with connect(registry) as store:
            manifest = push_model(store)
    mirror.on("GET", BLOBS, effects.wrong_bytes(0), times=None)
    for target in (LayoutStore(tmp_path / "layout", create=True), MemoryStore()):
        with connect(faulty, at(mirror)) as source, target as into:
            copy(source, manifest.descriptor, into)
            assert into.read(manifest.blobs[1]) == b"weights"


HONEST = {"a.txt": b"one", "b/c.txt": b"two" * 10_000}


@pytest.mark.parametrize("codec", ["tar", "tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("place", [0, 700, -600, -1])
def test_an_archive_from_a_mirror_that_lies(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path, codec: str, place: int
) -> None:
    with connect(faulty) as store:
        layer = archive(store, compress(tar_of(HONEST), codec), codec)
        manifest = model(store, layer)
    place = place % layer.size if abs(place) < layer.size else 0
    stored(mirror, held(faulty, layer) or b"")
    mirror.on("GET", BLOBS, effects.wrong_bytes(place), times=None)
    counts = Recorder()
    with connect(faulty, at(mirror)) as store:
        unpack(store, manifest, tmp_path / "model", observe=counts)
    assert {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*.txt")} == set(HONEST)
    assert (tmp_path / "model" / "b" / "c.txt").read_bytes() == HONEST["b/c.txt"]
    assert counts.passed == layer.size


def test_names_out_of_a_wrong_archive_are_forgotten(
    faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    """The lie is an archive of the right size whose files have the names of those in the next layer."""
    with connect(faulty) as store:
        first, second = archive(store, tar_of({"a": b"1"}), "tar"), archive(store, tar_of({"b": b"2"}), "tar")
        manifest = model(store, first, second)
    mirror.repository(NAME).blobs[str(first.digest)] = tar_of({"b": b"1"})
    with connect(faulty, at(mirror)) as store:
        unpack(store, manifest, tmp_path / "model", jobs=1)
    assert (tmp_path / "model" / "a").read_bytes() == b"1"
    assert (tmp_path / "model" / "b").read_bytes() == b"2"


def test_many_threads_hear_of_it_once(faulty: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path) -> None:
    mirror.on("GET", BLOBS, effects.status(500), times=None)
    blobs = [both(b"%d" % number, faulty, mirror) for number in range(20)]
    observe = Recorder()
    with connect(faulty, at(mirror), observe=observe) as store:
        threads = [
            threading.Thread(target=receive, args=(store.source(blob), tmp_path / blob.digest.hex)) for blob in blobs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list(tmp_path.iterdir())) == 20
    assert len(observe.notes) == 1


def test_credentials_go_to_their_own_host() -> None:
    guards = Guard("token", "robot", "s3cret"), Guard("basic", "cache", "other")
    with FaultyRegistry(guard=guards[0]) as origin, FaultyRegistry(guard=guards[1]) as mirror:
        blob, missing = both(SMALL, origin, mirror), stored(origin, b"only here")
        logins = {origin.host: Credential("robot", "s3cret"), mirror.host: Credential("cache", "other")}
        with connect(origin, at(mirror), logins=logins) as store:
            assert (store.read(blob), store.read(missing)) == (SMALL, b"only here")
        assert downloads(origin, str(blob.digest)) == 0
        seen = {request.headers.get("authorization", "") for request in mirror.requests}
    assert seen == {"", "Basic Y2FjaGU6b3RoZXI="}


def test_a_mirror_that_asks_for_a_password_that_nobody_has(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with FaultyRegistry(guard=Guard("basic", "cache", "other")) as mirror:
        stored(mirror, SMALL)
        logins = {faulty.host: Credential("robot", "s3cret")}
        with connect(faulty, at(mirror), logins=logins) as store:
            assert store.read(blob) == SMALL
        assert [request.headers.get("authorization") for request in mirror.requests] == [None]


def test_a_mirrors_tokens_are_for_what_it_says(faulty: FaultyRegistry) -> None:
    with FaultyRegistry(guard=Guard("token")) as mirror:
        blob = both(SMALL, faulty, mirror)
        with connect(faulty, at(mirror)) as store:
            assert store.read(blob) == SMALL
        assert mirror.guard.scopes == [f"repository:{NAME}:pull,push,delete"]
    assert downloads(faulty) == 0


def test_headers_are_not_carried_to_where_a_mirror_redirects(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with FaultyRegistry() as storage:
        blob = both(SMALL, faulty, storage)
        mirror.on("GET", BLOBS, effects.redirect(f"{storage.url}{{path}}"), times=None)
        secret = at(mirror, headers=(("Authorization", "Bearer secret"),))
        with connect(faulty, secret) as store:
            assert store.read(blob) == SMALL
        assert [request.headers.get("authorization") for request in storage.requests] == [None]
    assert [request.headers["authorization"] for request in mirror.requests] == ["Bearer secret"]
    assert downloads(faulty) == 0


def test_a_path_of_its_own(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    stored(mirror, SMALL, f"cache/{NAME}")
    with connect(faulty, at(mirror, url=f"{mirror.url}/v2/cache")) as store:
        assert store.read(blob) == SMALL
    assert downloads(faulty) == 0


def test_the_registry_itself_is_no_mirror(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with connect(faulty, at(faulty)) as store:
        store.read(blob)
    assert [dict(request.query) for request in faulty.requests] == [{}]


def test_tls_of_its_own(faulty: FaultyRegistry, authority: Authority) -> None:
    blob = stored(faulty, SMALL)
    with FaultyRegistry(tls=authority.context(client_required=True)) as mirror:
        stored(mirror, SMALL)
        known = TLS(authority.ca, authority.client, authority.client_key)
        with connect(faulty, at(mirror, tls=known), plain_http=True) as store:
            assert store.read(blob) == SMALL
        assert downloads(faulty) == 0
        # What identifies us to the registry is not shown to a mirror.
        with connect(faulty, at(mirror), plain_http=True, tls=known) as store:
            assert store.read(blob) == SMALL
    assert downloads(faulty) == 1


def test_through_a_proxy(faulty: FaultyRegistry, mirror: FaultyRegistry, proxy: Proxy) -> None:
    blob = both(SMALL, faulty, mirror)
    proxies = Proxies(http=proxy.proxy_url, no_proxy=(faulty.host,))
    with connect(faulty, at(mirror), proxies=proxies) as store:
        assert store.read(blob) == SMALL
    assert [(method, mirror.url in target) for method, target in proxy.requests] == [("GET", True)]
    with connect(faulty, at(mirror), proxies=replace(proxies, no_proxy=("127.0.0.1",))) as store:
        assert store.read(blob) == SMALL
    assert len(proxy.requests) == 1
    assert downloads(mirror) == 2


def test_looks_into_the_middle_ask_the_registry(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    """Nobody checks what they return."""
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror)) as store:
        assert store.read_at(blob, 3, 5) == SMALL[3:8]
    assert downloads(mirror) == 0


def test_without_mirrors_there_is_nobody_to_distrust(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with connect(faulty) as store:
        store.read(blob)
        assert not store.distrust(blob)
        assert not store.source(blob).distrust()
    assert not MemoryStore().distrust(blob)
    assert not VerifiedSource(BytesSource(SMALL), blob).distrust()


def test_a_size_that_only_the_mirror_promises_differently(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = both(SMALL, faulty, mirror)
    lie = Descriptor(blob.media_type, blob.digest, blob.size + 1)
    with connect(faulty, at(mirror)) as store, pytest.raises(SizeMismatch):
        store.read(lie)
    with connect(faulty, at(mirror)) as store:
        store.push(Descriptor.of(WEIGHTS, b"x"), BytesSource(b"x"))
        assert store.read(blob) == SMALL
