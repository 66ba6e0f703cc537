"""Writing to a registry that misbehaves: the right bytes arrive, once, or an error says why not."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelpack.errors import (
    AccessDenied,
    NotFound,
    RegistryError,
    StoreError,
    Unavailable,
    UnsupportedFormat,
)
from modelpack.oci import Descriptor
from modelpack.store import BytesSource, RegistryStore, Stream, VerifiedSource
from modelpack.store.registry import large, upload
from tests.faults import FaultyRegistry, Features, Reply, effects, error
from tests.store.clients import NAME, QUICK, Recorder, connect, held
from tests.store.content import WEIGHTS


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the small contents here go the way of large ones, unless a test is about small ones."""
    monkeypatch.setattr(upload, "SMALL", -1)


DATA = random.Random(2).randbytes(700_001)
SESSION = "/uploads/."


@dataclass(slots=True)
class Unsized:
    """Content whose length only reading tells."""

    data: bytes
    size: None = None
    opened: int = 0

    def open(self, offset: int = 0) -> Stream:
        self.opened += 1
        return io.BytesIO(self.data[offset:])


@dataclass(slots=True)
class Sent:
    """What one way of sending did."""

    counted: list[int] = field(default_factory=list)

    def push(self, store: RegistryStore, data: bytes = DATA) -> Descriptor:
        descriptor = Descriptor.of(WEIGHTS, data)
        store.push(descriptor, VerifiedSource(BytesSource(data), descriptor, self.counted.append))
        return descriptor

    def ingest(self, store: RegistryStore, data: bytes = DATA) -> Descriptor:
        return store.ingest(WEIGHTS, BytesSource(data), self.counted.append)

    def unsized(self, store: RegistryStore, data: bytes = DATA) -> Descriptor:
        return store.ingest(WEIGHTS, Unsized(data), self.counted.append)

    def by(self, way: str, store: RegistryStore, data: bytes = DATA) -> Descriptor:
        return {"push": self.push, "ingest": self.ingest, "unsized": self.unsized}[way](store, data)


WAYS = ["push", "ingest", "unsized"]


@pytest.mark.parametrize("location", ["path", "url", "query"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", [DATA, b"", b"x"], ids=["large", "empty", "small"])
def test_it_arrives(way: str, location: Any, data: bytes) -> None:
    sent = Sent()
    with FaultyRegistry(Features(location=location)) as faulty, connect(faulty) as store:
        descriptor = sent.by(way, store, data)
        assert descriptor == Descriptor.of(WEIGHTS, data)
        assert held(faulty, descriptor) == data
        assert [request.method for request in faulty.requests] == {
            "push": ["POST", "PUT"],
            "ingest": ["POST", "PATCH", "PUT"],
            "unsized": ["POST", *["PATCH"] * bool(data), "PUT"],
        }[way]
        assert not faulty.repository(NAME).uploads
    assert sum(sent.counted) == len(data)


def test_content_of_unknown_length_goes_in_pieces(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PIECE", 300_000)
    with connect(faulty) as store:
        descriptor = Sent().unsized(store)
    assert held(faulty, descriptor) == DATA
    pieces = [request.headers["content-range"] for request in faulty.find("PATCH")]
    assert pieces == ["0-299999", "300000-599999", "600000-700000"]


FAULTS: dict[str, tuple[effects.Fault, str]] = {
    "reset before the body": (effects.hang_up(), SESSION),
    "reset in the body": (effects.hang_up(received=100_000), SESSION),
    "closed in the body": (effects.hang_up(received=100_000, reset=False), SESSION),
    "500": (effects.status(500), SESSION),
    "503 with a wait": (effects.status(503, retry_after=0.05), SESSION),
    "429": (effects.status(429), SESSION),
    "the session is lost": (effects.status(404), SESSION),
    "the answer is lost": (effects.lost_answer(), SESSION),
    "no answer": (effects.silence(), SESSION),
    "no session": (effects.status(503), "/uploads/$"),
    "the session's answer is lost": (effects.lost_answer(), "/uploads/$"),
}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAULTS)
def test_what_breaks_is_sent_again(faulty: FaultyRegistry, name: str, way: str, method: str) -> None:
    fault, path = FAULTS[name]
    rule = faulty.on("POST" if path.endswith("$") else method, path, fault)
    sent = Sent()
    observe = Recorder()
    with connect(faulty, observe=observe, read_timeout=0.3) as store:
        descriptor = sent.by(way, store)
    assert held(faulty, descriptor) == DATA
    assert sum(sent.counted) == len(DATA)
    happened = bool(rule.fired)
    assert happened == (not (way == "push" and rule.method == "PATCH"))
    # An empty request on a connection that died in the pool goes out again without a word.
    silent = rule.method == "POST" or (way != "push" and method == "PUT")
    assert len(observe.notes) == happened or (silent and not observe.notes)


@pytest.mark.parametrize("way", WAYS)
def test_two_faults_in_a_row(faulty: FaultyRegistry, way: str) -> None:
    faulty.on("PUT|PATCH", SESSION, effects.hang_up(received=100_000), times=2)
    sent = Sent()
    with connect(faulty) as store:
        assert held(faulty, sent.by(way, store)) == DATA
    assert sum(sent.counted) == len(DATA)
    assert faulty.count("POST") == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_registry_that_always_breaks_off(faulty: FaultyRegistry, way: str) -> None:
    faulty.on("PUT|PATCH", SESSION, effects.hang_up(received=100_000), times=None)
    sent = Sent()
    with connect(faulty) as store, pytest.raises(Unavailable, match="no answer from"):
        sent.by(way, store)
    assert faulty.count("POST") == QUICK.retries  # retries do not multiply
    assert sum(sent.counted) == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_registry_that_opens_no_session(faulty: FaultyRegistry, way: str) -> None:
    faulty.on("POST", "", effects.status(503), times=None)
    with connect(faulty) as store, pytest.raises(Unavailable, match="answered 503"):
        Sent().by(way, store)
    assert faulty.count("POST") == QUICK.retries


@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_is_lost_twice(faulty: FaultyRegistry, way: str) -> None:
    faulty.on("PUT|PATCH", SESSION, effects.status(404), times=None)
    with connect(faulty) as store, pytest.raises(NotFound):
        Sent().by(way, store)
    assert faulty.count("POST") == 2


@pytest.mark.parametrize(("code", "kind"), [(401, AccessDenied), (403, AccessDenied), (422, RegistryError)])
@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_is_final(faulty: FaultyRegistry, way: str, code: int, kind: type[StoreError]) -> None:
    faulty.on("PUT|PATCH", SESSION, effects.status(code), times=None)
    sent = Sent()
    with connect(faulty) as store, pytest.raises(kind, match=f"answered {code}"):
        sent.by(way, store)
    assert faulty.count("POST") == 1
    assert sum(sent.counted) == 0


def test_what_arrived_is_not_sent_again_when_only_the_answer_was_lost(faulty: FaultyRegistry) -> None:
    faulty.on("PUT", SESSION, effects.lost_answer())
    faulty.on("PUT", SESSION, effects.lost_answer(), skip=1)
    with connect(faulty) as store:
        assert held(faulty, Sent().push(store)) == DATA
        assert held(faulty, Sent().ingest(store, DATA + b"x")) == DATA + b"x"
    assert [request.method for request in faulty.requests] == [
        "POST",
        "PUT",
        "HEAD",
        "POST",
        "PATCH",
        "PUT",
        "PUT",
        "HEAD",
    ]


def test_an_answer_of_success_to_half_a_body(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "SMALLEST", 1 << 30)

    def hasty(exchange: effects.Exchange) -> Reply:
        exchange.incoming.discard(1)
        return Reply(201, ending="reset")

    rule = faulty.on("PUT", SESSION, hasty)
    with connect(faulty) as store:
        assert held(faulty, Sent().push(store, DATA * 20)) == DATA * 20
    assert rule.fired == 1


# Registries that cannot do everything


@pytest.mark.parametrize("way", ["ingest", "unsized"])
@pytest.mark.parametrize("code", [400, 405, 411, 413, 415, 416, 501])
def test_a_registry_without_patch(faulty: FaultyRegistry, way: str, code: int) -> None:
    faulty.on("PATCH", "", effects.status(code), times=None)
    sent = Sent()
    with connect(faulty) as store:
        descriptor = sent.by(way, store)
    assert held(faulty, descriptor) == DATA
    assert [request.method for request in faulty.requests] == ["POST", "PATCH", "POST", "PUT"]
    assert sum(sent.counted) == len(DATA)


def test_a_registry_that_wants_chunks_declared() -> None:
    with FaultyRegistry(Features(content_length=True)) as faulty, connect(faulty) as store:
        for way in ("ingest", "unsized"):
            assert held(faulty, Sent().by(way, store)) == DATA


def test_a_registry_that_takes_no_large_body(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(exchange: effects.Exchange) -> Reply:
        if int(exchange.request.headers.get("content-length", "0")) > 300_000:
            return error(413, "SIZE_INVALID")
        return exchange.answer()

    faulty.on("PUT|PATCH", "", limited, times=None)
    monkeypatch.setattr(upload, "PIECE", 300_000)
    sent = Sent()
    with connect(faulty) as store:
        assert held(faulty, sent.push(store)) == DATA
        assert sum(sent.counted) == len(DATA)
        assert faulty.count("PATCH") == 3
    monkeypatch.setattr(upload, "PIECE", 400_000)
    with connect(faulty) as store, pytest.raises(RegistryError, match="answered 413"):
        sent.push(store, DATA + b"x")
    assert sum(sent.counted) == len(DATA)


def test_a_lost_piece_means_the_whole_upload_again(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PIECE", 300_000)
    faulty.on("PATCH", "", effects.lost_answer(), skip=1)
    sent = Sent()
    with connect(faulty) as store:
        assert held(faulty, sent.unsized(store)) == DATA
    assert sum(sent.counted) == len(DATA)
    assert faulty.count("POST") == 2


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://evil.example/x", "may not: http://evil.example:80$"),
        ("//evil.example/x", "may not: http://evil.example:80$"),
        ("https://127.0.0.1/x", "may not: https://127.0.0.1:443$"),
        ("http://[::1/", "no URL"),
        ("ftp://127.0.0.1/", "no URL"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_an_upload_stays_on_the_registrys_host(faulty: FaultyRegistry, way: str, location: str, message: str) -> None:
    faulty.on("POST", "", effects.header("Location", location))
    with connect(faulty) as store, pytest.raises(UnsupportedFormat, match=message):
        Sent().by(way, store)


def test_a_location_in_absence(faulty: FaultyRegistry) -> None:
    faulty.on("POST", "", effects.reply(202), times=None)
    with connect(faulty) as store, pytest.raises(NotFound):
        Sent().push(store)


def test_an_expired_session_location_keeps_its_query() -> None:
    with FaultyRegistry(Features(location="query")) as faulty, connect(faulty) as store:
        Sent().ingest(store)
        put = faulty.find("PUT")[0]
        assert set(put.query) == {"_state", "digest"}
