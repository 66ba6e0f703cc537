"""Mirrors that deliver something else: what comes is right all the same, and they are not asked again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, SizeMismatch
from modelpack.oci import Descriptor
from modelpack.store import (
    BytesSource,
    LayoutStore,
    MemoryStore,
    VerifiedSource,
    copy,
    receive,
)
from modelpack.unpack import unpack
from tests.faults import FaultyRegistry, effects
from tests.store.clients import NAME, Recorder, held, stored
from tests.store.content import WEIGHTS, push_model
from tests.store.mirrored import BLOBS, LARGE, SMALL, at, both, connect, downloads
from tests.unpack.models import archive, compress, model, tar_of

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


def test_looks_into_the_middle_ask_the_registry(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    """Nobody checks what they return."""
    blob = both(SMALL, faulty, mirror)
    with connect(faulty, at(mirror)) as store:
        assert store.read_at(blob, 3, 5) == SMALL[3:8]
    assert downloads(mirror) == 0
