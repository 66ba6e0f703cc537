"""A flipped bit anywhere in certificates, revocation lists and time stamps: refused by an error of ours, or without effect."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, InputError, ModelPackError, VerificationError
from modelpack.trust.keys import Scheme
from modelpack.trust.seal import Circumstances, Form, Seal, Voucher
from modelpack.trust.x509 import (
    CertificateIdentity,
    RevocationList,
    Timestamp,
    check_revocation,
    load_certificates,
    parse_chain,
    verify_response,
)
from modelpack.trust.x509.cms import token_in
from tests.trust.x509.making import LEAF, NOW, Tsa, crl, intermediate, leaf, real_now, root, tsa

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
often = settings(deadline=None, max_examples=120, derandomize=True)

ROOT = root()
ISSUING = intermediate(ROOT)
SIGNER = leaf(LEAF, ISSUING)
SEAL = Seal(Form.DSSE, b"message", SIGNER.signer.sign(b"message", Scheme.ECDSA_SHA256), certificates=SIGNER.ders[:2])
LIST = crl(ISSUING, SIGNER)


def flipped(data: bytes, draw: st.DataObject) -> bytes:
    """One bit of it is another."""
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1), "place")] ^= 1 << draw.draw(st.integers(0, 7), "bit")
    return bytes(changed)


def judge(seal: Seal, top: bytes = ROOT.pem) -> Voucher:
    known = CertificateIdentity("acme", load_certificates(top), subject="CN=signer")
    return known.check(seal, Circumstances(NOW))


@given(st.data())
@often
def test_any_flipped_bit_of_a_chain_is_refused(draw: st.DataObject) -> None:
    which = draw.draw(st.integers(0, 1))
    ders = list(SEAL.certificates)
    ders[which] = flipped(ders[which], draw)
    with pytest.raises((VerificationError, DocumentError)):
        judge(replace(SEAL, certificates=tuple(ders)))


def check_root(changed: bytes) -> None:
    """Refused, or without effect: its issuer's name is of interest to nobody once it is trusted itself."""
    try:
        voucher = judge(SEAL, changed)
    except ModelPackError:
        return
    (found,) = load_certificates(changed)
    assert found == ROOT.certificate or found.issuer != ROOT.certificate.issuer
    assert voucher == judge(SEAL)


@given(st.data())
@often
def test_any_flipped_bit_of_a_root_is_refused_or_without_effect(draw: st.DataObject) -> None:
    check_root(flipped(ROOT.der, draw))


@given(st.data())
@often
def test_any_flipped_bit_of_a_pem_is_refused_or_without_effect(draw: st.DataObject) -> None:
    """Also in what stands outside of the blocks, or between the characters of base64."""
    check_root(flipped(ROOT.pem, draw))


@given(st.data())
@often
def test_any_flipped_bit_of_a_signature_or_message_is_refused(draw: st.DataObject) -> None:
    for changed in (
        replace(SEAL, signature=flipped(SEAL.signature, draw)),
        replace(SEAL, message=flipped(SEAL.message, draw)),
    ):
        with pytest.raises(VerificationError):
            judge(changed)


@given(st.data())
@often
def test_a_flipped_bit_of_a_revocation_list_makes_it_say_nothing(draw: st.DataObject) -> None:
    path = SIGNER.certificates
    with suppress(InputError):
        changed = RevocationList.load(flipped(LIST, draw))
        assert check_revocation(path, (changed,), NOW) == path[:2]


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: ROOT.der[:40] + data))
@often
def test_nothing_else_escapes_from_garbage(data: bytes) -> None:
    for read in (
        load_certificates,
        lambda raw: parse_chain([raw]),
        RevocationList.load,
        lambda raw: verify_response(raw, b"", (), now=NOW),
        lambda raw: load_certificates(b"-----BEGIN CERTIFICATE-----" + raw + b"-----END CERTIFICATE-----"),
    ):
        with pytest.raises((InputError, DocumentError)):
            read(data)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return tsa(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def response(authority: Tsa) -> bytes:
    return authority.respond(b"signature")


def test_any_flipped_bit_of_a_timestamp_is_refused_or_without_effect(authority: Tsa, response: bytes) -> None:
    """Without effect: in the status text, and in certificates that nobody needs."""
    top = (authority.stamper.chain[-1].certificate,)

    def verify(raw: bytes) -> Timestamp:
        return verify_response(raw, b"signature", top, now=real_now())

    sound = verify(response)
    token_at = len(response) - len(token_in(response))

    @given(st.data())
    @settings(deadline=None, max_examples=200, derandomize=True)
    def flip(draw: st.DataObject) -> None:
        changed = flipped(response, draw)
        try:
            assert verify(changed) == sound
        except (VerificationError, DocumentError):
            return
        assert changed[:token_at] != response[:token_at] or changed[token_at:] != response[token_at:]

    flip()
