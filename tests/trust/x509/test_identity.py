"""Signatures with certificates, as Sigstore bundles, OpenSSF Model Signing and cosign's first layout have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError, UntrustedIdentity
from modelpack.trust.keys import SIGNING, Scheme
from modelpack.trust.seal import Circumstances, Form, Identity, Seal, Voucher
from modelpack.trust.x509 import CertificateIdentity, load_crls
from tests.trust.x509.making import (
    AUTHORITY,
    DAY,
    LEAF,
    NOW,
    YEAR,
    Issued,
    Tsa,
    around,
    crl,
    intermediate,
    issue,
    leaf,
    real_now,
    root,
    tsa,
)

ROOT = root()
ISSUING = intermediate(ROOT)
MAIL = x509.RFC822Name("release@acme.example")
SIGNER = leaf(LEAF.with_(names=(MAIL, x509.DNSName("acme.example"))), ISSUING)
MESSAGE = b"what was signed"


def sealed(signer: Issued = SIGNER, *, scheme: Scheme | None = None, form: Form = Form.DSSE, **changes: Any) -> Seal:
    key = signer.signer
    signature = key.sign(MESSAGE, scheme or SIGNING[key.public_key.kind])
    return replace(Seal(form, MESSAGE, signature, certificates=signer.ders[:2]), **changes)


def identity(**changes: Any) -> CertificateIdentity:
    return CertificateIdentity("acme", (ROOT.certificate,), **{"subject": "O=acme, CN=signer", **changes})


def judge(seal: Seal, now: datetime = NOW, **changes: Any) -> Voucher:
    return identity(**changes).check(seal, Circumstances(now))


@pytest.mark.parametrize("form", [Form.DSSE, Form.SIMPLE])
@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa2048"])
def test_a_sound_signature(form: Form, kind: str) -> None:
    signer = leaf(LEAF, ISSUING, kind=kind)
    judged: Identity = identity()
    assert judged.check(sealed(signer, form=form), Circumstances(NOW)) == Voucher(
        "acme",
        "C=US, ST=WA, O=acme, CN=signer",
        signer.signer.public_key.fingerprint,
        None,
        ("revocation was not checked",),
    )


def test_the_chain_may_be_only_the_leaf_or_include_the_root() -> None:
    assert judge(sealed(certificates=SIGNER.ders))
    assert judge(sealed(certificates=SIGNER.ders[:1]), intermediates=(ISSUING.certificate,))
    with pytest.raises(UntrustedIdentity):
        judge(sealed(certificates=SIGNER.ders[:1]))


@pytest.mark.parametrize("san", ["release@acme.example", "email:release@acme.example", "acme.example"])
def test_alternative_names(san: str) -> None:
    assert judge(sealed(), subject="", san=san)
    assert judge(sealed(), san=san)


@pytest.mark.parametrize(
    "names",
    [
        {"subject": "O=acme, CN=somebody"},
        {"subject": "", "san": "RELEASE@acme.example"},
        {"subject": "", "san": "uri:release@acme.example"},
        {"subject": "", "san": "dns:release@acme.example"},
        {"subject": "", "san": "sub.acme.example"},
        {"subject": "CN=somebody", "san": "release@acme.example"},
        {"subject": "CN=signer", "san": "other@acme.example"},
    ],
)
def test_somebody_else_below_the_same_root(names: dict[str, Any]) -> None:
    with pytest.raises(UntrustedIdentity, match="signed by C=US, ST=WA, O=acme, CN=signer, not by"):
        judge(sealed(), **names)


def test_a_signer_without_a_subject_is_called_by_its_alternative_names() -> None:
    nameless = issue(x509.Name([]), ISSUING, LEAF.with_(names=(MAIL,)), number=3)
    assert judge(sealed(nameless), subject="", san="release@acme.example").signer == "email:'release@acme.example'"


def test_forms_of_others_and_keys_without_certificates() -> None:
    for seal in (sealed(form=Form.NOTARY), sealed(certificates=())):
        with pytest.raises(UntrustedIdentity, match="not signed with a certificate"):
            judge(seal)


def test_altered() -> None:
    for seal in (sealed(message=MESSAGE + b"!"), sealed(signature=b""), sealed(signature=b"\0" * 70)):
        with pytest.raises(BadSignature, match="does not match what was signed"):
            judge(seal)
    with pytest.raises(BadSignature, match="does not match"):
        judge(sealed(leaf(LEAF, ISSUING, kind="p384"), certificates=SIGNER.ders))
    with pytest.raises(DocumentError, match=r"certificate chain\[0\]"):
        judge(sealed(certificates=(b"x",)))


def test_rsa_pss_only_if_asked_for() -> None:
    seal = sealed(leaf(LEAF, ISSUING, kind="rsa2048"), scheme=Scheme.RSA_PSS_SHA256)
    assert judge(seal, pss=True)
    with pytest.raises(BadSignature):
        judge(seal)


def test_an_expired_leaf_is_refused_though_it_was_valid_when_it_was_issued() -> None:
    with pytest.raises(BadSignature, match="had expired"):
        judge(sealed(), NOW + 31 * DAY)
    with pytest.raises(BadSignature, match="not valid yet"):
        judge(sealed(), NOW - 31 * DAY)


def test_a_certificate_for_something_else_is_refused() -> None:
    with pytest.raises(BadSignature, match="also for something else"):
        judge(sealed(leaf(LEAF.with_(usage=("digital_signature", "key_agreement")), ISSUING)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": ""}, "would trust everybody"),
        ({"subject": "XX"}, "without a known type"),
        ({"san": "email:"}, "no alternative name"),
        ({"tsa_roots": (SIGNER.certificate,)}, "neither an authority nor self-signed"),
    ],
)
def test_identities_that_mean_nobody_or_everybody(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        identity(**changes)


def test_roots_are_needed() -> None:
    with pytest.raises(InputError, match="need a root"):
        CertificateIdentity("acme", (), subject="CN=x")
    with pytest.raises(InputError, match="neither an authority"):
        CertificateIdentity("acme", (SIGNER.certificate,), subject="CN=x")


def test_revocation() -> None:
    issuing, top = load_crls([crl(ISSUING), crl(ROOT)])
    assert judge(sealed(), crls=(issuing, top), require_revocation=True).remarks == ()
    assert judge(sealed(), crls=(issuing,)).remarks == (
        "revocation was not checked for C=US, ST=WA, O=acme, CN=issuing: no fresh list is about it",
    )
    with pytest.raises(CannotVerify, match="CN=issuing was revoked is not known"):
        judge(sealed(), crls=(issuing,), require_revocation=True)
    with pytest.raises(CannotVerify):
        judge(sealed(), require_revocation=True)
    with pytest.raises(BadSignature, match="was revoked"):
        judge(sealed(), crls=load_crls([crl(ISSUING, SIGNER)]))


class Stamped:
    """A signer that is valid today, a time stamp of today over its signature, and an authority."""

    def __init__(self, folder: Path) -> None:
        now = real_now()
        self.top = root(profile=around(now, AUTHORITY, 40 * DAY))
        self.issuing = intermediate(self.top, profile=around(now, AUTHORITY, 40 * DAY))
        self.signer = leaf(around(now, LEAF), self.issuing)
        self.tsa: Tsa = tsa(folder)
        self.seal = sealed(self.signer)
        self.response = self.tsa.respond(self.seal.signature)

    @property
    def clock(self) -> Issued:
        return self.tsa.stamper.chain[-1]

    def judge(self, *responses: bytes, later: int = 0, **changes: Any) -> Voucher:
        changes = {"subject": "CN=signer", "tsa_roots": (self.clock.certificate,), **changes}
        judged = CertificateIdentity("acme", (self.top.certificate,), **changes)
        return judged.check(replace(self.seal, timestamps=responses), Circumstances(real_now() + later * DAY))


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Stamped:
    return Stamped(tmp_path_factory.mktemp("tsa"))


def test_an_expired_chain_is_rescued_by_a_timestamp(stamped: Stamped) -> None:
    """Ten years later signer, issuer, root and time stamping authority have all expired."""
    voucher = stamped.judge(stamped.response, later=3650)
    assert voucher.time is not None
    assert abs(voucher.time - real_now()) < DAY
    with pytest.raises(BadSignature, match="had expired"):
        stamped.judge(later=3650)


def test_ca_expired_before_the_timestamp_is_refused(stamped: Stamped) -> None:
    now = real_now()
    issuing = intermediate(stamped.top, profile=AUTHORITY.with_(begin=now - YEAR, end=now - DAY))
    signer = leaf(around(now, LEAF), issuing)
    seal = sealed(signer, timestamps=(stamped.tsa.respond(sealed(signer).signature),))
    seal = replace(seal, timestamps=(stamped.tsa.respond(seal.signature),))
    judged = CertificateIdentity(
        "acme", (stamped.top.certificate,), subject="CN=signer", tsa_roots=(stamped.clock.certificate,)
    )
    with pytest.raises(BadSignature, match="CN=issuing had expired"):
        judged.check(seal, Circumstances(now))


def test_a_timestamp_over_another_signature_does_not_rescue(stamped: Stamped) -> None:
    other = stamped.tsa.respond(b"another signature")
    with pytest.raises(BadSignature, match="about another signature"):
        stamped.judge(other, later=100)
    assert stamped.judge(other, stamped.response, later=100).time


def test_a_timestamp_by_somebody_else_counts_for_nothing(stamped: Stamped, tmp_path: Path) -> None:
    other = tsa(tmp_path / "other").respond(stamped.seal.signature)
    wrong = root("tsa root", around(real_now(), AUTHORITY), number=98)
    voucher = stamped.judge(other, tsa_roots=(wrong.certificate,))
    assert voucher.time is None
    assert "its timestamp was not used: it is by an authority that is not trusted" in voucher.remarks
    with pytest.raises(BadSignature, match="had expired"):
        stamped.judge(other, later=100, tsa_roots=(wrong.certificate,))


def test_without_an_authority_timestamps_are_not_used_and_the_voucher_says_so(stamped: Stamped) -> None:
    voucher = stamped.judge(stamped.response, tsa_roots=())
    assert voucher.time is None
    assert "its timestamp was not used: no authority is trusted for time" in voucher.remarks
    with pytest.raises(BadSignature, match="had expired"):
        stamped.judge(stamped.response, later=100, tsa_roots=())


def test_a_revoked_authority_for_time(stamped: Stamped) -> None:
    """CVE-2024-56138: notation once forgot to look."""
    now = real_now()
    lists = load_crls(
        crl(issuer, *revoked, issued=now - DAY, expires=now + DAY)
        for issuer, revoked in ((stamped.issuing, ()), (stamped.top, ()), (stamped.clock, (stamped.tsa.stamper,)))
    )
    with pytest.raises(BadSignature, match="CN=tsa was revoked"):
        stamped.judge(stamped.response, crls=lists)
    with pytest.raises(CannotVerify, match="CN=tsa was revoked is not known"):
        stamped.judge(stamped.response, crls=lists[:2], require_revocation=True)
