"""Rekor version 2 promises no time: a timestamp authority says when it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelpack.errors import BadSignature
from modelpack.trust.keyless import KeylessIdentity
from modelpack.trust.seal import Circumstances, Voucher
from tests.trust.keyless.authority import ALICE, ISSUER, STATEMENT, Instance, seal_of
from tests.trust.keyless.clock import Clock
from tests.trust.keyless.rekor import Document, b64

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock.make(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def timed(instance: Instance, clock: Clock) -> Instance:
    return instance.timed(clock.chain)


def stamped(document: Document, *stamps: bytes) -> Document:
    entries = [{"signedTimestamp": b64(stamp)} for stamp in stamps]
    document["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": entries}
    return document


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def check(document: Document, instance: Instance) -> Voucher:
    return KeylessIdentity("alice", ALICE, ISSUER, instance.trusted_root()).check(seal_of(document), NOW)


def test_a_timestamp_is_enough(timed: Instance, clock: Clock) -> None:
    before = now()
    document, signature = timed.sign_v2(at=before)
    time = check(stamped(document, clock.time(signature)), timed).time
    assert time is not None
    assert before <= time <= datetime.now(UTC)


def test_without_one(timed: Instance) -> None:
    document, _ = timed.sign_v2(at=now())
    with pytest.raises(BadSignature, match="inclusion promise or signed timestamp"):
        check(document, timed)
    with pytest.raises(BadSignature, match="inclusion promise or signed timestamp"):
        check(stamped(document), timed)


def test_a_timestamp_of_something_else(timed: Instance, clock: Clock) -> None:
    document, _ = timed.sign_v2(at=now())
    with pytest.raises(BadSignature, match="not enough sources of verified time"):
        check(stamped(document, clock.time(b"something else")), timed)


def test_a_clock_that_nobody_knows(timed: Instance, instance: Instance, clock: Clock, tmp_path: Path) -> None:
    document, signature = timed.sign_v2(at=now())
    stranger = Clock.make(tmp_path)
    with pytest.raises(BadSignature, match="not enough sources of verified time"):
        check(stamped(document, stranger.time(signature)), timed)
    with pytest.raises(BadSignature, match="no Timestamp Authorities"):
        check(stamped(document, clock.time(signature)), instance)


def test_a_timestamp_after_the_certificate(timed: Instance, clock: Clock) -> None:
    document, signature = timed.sign_v2(at=now() - timedelta(minutes=11))
    with pytest.raises(BadSignature, match="chain"):
        check(stamped(document, clock.time(signature)), timed)


def test_a_log_that_was_out_of_office(timed: Instance, clock: Clock) -> None:
    document, signature = timed.sign_v2(at=now())
    root = timed.root()
    root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2025-01-01T00:00:00Z"
    identity = KeylessIdentity("alice", ALICE, ISSUER, json.dumps(root).encode())
    with pytest.raises(BadSignature, match="no transparency log of the trusted root was in office"):
        identity.check(seal_of(stamped(document, clock.time(signature))), NOW)


def test_promise_and_timestamp(timed: Instance, clock: Clock) -> None:
    """As the public instance gives it. The log's time is the voucher's."""
    signed = now()
    document = timed.sign(claims=timed.claims(at=signed), at=signed)
    signature = seal_of(document).signature
    assert check(stamped(document, clock.time(signature)), timed).time == signed


def test_several_timestamps(timed: Instance, clock: Clock, tmp_path: Path) -> None:
    """Which of them was believed is not said: so neither is a time."""
    document, signature = timed.sign_v2(at=now())
    stamps = clock.time(signature), Clock.make(tmp_path).time(signature)
    assert check(stamped(document, *stamps), timed).time is None
    with pytest.raises(BadSignature, match="duplicate timestamp"):
        check(stamped(document, stamps[0], stamps[0]), timed)


def test_cve_2022_36056_an_entry_of_another_signature(timed: Instance, clock: Clock) -> None:
    at = now()
    (mine, signature), (other, _) = timed.sign_v2(at=at), timed.sign_v2(STATEMENT + b" ", at=at)
    mine["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    with pytest.raises(BadSignature, match="inconsistent"):
        check(stamped(mine, clock.time(signature)), timed)
