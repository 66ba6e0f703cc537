"""A flipped bit anywhere in an envelope: refused by an error of ours, or without effect on what is vouched for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, VerificationError
from modelpack.trust.notary import COSE, JWS, read
from modelpack.trust.seal import Circumstances
from tests.trust.notary.making import FORMS, SIGNER, TARGET, cose, identity, jws, make
from tests.trust.x509.making import NOW
from tests.trust.x509.test_flips import flipped

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
often = settings(deadline=None, max_examples=150, derandomize=True)

RAW = {JWS: jws(), COSE: cose()}
JUDGE = identity()
SOUND = JUDGE.check(read(JWS, RAW[JWS])[0], Circumstances(NOW))


@pytest.mark.parametrize("form", FORMS)
@given(draw=st.data())
@often
def test_any_flipped_bit_is_refused_or_without_effect(form: str, draw: st.DataObject) -> None:
    """Without effect: in the name of the program that signed, and in spaces."""
    try:
        seal, target = read(form, flipped(RAW[form], draw))
        voucher = JUDGE.check(seal, Circumstances(NOW))
    except (VerificationError, DocumentError):
        return
    assert voucher == SOUND
    assert target == TARGET
    assert seal.certificates == SIGNER.ders


@given(draw=st.data())
@often
def test_any_flipped_bit_of_what_counts_in_a_jws_is_refused(draw: st.DataObject) -> None:
    document = json.loads(RAW[JWS])
    member = draw.draw(st.sampled_from(["payload", "protected", "signature", "x5c"]))
    place = document["header"] if member == "x5c" else document
    text = place["x5c"][0] if member == "x5c" else place[member]
    index = draw.draw(st.integers(0, len(text) - 1))
    other = draw.draw(st.characters(codec="latin-1").filter(lambda character: character != text[index]))
    changed = text[:index] + other + text[index + 1 :]
    place[member] = [changed, *place["x5c"][1:]] if member == "x5c" else changed
    with pytest.raises((VerificationError, DocumentError)):
        JUDGE.check(read(JWS, json.dumps(document).encode())[0], Circumstances(NOW))


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary(max_size=100) | st.integers(0, 500).map(lambda end: RAW[JWS][:end]))
@often
def test_nothing_else_escapes_from_garbage(form: str, data: bytes) -> None:
    with pytest.raises(DocumentError):
        read(form, data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
@settings(often, max_examples=60)
def test_headers_of_any_shape(value: object) -> None:
    """Any value where another was expected, soundly signed."""
    for name in (1, 2, 3, "io.cncf.notary.signingTime", "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"):
        try:
            seal, _ = read(COSE, make(COSE, protected={name: value}))
            JUDGE.check(seal, Circumstances(NOW))
        except (VerificationError, DocumentError):
            continue
        assert name == "io.cncf.notary.signingScheme"
        assert value == "notary.x509"
