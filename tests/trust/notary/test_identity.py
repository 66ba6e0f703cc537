"""Whom a policy trusts: levels, stores, identities, times, revocation."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError, UntrustedIdentity
from modelpack.trust.notary import JWS, NotaryIdentity, TrustPolicy, read, sign
from modelpack.trust.notary.truststore import Given
from modelpack.trust.seal import Circumstances, Identity
from modelpack.trust.x509 import load_crls
from modelpack.trust.x509.cms import token_in
from tests.trust.notary.making import (
    ABSENT,
    FORMS,
    ISSUING,
    PREFIX,
    ROOT,
    SIGNER,
    TARGET,
    critical,
    identity,
    judge,
    jws,
    make,
    time,
)
from tests.trust.notary.notation import policy
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
    subject,
    tsa,
)

PLACE = "http://crl.acme.example/1"


def test_it_is_an_identity() -> None:
    known: Identity = identity()
    assert known.name == "acme"
    found = known.check(read(JWS, jws())[0], Circumstances(NOW, "r.example/x"))
    assert (found.identity, found.signer) == ("acme", "C=US, ST=WA, O=acme, CN=signer")
    assert found.key == SIGNER.signer.public_key.fingerprint
    assert found.remarks == (
        "revocation was not checked for C=US, ST=WA, O=acme, CN=signer: it names no place to ask at",
        "revocation was not checked for C=US, ST=WA, O=acme, CN=issuing: it names no place to ask at",
    )


def test_any_certificate_of_the_chain_may_be_the_trusted_one() -> None:
    assert judge(jws(), by=identity(roots=(ISSUING,)))
    assert judge(jws(), by=identity(policy(identity="*")))
    for by in (identity(roots=(root(number=9),)), identity(roots=())):
        with pytest.raises(UntrustedIdentity, match=r"none of the trusted roots \(ca\)"):
            judge(jws(), by=by)


def test_a_root_beside_the_chain_is_not_enough() -> None:
    """The chain must bring its root: one that is only named alike proves nothing."""
    header = {"x5c": [base64.b64encode(der).decode() for der in (SIGNER.der, root(number=9).der, ROOT.der)]}
    with pytest.raises(BadSignature, match="did not issue"):
        judge(jws(header=header))


def test_a_chain_with_somebody_elses_root_behind_it() -> None:
    stranger = leaf(LEAF, intermediate(root(number=9), number=8))
    header = {"x5c": [base64.b64encode(der).decode() for der in (*stranger.ders[:2], ROOT.der)]}
    with pytest.raises(BadSignature, match="did not issue"):
        judge(jws(signer=stranger, header=header))


def test_other_subjects() -> None:
    with pytest.raises(UntrustedIdentity, match="CN=mallory, who is not among"):
        judge(jws(signer=leaf(LEAF, ISSUING, name="mallory")))


def test_a_broken_rule() -> None:
    with pytest.raises(BadSignature, match="no critical key usage"):
        judge(jws(signer=leaf(LEAF.with_(usage=None), ISSUING)))


def test_without_a_timestamp_every_certificate_must_be_valid_now() -> None:
    for signer in (
        leaf(LEAF.with_(end=NOW - DAY), ISSUING),
        leaf(LEAF, intermediate(ROOT, profile=AUTHORITY.with_(end=NOW - DAY))),
    ):
        with pytest.raises(BadSignature, match="had expired"):
            judge(jws(signer=signer))
        found = judge(jws(signer=signer), by=identity(policy(level="permissive")))
        assert found.remarks[0].startswith("authenticTimestamp is not enforced: the certificate of")
    old = root(profile=AUTHORITY.with_(end=NOW - DAY), number=21)
    with pytest.raises(BadSignature, match="CN=root had expired"):
        judge(jws(signer=leaf(LEAF, old)), by=identity(roots=(old,)))


def test_the_signers_own_time_rescues_nothing() -> None:
    signer = leaf(LEAF.with_(begin=NOW - 9 * DAY, end=NOW - DAY), ISSUING)
    envelope = sign(TARGET, signer.signer, signer.chain_pem, now=NOW - 2 * DAY)
    with pytest.raises(BadSignature, match="had expired"):
        judge(envelope)


def test_permissive_lets_an_expired_signature_pass_and_says_so() -> None:
    envelope = sign(TARGET, SIGNER.signer, SIGNER.chain_pem, now=NOW - 2 * DAY, expiry=NOW - DAY)
    with pytest.raises(BadSignature, match="the signature expired"):
        judge(envelope)
    for document in (policy(level="permissive"), policy(override={"expiry": "log"})):
        found = judge(envelope, by=identity(document))
        assert found.remarks[0] == "expiry is not enforced: the signature expired (2030-06-14 12:00 UTC)"


def test_audit_enforces_integrity_only() -> None:
    stranger = leaf(LEAF, root(number=9))
    found = judge(jws(signer=stranger), by=identity(policy(level="audit")))
    assert found.remarks[0].startswith("authenticity is not enforced")
    assert found.key == stranger.signer.public_key.fingerprint
    for raw in (jws(signature=b"1" * 64), jws(signer=stranger, header=_chain(stranger, SIGNER))):
        with pytest.raises(BadSignature):
            judge(raw, by=identity(policy(level="audit")))


def _chain(*certificates: Issued) -> dict[str, Any]:
    return {"x5c": [base64.b64encode(one.der).decode() for one in certificates]}


def test_an_authenticity_that_is_enforced_again() -> None:
    document = policy(level="audit", override={"authenticity": "enforce"})
    with pytest.raises(UntrustedIdentity):
        judge(jws(signer=leaf(LEAF, root(number=9))), by=identity(document))


def test_skip_vouches_for_nobody() -> None:
    document = policy(level="skip", scope="r.example/x", trustStores=[], trustedIdentities=[])
    with pytest.raises(CannotVerify, match="skips verification"):
        judge(jws(), by=identity(document), repository="r.example/x")
    with pytest.raises(UntrustedIdentity, match="no trust policy applies to what is not in a registry"):
        judge(jws(), by=identity(document), repository="")


@pytest.mark.parametrize("form", FORMS)
def test_signing_authorities_have_roots_of_their_own_and_a_clock(form: str) -> None:
    def authority(moment: Any) -> bytes:
        name = PREFIX + "authenticSigningTime"
        return make(
            form,
            protected={
                PREFIX + "signingScheme": "notary.x509.signingAuthority",
                PREFIX + "signingTime": ABSENT,
                name: time(form, moment),
                **critical(form, name),
            },
        )

    by = identity(policy(trustStores=["signingAuthority:acme"]), roots=(), signingAuthority=ROOT)
    raw = authority(NOW - DAY)
    assert judge(raw, form, by=by).time == NOW - DAY
    assert judge(raw, form, by=by, now=NOW + YEAR).time == NOW - DAY
    with pytest.raises(UntrustedIdentity, match=r"\(signingAuthority\)"):
        judge(raw, form, by=identity())
    with pytest.raises(UntrustedIdentity, match=r"\(ca\)"):
        judge(make(form), form, by=by)
    with pytest.raises(BadSignature, match="lies in the future"):
        judge(authority(NOW + DAY), form, by=by)
    with pytest.raises(BadSignature, match="not valid yet"):
        judge(authority(NOW - 31 * DAY), form, by=by)


def revocable() -> Issued:
    return leaf(LEAF.with_(crl_place=PLACE), intermediate(ROOT, profile=AUTHORITY.with_(ocsp="http://x.example")))


def test_revocation_that_is_enforced_needs_lists() -> None:
    signer = revocable()
    with pytest.raises(CannotVerify, match="CN=signer was revoked is not known") as caught:
        judge(jws(signer=signer))
    assert 'let the policy override "revocation"' in caught.value.hint

    def with_lists(*lists: bytes) -> NotaryIdentity:
        known = identity()
        return NotaryIdentity("acme", known.policy, known.store, load_crls(lists))

    issuing = signer.chain[1]
    with pytest.raises(CannotVerify, match="CN=issuing was revoked is not known"):
        judge(jws(signer=signer), by=with_lists(crl(issuing)))
    assert judge(jws(signer=signer), by=with_lists(crl(issuing), crl(ROOT))).remarks == ()
    with pytest.raises(BadSignature, match="was revoked"):
        judge(jws(signer=signer), by=with_lists(crl(issuing, signer), crl(ROOT)))


def test_revocation_that_is_logged_or_skipped_is_told() -> None:
    raw = jws(signer=revocable())
    (logged,) = judge(raw, by=identity(policy(override={"revocation": "log"}))).remarks
    assert logged.startswith("revocation is not enforced: whether the certificate of")
    assert judge(raw, by=identity(policy(override={"revocation": "skip"}))).remarks == ("revocation was not checked",)


def test_pinned() -> None:
    known = NotaryIdentity.pinned("me", (ROOT.certificate,), "CN=signer")
    found = judge(jws(), by=known, repository="")
    assert (found.identity, found.remarks) == ("me", ("revocation was not checked",))
    lists = load_crls([crl(ISSUING), crl(ROOT)])
    assert judge(jws(), by=NotaryIdentity.pinned("me", (ROOT.certificate,), "CN=signer", crls=lists)).remarks == ()
    revoked = load_crls([crl(ISSUING, SIGNER)])
    with pytest.raises(BadSignature, match="was revoked"):
        judge(jws(), by=NotaryIdentity.pinned("me", (ROOT.certificate,), "CN=signer", crls=revoked))
    with pytest.raises(UntrustedIdentity):
        judge(jws(), by=NotaryIdentity.pinned("me", (ROOT.certificate,), "CN=other"))
    with pytest.raises(UntrustedIdentity):
        judge(jws(), by=NotaryIdentity.pinned("me", (root(number=9).certificate,), "CN=signer"))


@pytest.mark.parametrize(
    ("roots", "text", "message"),
    [
        ((), "CN=x", "need a root"),
        ((ROOT.certificate,), "", "would trust everybody"),
        ((ROOT.certificate,), "x", "without a known type"),
        ((SIGNER.certificate,), "CN=x", "neither an authority nor self-signed"),
    ],
)
def test_pinned_to_nobody_or_everybody(roots: Any, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NotaryIdentity.pinned("me", roots, text)


class Stamped:
    """A signer that is valid today, and its envelopes with time stamps of today. Ages later both are still good."""

    def __init__(self, folder: Path) -> None:
        now = real_now()
        self.top = root(profile=around(now, AUTHORITY, 40 * DAY))
        self.signer = issue(subject(), self.top, around(now, LEAF), number=3)
        self.tsa: Tsa = tsa(folder)
        self.good = self.signed(lambda signature: token_in(self.tsa.respond(signature)))

    def signed(self, stamp: Any = None) -> bytes:
        return sign(TARGET, self.signer.signer, self.signer.chain_pem, now=real_now(), stamp=stamp)

    def identity(self, **changes: Any) -> NotaryIdentity:
        document = policy(trustStores=["ca:acme", "tsa:acme"], **changes)
        return identity(document, roots=(self.top,), tsa=self.tsa.stamper.chain[-1])

    def judge(self, envelope: bytes, *, later: int = 0, **changes: Any) -> Any:
        return judge(envelope, by=self.identity(**changes), now=real_now() + later * DAY)


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Stamped:
    return Stamped(tmp_path_factory.mktemp("tsa"))


def test_an_expired_chain_is_rescued_by_a_timestamp(stamped: Stamped) -> None:
    for later in (0, 3650):
        assert abs(stamped.judge(stamped.good, later=later).time - real_now()) < timedelta(minutes=2)


def test_a_policy_with_an_authority_for_time_wants_a_timestamp(stamped: Stamped) -> None:
    plain = stamped.signed()
    with pytest.raises(BadSignature, match="has no timestamp, which the policy asks for"):
        stamped.judge(plain)
    assert stamped.judge(plain, timestamp="afterCertExpiry").time is None
    assert stamped.judge(stamped.good, timestamp="afterCertExpiry").time is None
    assert stamped.judge(stamped.good, timestamp="afterCertExpiry", later=100).time
    with pytest.raises(BadSignature, match="has no timestamp"):
        stamped.judge(plain, timestamp="afterCertExpiry", later=100)
    found = stamped.judge(plain, override={"authenticTimestamp": "log"})
    assert found.remarks[0].startswith("authenticTimestamp is not enforced: the signature has no timestamp")


def test_a_timestamp_over_another_signature(stamped: Stamped) -> None:
    wrong = stamped.signed(lambda _: token_in(stamped.tsa.respond(b"another")))
    with pytest.raises(BadSignature, match="about another signature"):
        stamped.judge(wrong)


def test_a_response_is_no_token(stamped: Stamped) -> None:
    """Sigstore's form in a Notary envelope."""
    with pytest.raises(DocumentError, match="timestamp"):
        stamped.judge(stamped.signed(stamped.tsa.respond))


def test_the_roots_of_signers_are_no_roots_for_time(stamped: Stamped) -> None:
    document = policy(trustStores=["ca:acme", "tsa:acme"])
    known = TrustPolicy.parse(json.dumps(document).encode())
    both = (stamped.top.certificate, stamped.tsa.stamper.chain[-1].certificate)
    given = Given({("ca", "acme"): both, ("tsa", "acme"): (stamped.top.certificate,)})
    with pytest.raises(UntrustedIdentity, match="CN=tsa leads to none"):
        judge(stamped.good, by=NotaryIdentity("acme", known, given), now=real_now())


def test_pinned_with_an_authority_for_time(stamped: Stamped) -> None:
    clock = (stamped.tsa.stamper.chain[-1].certificate,)
    known = NotaryIdentity.pinned("me", (stamped.top.certificate,), "CN=signer", tsa_roots=clock)
    assert judge(stamped.signed(), by=known, now=real_now()).time is None
    assert judge(stamped.good, by=known, now=real_now() + 100 * DAY).time
    plain = NotaryIdentity.pinned("me", (stamped.top.certificate,), "CN=signer")
    with pytest.raises(BadSignature, match="had expired"):
        judge(stamped.good, by=plain, now=real_now() + 100 * DAY)
