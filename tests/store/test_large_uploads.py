"""Uploads in pieces to a registry that misbehaves: what has arrived is not sent again, and wrong content never completes."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from modelpack.errors import (
    AccessDenied,
    DigestMismatch,
    ModelPackError,
    NotFound,
    RegistryError,
    SizeMismatch,
    StoreError,
    Unavailable,
)
from modelpack.oci import Descriptor
from modelpack.store import (
    BytesSource,
    FolderJournal,
    RegistryStore,
    VerifiedSource,
)
from modelpack.store.http import Origin
from modelpack.store.registry import pieces
from tests.faults import Exchange, FaultyRegistry, Features, Guard, Reply, effects, error
from tests.store.clients import NAME, QUICK, connect, stored
from tests.store.content import WEIGHTS, Flaky
from tests.store.sending import BLOB, DATA, PIECE, RANGES, SESSION, Sender, cut, file

pytestmark = pytest.mark.usefixtures("small_pieces")


# What works


@pytest.mark.parametrize("location", ["path", "url", "query"])
def test_pieces_arrive_in_order(location: str, tmp_path: Path) -> None:
    with FaultyRegistry(Features(location=location)) as faulty:  # type: ignore[arg-type]
        sender = Sender(faulty, FolderJournal(tmp_path / "uploads"))
        sender.push()
        assert sender.arrived()
        assert sender.ranges == RANGES
        assert sender.methods == "POST PATCH PATCH PATCH PATCH PATCH PUT"
        digest = sender.ingest(file(tmp_path, DATA + b"x")).digest
        assert digest == Descriptor.of(WEIGHTS, DATA + b"x").digest
        assert sender.arrived(Descriptor.of(WEIGHTS, DATA + b"x"))
    assert list((tmp_path / "uploads").iterdir()) == []


def test_small_content_goes_whole(sender: Sender) -> None:
    small = DATA[: PIECE - 1]
    sender.push(small, Descriptor.of(WEIGHTS, small))
    assert sender.methods == "POST PUT"


@pytest.mark.parametrize("host", ["1234.dkr.ecr.eu-west-1.amazonaws.com", "ghcr.io", "eu-docker.pkg.dev", "eu.gcr.io"])
def test_some_registries_are_known_to_want_it_whole(sender: Sender, host: str) -> None:
    with sender.store() as store:
        origin, client = store.registry.client.origin, store.registry.client
        client.origin = Origin("https", host, 443)
        known = RegistryStore(store.registry, NAME)
        client.origin = origin
        known.push(BLOB, BytesSource(DATA))
    assert sender.methods == "POST PUT"


# What breaks is taken up again


@pytest.mark.parametrize("keep", [0, 2, 12_345, PIECE])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_cut_piece_goes_on_at_the_reported_offset(sender: Sender, keep: int, skip: int) -> None:
    sender.faulty.on("PATCH", SESSION, cut(keep), skip=skip)
    sender.push()
    assert sender.arrived()
    assert int(sender.ranges[1 + skip].partition("-")[0]) == skip * PIECE + keep
    assert sender.faulty.count("POST") == 1
    assert len(sender.observe.notes) == 1


def test_a_cut_before_the_last_byte(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, cut(50_123), skip=4)
    sender.push()
    assert sender.arrived()
    assert sender.ranges == RANGES


def test_progress_starts_the_budget_anew(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, cut(30_000), times=14)
    sender.push()
    assert sender.arrived()
    assert len(sender.observe.notes) == 14 > QUICK.retries


def test_no_progress_ends_it(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, cut(0), skip=2, times=None)
    with pytest.raises(Unavailable, match="no answer from"):
        sender.push()
    assert sum(sender.counted) == 0
    assert sender.faulty.count("PATCH") == 2 + QUICK.retries
    assert sender.faulty.count("POST") == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_registry(sender: Sender, code: int) -> None:
    sender.faulty.on("PATCH", SESSION, effects.status(code, retry_after=0.01), times=2)
    sender.faulty.on("GET|PUT", SESSION, effects.status(code))
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 1


@pytest.mark.parametrize("break_off", ["push", "ingest"])
def test_the_next_process_goes_on(sender: Sender, tmp_path: Path, break_off: str) -> None:
    source = file(tmp_path)

    def send() -> None:
        if break_off == "push":
            sender.push(source)
        else:
            sender.ingest(source)

    sender.faulty.on("PATCH", SESSION, cut(777), skip=2)
    rule = sender.faulty.on("PATCH", SESSION, cut(0), skip=3, times=None)
    with pytest.raises(Unavailable):
        send()
    assert sum(sender.counted) == 0
    rule.times = 0
    before = len(sender.ranges)
    send()
    assert sender.arrived()
    begins = [int(piece.partition("-")[0]) for piece in sender.ranges[before:]]
    assert begins == [2 * PIECE + 777, 3 * PIECE + 777, 4 * PIECE + 777]
    assert sender.faulty.count("POST") == 1
    assert list((tmp_path / "uploads").iterdir()) == []


def test_the_next_process_only_names_what_is_complete(sender: Sender) -> None:
    rule = sender.faulty.on("PUT", SESSION, effects.status(503), times=None)
    with pytest.raises(Unavailable):
        sender.push()
    rule.times = 0
    sender.push()
    assert sender.arrived()
    assert sender.ranges == RANGES


def test_without_a_journal_the_next_process_begins_anew(faulty: FaultyRegistry) -> None:
    sender = Sender(faulty)
    rule = faulty.on("PATCH", SESSION, cut(0), skip=2, times=None)
    with pytest.raises(Unavailable):
        sender.push()
    rule.times = 0
    sender.push()
    assert sender.arrived()
    assert faulty.count("POST") == 2


def test_made_up_content_is_not_resumed_by_the_next_process(sender: Sender, tmp_path: Path) -> None:
    rule = sender.faulty.on("PATCH", SESSION, cut(0), skip=2, times=None)
    with pytest.raises(Unavailable):
        sender.ingest(BytesSource(DATA))
    assert not (tmp_path / "uploads").exists()
    rule.times = 0
    sender.ingest(BytesSource(DATA))
    assert sender.arrived()


# Registries that do not take pieces


@pytest.mark.parametrize("code", [400, 404, 405, 411, 413, 415, 416, 501])
def test_a_registry_that_wants_it_whole_is_asked_once(sender: Sender, code: int) -> None:
    sender.faulty.on("PATCH", "", effects.status(code), times=None)
    other = DATA + b"x"
    with sender.store() as store:
        store.push(BLOB, VerifiedSource(BytesSource(DATA), BLOB, sender.counted.append))
        assert sender.arrived()
        store.push(Descriptor.of(WEIGHTS, other), BytesSource(other))
    assert sender.methods in ("POST PATCH POST PUT POST PUT", "POST PATCH GET POST PATCH POST PUT POST PUT")
    assert len(sender.faulty.repository(NAME).blobs) == 2


@pytest.mark.parametrize("code", [401, 403, 422])
def test_other_refusals_are_final(sender: Sender, code: int) -> None:
    sender.faulty.on("PATCH", "", effects.status(code), times=None)
    with pytest.raises((AccessDenied, RegistryError), match=f"answered {code}"):
        sender.push()
    assert sender.methods == "POST PATCH"
    assert sum(sender.counted) == 0


def test_pieces_shrink_where_a_proxy_limits_them(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MIN_PIECE", 10_000)

    def limited(exchange: Exchange) -> Reply:
        if int(exchange.request.headers.get("content-length", "0")) > 60_000:
            return error(413, "SIZE_INVALID")
        return exchange.answer()

    sender.faulty.on("PATCH|PUT", SESSION, limited, times=None)
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 1
    assert {len(request.body) for request in sender.faulty.find("PATCH")} == {100_000, 50_000, 123}


# Naming it


def test_the_answer_to_the_put_is_lost(sender: Sender) -> None:
    sender.faulty.on("PUT", SESSION, effects.lost_answer())
    sender.push()
    assert sender.arrived()
    assert sender.methods.endswith("PATCH PUT PUT HEAD")


def test_a_put_that_never_gets_through(sender: Sender) -> None:
    sender.faulty.on("PUT", SESSION, effects.status(503), times=None)
    with pytest.raises(Unavailable, match="answered 503"):
        sender.push()
    assert sender.faulty.count("PUT") == QUICK.retries
    assert sum(sender.counted) == 0


# Content that is not what it should be


@pytest.mark.parametrize("wrong", [DATA[:-1] + b"x", DATA[:-1], DATA + b"x", DATA[:PIECE]])
def test_wrong_content_never_completes(sender: Sender, wrong: bytes) -> None:
    for _ in range(2):
        with pytest.raises((DigestMismatch, SizeMismatch)):
            sender.push(wrong)
    assert sum(sender.counted) == 0
    assert not sender.faulty.repository(NAME).blobs
    assert sender.faulty.count("PUT") == 0
    sender.push()
    assert sender.arrived()


@pytest.mark.parametrize(("content", "error"), [(DATA[:-5], SizeMismatch), (DATA + b"more", SizeMismatch)])
def test_a_file_that_changes_while_it_is_sent(
    sender: Sender, tmp_path: Path, content: bytes, error: type[ModelPackError]
) -> None:
    source = file(tmp_path)
    file(tmp_path, content)
    with pytest.raises(error, match="while it was sent"):
        sender.ingest(source)
    source.path.unlink()
    with pytest.raises(NotFound, match="cannot read"):
        sender.ingest(source)
    assert not sender.faulty.repository(NAME).blobs
    assert sum(sender.counted) == 0
    assert not sender.observe.notes


def test_a_source_that_fails_is_not_the_uploads_fault(sender: Sender) -> None:
    for breaks in ([PIECE + 5], [PIECE], [0]):
        with pytest.raises(Unavailable, match="the connection broke"):
            sender.push(Flaky(DATA, breaks))
    assert sum(sender.counted) == 0
    assert not sender.observe.notes
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 1


def test_an_observer_that_ends_it(sender: Sender) -> None:
    class Stop(Exception):
        pass

    passed = 0

    def stop(count: int) -> None:
        nonlocal passed
        passed += count
        if passed > 2 * PIECE and count > 0:
            passed -= count
            raise Stop

    with sender.store() as store, pytest.raises(Stop):
        store.push(BLOB, VerifiedSource(BytesSource(DATA), BLOB, stop))
    assert passed == 0
    sender.push()
    assert sender.arrived()


def test_one_request_brings_a_blob_from_another_registry(sender: Sender) -> None:
    with FaultyRegistry() as origin, connect(origin) as source:
        blob = stored(origin, DATA)
        sender.push(source.source(blob).source)
        assert sender.arrived()
        assert origin.count("GET") == 1
        origin.on("GET", "/blobs/", effects.cut(0), times=None)
        sender.faulty.repository(NAME).blobs.clear()
        with pytest.raises(StoreError):
            sender.push(source.source(blob).source)


def test_an_expired_token_between_two_pieces() -> None:
    with FaultyRegistry(guard=Guard("token", "robot", "secret")) as faulty:
        sender = Sender(faulty, login=("robot", "secret"))
        faulty.on("PATCH", SESSION, effects.expired_token(), skip=2)
        sender.push()
        assert sender.arrived()
        assert sender.ranges[2:4] == [RANGES[2]] * 2
        assert len(faulty.guard.scopes) == 2


def test_two_senders_of_the_same_content_do_not_share_a_session(sender: Sender) -> None:
    inner = replace(sender, counted=[])

    class Meanwhile(io.BytesIO):
        """While the first is at it, the second sends all of it."""

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            if self.tell() == 0:
                inner.push()
            return super().readinto(buffer)

    @dataclass(frozen=True, slots=True)
    class Slow:
        size: int = len(DATA)

        def open(self, offset: int = 0) -> io.BytesIO:
            return Meanwhile(DATA)

    sender.push(Slow())
    assert sender.arrived()
    assert inner.arrived()
    assert sender.faulty.count("POST") == 2
    assert not sender.faulty.repository(NAME).uploads
