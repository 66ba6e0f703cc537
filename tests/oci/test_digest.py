from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InvalidDigest
from modelpack.oci import Digest, new_hasher

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_known_values() -> None:
    assert str(Digest.of(b"")) == EMPTY
    assert Digest.of(b"a", "sha512").hex == hashlib.sha512(b"a").hexdigest()
    assert Digest.parse(EMPTY) == Digest.of(b"")


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["sha256", "sha512"]))
def test_text_and_back(data: bytes, algorithm: str) -> None:
    digest = Digest.of(data, algorithm)
    hasher = new_hasher(algorithm)
    hasher.update(data)
    assert Digest.parse(str(digest)) == digest == Digest(algorithm, hasher.hexdigest())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a digest"),
        ("e3b0c442", "not a digest"),
        ("md5:" + "0" * 32, "algorithm 'md5' is not supported"),
        (":" + "0" * 64, "algorithm '' is not supported"),
        ("sha256:" + "0" * 63, "64 lower-case"),
        ("sha256:" + "0" * 65, "64 lower-case"),
        ("sha512:" + "0" * 64, "128 lower-case"),
        ("sha256:" + "A" * 64, "lower-case"),
        ("sha256:" + "0" * 63 + "\n", "lower-case"),
        ("sha256:" + "\N{ARABIC-INDIC DIGIT ZERO}" * 64, "lower-case"),
        ("sha256:../../" + "0" * 58, "lower-case"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidDigest, match=reason):
        Digest.parse(text)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_a_message_is_short_and_one_line(text: str) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000


def test_order_and_hash() -> None:
    assert Digest("sha256", "0" * 64) < Digest("sha256", "1" * 64) < Digest("sha512", "0" * 128)
    assert len({Digest.of(b""), Digest.parse(EMPTY)}) == 1
