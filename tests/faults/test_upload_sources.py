"""Content that is not what it should be, or comes from somewhere that fails, on its way to a registry."""

from __future__ import annotations

import io
import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelpack.errors import (
    DigestMismatch,
    NotFound,
    SizeMismatch,
    Unavailable,
)
from modelpack.oci import Descriptor
from modelpack.store import BytesSource, FileSource, Source, Stream, VerifiedSource
from modelpack.store.registry import upload
from tests.faults import FaultyRegistry, Reply, effects
from tests.faults.test_uploads import DATA, SESSION, Sent
from tests.store.clients import NAME, QUICK, connect, held, stored
from tests.store.content import WEIGHTS


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the small contents here go the way of large ones, unless a test is about small ones."""
    monkeypatch.setattr(upload, "SMALL", -1)


def test_wrong_content_never_becomes_visible(faulty: FaultyRegistry) -> None:
    sent = Sent()
    for wrong in (DATA[:-1] + b"x", DATA[:-1], DATA + b"x", b""):
        descriptor = Descriptor.of(WEIGHTS, DATA)
        with connect(faulty) as store, pytest.raises((DigestMismatch, SizeMismatch)):
            store.push(descriptor, VerifiedSource(BytesSource(wrong), descriptor, sent.counted.append))
        assert held(faulty, descriptor) is None
    assert sum(sent.counted) == 0
    assert all(len(request.body) < len(DATA) for request in faulty.requests)
    assert faulty.count("POST") == 4  # it is not tried again


def test_a_file_that_changes_while_it_is_sent(faulty: FaultyRegistry, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    source = FileSource.of(path)
    for content in (DATA[:-5], DATA + b"more"):
        path.write_bytes(content)
        with connect(faulty) as store, pytest.raises(SizeMismatch, match="changed while it was read"):
            store.ingest(WEIGHTS, source)
    path.unlink()
    with connect(faulty) as store, pytest.raises(NotFound, match="cannot read"):
        store.ingest(WEIGHTS, source)
    assert not faulty.repository(NAME).blobs
    assert faulty.count("POST") == 3


@pytest.mark.parametrize("way", ["whole", "pieces"])
def test_a_source_that_fails_is_not_the_uploads_fault(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyRegistry() as origin, FaultyRegistry() as faulty:
        blob = stored(origin, DATA)
        origin.on("GET", "/blobs/", effects.cut(0), times=None)
        if way == "pieces":
            faulty.on("PUT", "", effects.status(413))
            origin.on("GET", "/blobs/", lambda exchange: exchange.answer())
            origin._rules.reverse()
        with connect(origin) as source, connect(faulty) as target, pytest.raises(Unavailable, match="before the end"):
            target.push(blob, source.source(blob))
        assert origin.count("GET") == QUICK.retries + (way == "pieces")
        assert faulty.count("POST") == 1 + (way == "pieces")
        absent = Descriptor.of(WEIGHTS, b"absent")
        with connect(origin) as source, connect(faulty) as target, pytest.raises(NotFound):
            target.push(absent, source.source(absent))
        assert faulty.count("POST") == 2 + (way == "pieces")


def test_from_registry_to_registry_with_faults_at_both_ends(faulty: FaultyRegistry) -> None:
    with FaultyRegistry() as origin, connect(origin) as source, connect(faulty) as target:
        blob = stored(origin, DATA)
        origin.on("GET", "/blobs/", effects.cut(100_000, "reset"), times=3)
        faulty.on("PUT", SESSION, effects.hang_up(received=50_000))
        sent = Sent()
        target.push(blob, source.source(blob, sent.counted.append))
        assert held(faulty, blob) == DATA
        assert sum(sent.counted) == len(DATA)


def test_uploads_at_the_same_time(faulty: FaultyRegistry) -> None:
    contents = [random.Random(number).randbytes(30_000 + number) for number in range(24)]
    faulty.on("PUT", SESSION, effects.hang_up(received=1000), times=6)
    faulty.on("PUT", SESSION, effects.status(503), skip=10, times=6)
    with connect(faulty, retries=10) as store:
        threads = [threading.Thread(target=store.push_bytes, args=(WEIGHTS, data)) for data in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(faulty.repository(NAME).blobs.values()) == sorted(contents)


def test_a_manifest_whose_answer_is_lost_is_put_again(faulty: FaultyRegistry) -> None:
    from tests.store.content import push_model

    faulty.on("PUT", "/manifests/", effects.lost_answer())
    faulty.on("PUT", "/manifests/", effects.status(503), skip=1)
    with connect(faulty) as store:
        manifest = push_model(store)
        assert store.document(manifest.descriptor) == manifest
    assert faulty.count("PUT", "/manifests/") == 3


def test_a_source_is_opened_before_the_registry_waits(faulty: FaultyRegistry) -> None:
    order: list[str] = []

    @dataclass(slots=True)
    class Slow:
        size: int = 3

        def open(self, offset: int = 0) -> Stream:
            order.append("open")
            return io.BytesIO(b"abc"[offset:])

    def note(exchange: effects.Exchange) -> Reply:
        order.append("request")
        return exchange.answer()

    source: Source = Slow()
    faulty.on("PUT", SESSION, note)
    with connect(faulty) as store:
        store.push(Descriptor.of(WEIGHTS, b"abc"), source)
    assert order == ["open", "request"]


def test_small_content_of_unknown_digest_is_sent_at_once_and_only_if_it_is_not_there(
    faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "SMALL", 1 << 20)
    with connect(faulty) as store:
        first = store.ingest(WEIGHTS, BytesSource(b"small"))
        assert (faulty.count("POST"), faulty.count("PATCH"), faulty.count("PUT")) == (1, 0, 1)
        assert store.ingest(WEIGHTS, BytesSource(b"small")) == first
        assert faulty.count("POST") == 1
        assert store.read(first) == b"small"
