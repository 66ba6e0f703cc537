"""Whatever is done to a bundle, it is refused, and with errors of our own tree."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, ModelPackError, VerificationError
from modelpack.trust.keyless import KeylessIdentity
from modelpack.trust.keyless.bundle import screen
from modelpack.trust.seal import Circumstances, Form, Seal
from tests.trust.keyless.authority import ALICE, ISSUER, STATEMENT, Instance, pae, seal_of
from tests.trust.keyless.rekor import Document

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))
INSTANCE = Instance.make()
ALICES = KeylessIdentity("alice", ALICE, ISSUER, INSTANCE.trusted_root())
GOOD = seal_of(INSTANCE.sign())
SIGNERS_NAME = re.compile(rb"\\u2014 [^ ]+ ")
"""Of a checkpoint's signature: the only text in a bundle that nothing signs and that nobody reads."""


def altered(raw: bytes) -> Seal:
    return Seal(GOOD.form, GOOD.message, GOOD.signature, logged=True, raw=raw)


def refused(raw: bytes) -> None:
    with pytest.raises((VerificationError, DocumentError)):
        ALICES.check(altered(raw), NOW)


def test_the_one_that_is_altered_here() -> None:
    assert ALICES.check(GOOD, NOW).identity == "alice"


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.integers(0, len(GOOD.raw) - 1), st.integers(1, 255))
def test_any_other_byte_anywhere(position: int, change: int) -> None:
    name = SIGNERS_NAME.search(GOOD.raw)
    assert name
    if name.start() + 6 <= position < name.end():
        return
    raw = bytearray(GOOD.raw)
    raw[position] ^= change
    refused(bytes(raw))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.integers(0, len(GOOD.raw)), st.integers(1, 40))
def test_anything_left_out(position: int, count: int) -> None:
    raw = GOOD.raw[:position] + GOOD.raw[position + count :]
    if raw != GOOD.raw and SIGNERS_NAME.sub(b"", raw) != SIGNERS_NAME.sub(b"", GOOD.raw):
        refused(raw)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.binary(max_size=200))
@example(b"")
@example(b"{}")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"\xff\xfe{}")
def test_garbage(raw: bytes) -> None:
    refused(raw)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, inner in items for place in places(inner, (*path, key))]


PLACES = places(json.loads(GOOD.raw))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.sampled_from(PLACES), VALUES)
def test_anything_else_in_any_place(place: tuple[str | int, ...], value: object) -> None:
    document = json.loads(GOOD.raw)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    if holder[place[-1]] == value:
        return
    holder[place[-1]] = value
    refused(json.dumps(document).encode())


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.sampled_from(PLACES))
def test_anything_missing(place: tuple[str | int, ...]) -> None:
    document = json.loads(GOOD.raw)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    del holder[place[-1]]
    refused(json.dumps(document).encode())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.binary(max_size=300))
def test_roots_of_garbage(root: bytes) -> None:
    with pytest.raises(ModelPackError):
        KeylessIdentity("alice", ALICE, ISSUER, root).check(GOOD, NOW)


def with_entry(change: Document) -> bytes:
    document = json.loads(GOOD.raw)
    document["verificationMaterial"]["tlogEntries"][0].update(change)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"logIndex": "+4"}, "a number in a string"),
        ({"logIndex": "٤"}, "a number in a string"),
        ({"logIndex": " 4"}, "a number in a string"),
        ({"logIndex": "4_0"}, "a number in a string"),
        ({"logIndex": "04"}, "a number in a string"),
        ({"logIndex": 4}, "a string is required"),
        ({"logIndex": "9" * 5000}, "a number in a string"),
        ({"integratedTime": "9" * 18}, "out of range"),
        ({"canonicalizedBody": "AA=="}, "does not hold"),
        ({"canonicalizedBody": "AB=="}, "base64 is required"),
        ({"canonicalizedBody": "A A="}, "base64 is required"),
        ({"canonicalizedBody": "A-A_"}, "base64 is required"),
        ({"canonicalizedBody": "ä"}, "base64 is required"),
        ({"canonicalized_body": "AA=="}, "not how protobuf spells it"),
        ({"inclusionProof": {"hashes": ["AA=="] * 65}}, "65 entries are more than the 64 allowed"),
        ({"inclusionProof": {"hashes": [["AB=="]]}}, "base64 is required"),
        ({"unknown": 1}, "cannot be read"),
    ],
)
def test_one_reading_only(change: Document, problem: str) -> None:
    with pytest.raises(ModelPackError, match=problem):
        ALICES.check(altered(with_entry(change)), NOW)


def test_a_member_in_two_spellings() -> None:
    raw = GOOD.raw.replace(b'"dsseEnvelope":', b'"dsse_envelope":{"payload":"AA=="},"dsseEnvelope":')
    with pytest.raises(DocumentError, match="not how protobuf spells it"):
        ALICES.check(altered(raw), NOW)


def test_many_entries_are_not_read() -> None:
    document = json.loads(GOOD.raw)
    document["verificationMaterial"]["tlogEntries"] *= 100
    with pytest.raises(DocumentError, match="100 entries"):
        screen(json.dumps(document).encode())


def test_a_timestamp_that_is_none() -> None:
    document = json.loads(GOOD.raw)
    document["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]}
    with pytest.raises(VerificationError, match="cannot be read: Invalid Timestamp"):
        ALICES.check(altered(json.dumps(document).encode()), NOW)


def test_an_empty_seal() -> None:
    with pytest.raises(DocumentError):
        ALICES.check(Seal(Form.DSSE, pae(STATEMENT), b"", logged=True), NOW)
