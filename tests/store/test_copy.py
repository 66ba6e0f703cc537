"""Graphs from store to store: bytes stay the same, what is there is not sent, failures count for nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from modelpack.errors import DigestMismatch, DocumentError, NotFound, StoreError, Unavailable
from modelpack.oci import Descriptor, Index, Manifest
from modelpack.oci.mediatypes import FILEPATH, OCI_INDEX, OCI_MANIFEST
from modelpack.store import BytesSource, Event, RegistryStore, Store, copy
from modelpack.store import copy as copy_function
from modelpack.store.memory import MemoryStore
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import QUICK, Recorder, connect
from tests.store.content import WEIGHTS, push_model


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def target(faulty: FaultyRegistry) -> Iterator[RegistryStore]:
    with connect(faulty) as store:
        yield store


def push_index(store: Store, *parts: Descriptor) -> Descriptor:
    index = Index.build(parts)
    store.push(index.descriptor, BytesSource(index.raw))
    return index.descriptor


def test_a_model_there_and_back(memory: MemoryStore, target: RegistryStore) -> None:
    manifest = push_model(memory, b"weights" * 1000)
    done = copy(memory, manifest.descriptor, target, names=("v1", "latest"))
    assert (done.descriptor, done.sent, done.mounted, done.existing) == (manifest.descriptor, 7002, 0, 0)
    assert target.tags() == ("latest", "v1")
    back = MemoryStore()
    copy(target, target.resolve("v1"), back, names=("local",))
    assert back.document(back.resolve("local")) == manifest
    assert back.read(manifest.layers[0]) == b"weights" * 1000


def test_the_root_comes_last(memory: MemoryStore, target: RegistryStore, faulty: FaultyRegistry) -> None:
    parts = [push_model(memory, data).descriptor for data in (b"a", b"b")]
    copy(memory, push_index(memory, *parts), target, names=("all",))
    written = [request for request in faulty.requests if request.method == "PUT"]
    kinds = ["blob" if "/blobs/" in request.path else request.headers["content-type"] for request in written]
    assert kinds == ["blob"] * 3 + [OCI_MANIFEST, OCI_MANIFEST, OCI_INDEX, OCI_INDEX]
    assert written[-1].path.endswith("/all")


def test_what_is_there_is_not_sent(memory: MemoryStore, target: RegistryStore, faulty: FaultyRegistry) -> None:
    manifest = push_model(memory)
    copy(memory, manifest.descriptor, target)
    before = faulty.count("POST|PUT|PATCH")
    observe = Recorder()
    done = copy(memory, manifest.descriptor, target, observe=observe)
    assert (done.sent, done.existing) == (0, 9)
    assert faulty.count("POST|PUT|PATCH") == before
    assert sorted(observe.actions) == ["exists", "exists", "plan"]


def test_siblings_share_blobs(faulty: FaultyRegistry) -> None:
    with connect(faulty, "models/one") as one:
        two = RegistryStore(one.registry, "models/two")
        manifest = push_model(one)
        observe = Recorder()
        done = copy(one, manifest.descriptor, two, observe=observe)
        assert (done.sent, done.mounted) == (0, 9)
        assert observe.actions.count("mounted") == 2
        assert faulty.count("GET", "/blobs/") == 0
        same = copy(two, manifest.descriptor, two)
        assert (same.mounted, same.existing) == (0, 9)


def test_siblings_that_may_not_share_send() -> None:
    with FaultyRegistry(Features(mount=False)) as faulty, connect(faulty, "models/one") as one:
        two = RegistryStore(one.registry, "models/two")
        assert copy(one, push_model(one).descriptor, two).sent == 9


def test_strangers_do_not_share(faulty: FaultyRegistry, target: RegistryStore) -> None:
    with FaultyRegistry() as other, connect(other, "models/other") as source:
        assert copy(source, push_model(source).descriptor, target).sent == 9
    assert all("mount" not in request.query for request in faulty.requests)


def test_what_an_observer_sees(memory: MemoryStore, target: RegistryStore) -> None:
    layer = memory.push_bytes(WEIGHTS, b"w" * 600_000).annotated(**{FILEPATH: "model/weights.bin"})
    config = memory.push_bytes("application/json", b"{}")
    manifest = Manifest.build(artifact_type="a/b", config=config, layers=(layer,))
    memory.push(manifest.descriptor, BytesSource(manifest.raw))
    observe = Recorder()
    copy(memory, manifest.descriptor, target, observe=observe, jobs=1)
    assert observe.events[0] == Event("plan", "", 600_002)
    weights = [event for event in observe.events if event.name == "model/weights.bin"]
    assert [event.action for event in weights] == ["begin", "bytes", "end"]
    assert sum(event.count for event in weights) == 600_000
    assert {event.total for event in weights} == {600_000}


def test_failed_attempts_count_for_nothing(memory: MemoryStore, faulty: FaultyRegistry) -> None:
    observe = Recorder()
    manifest = push_model(memory, b"w" * 600_000)
    faulty.on("PUT", "/uploads/", effects.hang_up(received=100_000), times=2)
    faulty.on("PUT", "/uploads/", effects.status(503), skip=2)
    with connect(faulty, retries=6) as store:
        copy(memory, manifest.descriptor, store, observe=observe, jobs=1)
    assert observe.passed == 600_002


@pytest.mark.parametrize("jobs", [0, 1, 3, 100])
def test_many_layers(memory: MemoryStore, target: RegistryStore, faulty: FaultyRegistry, jobs: int) -> None:
    layers = tuple(memory.push_bytes(WEIGHTS, b"%d" % number) for number in range(50))
    config = memory.push_bytes("application/json", b"{}")
    manifest = Manifest.build(artifact_type="a/b", config=config, layers=layers * 2)
    memory.push(manifest.descriptor, BytesSource(manifest.raw))
    done = copy(memory, manifest.descriptor, target, jobs=jobs)
    assert done.sent == 2 + sum(layer.size for layer in layers)
    assert faulty.count("PUT", "/uploads/") == 51  # each once
    assert copy(target, manifest.descriptor, MemoryStore(), jobs=jobs).sent == done.sent


def test_an_error_ends_it_all(memory: MemoryStore, faulty: FaultyRegistry) -> None:
    manifest = push_model(memory)
    faulty.on("PUT", "/uploads/", effects.status(400), times=None)
    with connect(faulty) as store, pytest.raises(StoreError, match="answered 400"):
        copy(memory, manifest.descriptor, store, names=("v1",))
    assert faulty.repository("models/tiny").manifests == {}


def test_content_that_is_damaged_or_missing_in_the_source(faulty: FaultyRegistry, target: RegistryStore) -> None:
    with FaultyRegistry() as other, connect(other) as source:
        manifest = push_model(source)
        blobs = other.repository("models/tiny").blobs
        blobs[str(manifest.layers[0].digest)] = b"wEights"
        with pytest.raises(DigestMismatch):
            copy(source, manifest.descriptor, target)
        del blobs[str(manifest.layers[0].digest)]
        with pytest.raises(NotFound):
            copy(source, manifest.descriptor, target)
    with pytest.raises(NotFound):
        target.document(manifest.descriptor)


def test_what_still_moves_stops_when_the_copy_has_failed(memory: MemoryStore) -> None:
    ended: list[BaseException] = []
    fast_failed = threading.Event()
    finished = threading.Event()

    class Target(MemoryStore):
        def _push(self, descriptor: Descriptor, source: object) -> None:
            if descriptor.size == 7:
                fast_failed.set()
                raise Unavailable("broken")
            fast_failed.wait(5)
            time.sleep(0.1)
            try:
                with source.open() as reader:  # type: ignore[attr-defined]
                    reader.read()
            except BaseException as error:
                ended.append(error)
                raise
            finally:
                finished.set()

    manifest = push_model(memory)
    observe = Recorder()
    with pytest.raises(Unavailable, match="broken"):
        copy(memory, manifest.descriptor, Target(), jobs=2, observe=observe)
    assert finished.wait(5)
    assert [str(error) for error in ended] == ["the copy has ended"]
    assert observe.passed == 0


@pytest.mark.parametrize("jobs", [1, 4])
def test_an_observer_that_raises_ends_it(memory: MemoryStore, target: RegistryStore, jobs: int) -> None:
    def stop(event: Event) -> None:
        if event.action == "bytes":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(memory, push_model(memory).descriptor, target, jobs=jobs, observe=stop)


# Indexes


def test_indexes_may_be_nested_a_little(memory: MemoryStore) -> None:
    root = push_model(memory).descriptor
    for _ in range(4):
        root = push_index(memory, root)
    target = MemoryStore()
    copy(memory, root, target)
    assert isinstance(target.document(root), Index)
    with pytest.raises(DocumentError, match="nested deeper than 4"):
        copy(memory, push_index(memory, root), target)


def test_an_index_of_the_same_again_and_again_is_read_once(memory: MemoryStore) -> None:
    """Each level names the one below a thousand times: a thousand to the fourth visits, if each were walked."""
    root = push_model(memory).descriptor
    for _ in range(4):
        root = push_index(memory, *[root] * 1000)
    begun = time.monotonic()
    copy(memory, root, MemoryStore())
    assert time.monotonic() - begun < 10


def test_an_index_has_only_so_many_documents(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["modelpack.store.graphs.copy"], "MAX_DOCUMENTS", 5)
    parts = [push_model(memory, b"%d" % number).descriptor for number in range(5)]
    assert copy(memory, push_index(memory, *parts[:4]), MemoryStore()).sent == 6
    with pytest.raises(DocumentError, match="more than 5 documents"):
        copy(memory, push_index(memory, *parts), MemoryStore())


def test_entries_of_an_unknown_kind_stay_in_the_index(memory: MemoryStore) -> None:
    model = push_model(memory).descriptor
    root = push_index(memory, model, Descriptor.of("application/vnd.unknown", b"x"))
    target = MemoryStore()
    copy(memory, root, target)
    assert target.exists(model)


@pytest.mark.parametrize("referrers", [True, False])
def test_something_attached_stays_attached(
    memory: MemoryStore, referrers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelpack.store.registry.referrers._SETTLE", 0.01)
    model = push_model(memory)
    signature = push_model(memory, b"s", model.descriptor, "application/vnd.signature")
    with FaultyRegistry(Features(referrers=referrers)) as faulty, connect(faulty) as target:
        copy(memory, model.descriptor, target)
        # An earlier run was cut off between the manifest and the tag that makes it findable.
        rule = faulty.on("PUT", "/manifests/sha256-", effects.status(400), times=None)
        try:
            copy(memory, signature.descriptor, target)
        except StoreError:
            assert not referrers
        rule.times = rule.seen
        copy(memory, signature.descriptor, target)
        assert [entry.digest for entry in target.referrers(model.descriptor)] == [signature.descriptor.digest]


def test_registries_with_faults_at_both_ends(faulty: FaultyRegistry) -> None:
    with FaultyRegistry() as other, connect(other, retries=8) as source, connect(faulty, retries=8) as target:
        layers = tuple(source.push_bytes(WEIGHTS, b"%d" % n * 20_000) for n in range(20))
        config = source.push_bytes("application/json", b"{}")
        manifest = Manifest.build(artifact_type="a/b", config=config, layers=layers)
        source.push(manifest.descriptor, BytesSource(manifest.raw))
        source.tag(manifest.descriptor, "v1")
        other.on("GET", "/blobs/", effects.cut(30_000, "reset"), times=4)
        other.on("GET", "/blobs/", effects.status(503), skip=6, times=3)
        faulty.on("PUT", "/uploads/", effects.hang_up(received=10_000), times=4)
        faulty.on("HEAD", "", effects.status(500), times=3)
        faulty.on("PUT", "/manifests/", effects.lost_answer())
        observe = Recorder()
        done = copy_function(source, source.resolve("v1"), target, names=("v1",), observe=observe)
        assert target.resolve("v1") == manifest.descriptor
        assert done.sent == observe.passed == sum(blob.size for blob in manifest.blobs)
        assert QUICK.retries < 8
