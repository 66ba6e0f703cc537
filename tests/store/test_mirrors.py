"""Mirrors that serve, lack, fail and stall: the registry answers for the rest."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import NotFound, Unavailable
from modelpack.oci import Descriptor
from modelpack.store import (
    TLS,
    Mirror,
    receive,
)
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import NAME, Recorder, stored
from tests.store.content import WEIGHTS, push_model
from tests.store.mirrored import BLOBS, LARGE, SMALL, at, both, connect, downloads


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


def test_a_mirror_is_not_asked_for_every_part_of_what_it_lacks(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with connect(faulty, at(mirror)) as store:
        for offset in range(0, 5000, 1000):
            stream = store.open_range(blob, offset, 1000)
            assert stream.readinto(memoryview(bytearray(1000))) == 1000
            stream.close()
    assert (downloads(mirror), downloads(faulty)) == (1, 5)


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
    assert downloads(mirror) <= 2  # while one connection is silent, another one is tried


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
    mirror.on("GET", BLOBS, effects.status(500))
    blob = Descriptor.of(WEIGHTS, SMALL)
    with connect(faulty, at(mirror)) as store:
        with pytest.raises(NotFound, match=faulty.host):
            store.read(blob)
        stored(faulty, SMALL)
        faulty.on("GET", BLOBS, effects.cut(10), times=None)
        with pytest.raises(Unavailable):
            store.read(blob)
    stored(mirror, SMALL)
    mirror.on("GET", BLOBS, effects.cut(5), times=None)
    with connect(faulty, at(mirror)) as store, pytest.raises(Unavailable):
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
