"""Every rule on the way from a signer to a root, by a chain that breaks just that one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from modelpack.errors import BadSignature, CannotVerify, ModelPackError, UntrustedIdentity
from modelpack.trust.x509 import (
    NOTARY,
    SIGNING,
    TIMESTAMPS,
    Certificate,
    Period,
    check_complete,
    load_certificates,
    verify_chain,
)
from modelpack.trust.x509.chain import Purpose
from tests.real.tools import run
from tests.trust.x509.making import (
    AUTHORITY,
    CODE_SIGNING,
    DAY,
    LEAF,
    NOW,
    STAMPER,
    YEAR,
    Issued,
    Profile,
    intermediate,
    issue,
    leaf,
    root,
    subject,
)

ROOT = root()
ISSUING = intermediate(ROOT)
SIGNER = leaf(LEAF, ISSUING)
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def verify(
    signer: Issued, *, trusted: Issued | None = None, purpose: Purpose = SIGNING, at: Period | None = None
) -> tuple[Certificate, ...]:
    """Verify the whole chain of a certificate against its root."""
    roots = [(trusted or signer.chain[-1]).certificate]
    return verify_chain(signer.certificates, roots, at=at or Period.at(NOW), purpose=purpose)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_sound_chains(kind: str) -> None:
    signer = leaf(LEAF, intermediate(root(kind=kind), kind=kind), kind=kind)
    assert verify(signer) == signer.certificates


def test_the_root_may_be_absent_and_intermediates_may_come_from_the_user() -> None:
    one, two, three = SIGNER.certificates
    other = intermediate(ROOT, "other", number=7).certificate
    for chain, extra in (((one, two), ()), ((one,), (two,)), ((one,), (other, two)), ((one, two, three), (other,))):
        assert verify_chain(chain, (three,), at=Period.at(NOW), intermediates=extra) == (one, two, three)


def test_an_authority_in_the_middle_may_be_the_root_that_is_trusted() -> None:
    assert verify(SIGNER, trusted=ISSUING) == SIGNER.certificates[:2]


def test_a_self_signed_signer_may_be_trusted_as_it_is() -> None:
    alone = issue(subject(), None, LEAF)
    assert verify(alone) == alone.certificates


def test_the_one_of_two_roots_with_one_key_that_is_valid() -> None:
    old = root(profile=AUTHORITY.with_(end=NOW - DAY))
    path = verify_chain(SIGNER.certificates[:2], (old.certificate, ROOT.certificate), at=Period.at(NOW))
    assert path[-1] == ROOT.certificate
    with pytest.raises(BadSignature, match="had expired"):
        verify_chain(SIGNER.certificates[:2], (old.certificate,), at=Period.at(NOW))


def test_another_root_is_not_trusted() -> None:
    for chain in (SIGNER.certificates, SIGNER.certificates[:1]):
        with pytest.raises(UntrustedIdentity, match="none of the trusted roots"):
            verify_chain(chain, (root(number=9).certificate,), at=Period.at(NOW))


def test_a_root_of_the_same_name_with_another_key_is_not_trusted() -> None:
    with pytest.raises(UntrustedIdentity):
        verify(SIGNER, trusted=root(number=9))


def test_a_chain_out_of_order_is_refused() -> None:
    one, two, three = SIGNER.certificates
    with pytest.raises(BadSignature, match="next in the chain, did not issue"):
        verify_chain((one, three, two), (three,), at=Period.at(NOW))


def test_endless_chains_are_cut() -> None:
    made = ROOT
    for number in range(12):
        made = intermediate(made, f"ca {number}")
    with pytest.raises(UntrustedIdentity, match="longer than 10"):
        verify_chain((made.certificate,), (ROOT.certificate,), at=Period.at(NOW), intermediates=made.certificates[1:-1])


def refused(
    profile: Profile, message: str, purpose: Purpose = SIGNING, error: type[ModelPackError] = BadSignature
) -> None:
    with pytest.raises(error, match=message):
        verify(leaf(profile, ISSUING), purpose=purpose)


@pytest.mark.parametrize("purpose", [SIGNING, NOTARY])
@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (LEAF.with_(basic=(True, None)), "an authority's, not a signer's"),
        (LEAF.with_(usage=None), "no critical key usage"),
        (LEAF.with_(usage_critical=False), "no critical key usage"),
        (LEAF.with_(usage=("content_commitment",)), "not for signatures"),
        (LEAF.with_(usage=("digital_signature", "key_encipherment")), "something else than signatures"),
        (LEAF.with_(usage=("digital_signature", "data_encipherment")), "something else than signatures"),
        (LEAF.with_(usage=("digital_signature", "key_agreement")), "something else than signatures"),
        (LEAF.with_(usage=("digital_signature", "key_cert_sign")), "something else than signatures"),
        (LEAF.with_(usage=("digital_signature", "crl_sign")), "something else than signatures"),
        (LEAF.with_(purposes=(CODE_SIGNING, ANY)), "for something else than signing"),
        (LEAF.with_(purposes=(CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH)), "for something else"),
        (LEAF.with_(purposes=(CODE_SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH)), "for something else"),
        (LEAF.with_(purposes=(CODE_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION)), "for something else"),
        (LEAF.with_(purposes=(CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING)), "for something else"),
    ],
)
def test_rules_for_signers(profile: Profile, message: str, purpose: Purpose) -> None:
    refused(profile, message, purpose)


def test_purposes_that_only_notary_lets_pass() -> None:
    odd = LEAF.with_(purposes=(ObjectIdentifier("1.2.3.4"),))
    assert verify(leaf(odd, ISSUING), purpose=NOTARY)
    refused(odd, "is not for signing")
    assert verify(leaf(LEAF.with_(purposes=None), ISSUING), purpose=NOTARY)
    assert verify(leaf(LEAF.with_(purposes=None, basic=(False, None)), ISSUING))


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (AUTHORITY.with_(basic=None), "not marked, critically, as an authority's"),
        (AUTHORITY.with_(basic=(False, None)), "not marked, critically, as an authority's"),
        (AUTHORITY.with_(basic_critical=False), "not marked, critically, as an authority's"),
        (AUTHORITY.with_(usage=None), "not, critically, for signing certificates"),
        (AUTHORITY.with_(usage=("crl_sign",)), "not, critically, for signing certificates"),
        (AUTHORITY.with_(usage_critical=False), "not, critically, for signing certificates"),
        (AUTHORITY.with_(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)), "is not for signing"),
    ],
)
def test_rules_for_authorities(profile: Profile, message: str) -> None:
    with pytest.raises(BadSignature, match=message):
        verify(leaf(LEAF, intermediate(ROOT, profile=profile)))


def test_an_authority_confined_to_code_signing_may_issue_signers() -> None:
    assert verify(leaf(LEAF, intermediate(ROOT, profile=AUTHORITY.with_(purposes=(CODE_SIGNING,)))))
    assert verify(leaf(LEAF, intermediate(ROOT, profile=AUTHORITY.with_(purposes=(ANY,)))))


def test_path_length() -> None:
    top = root(profile=AUTHORITY.with_(basic=(True, 0)))
    assert verify(leaf(LEAF, top))
    with pytest.raises(BadSignature, match="allows 0 authorities below it, not 1"):
        verify(leaf(LEAF, intermediate(top)))
    assert verify(leaf(LEAF, intermediate(root(profile=AUTHORITY.with_(basic=(True, 1))))))


@pytest.mark.parametrize("digest", ["md5", "sha1"])
def test_old_hashes_are_not_safe(tmp_path: Path, digest: str) -> None:
    """Not even on a root, where they would harm nobody: notation refuses them there too."""
    (tmp_path / "key").write_bytes(root(kind="rsa2048").key_pem)
    command = f"req -x509 -{digest} -key key -subj /CN=signer -out pem -addext keyUsage=critical,digitalSignature"
    run("openssl", *command.split(), cwd=tmp_path)
    (old,) = load_certificates((tmp_path / "pem").read_bytes())
    with pytest.raises(BadSignature, match=f"signed with {digest}, which is not safe"):
        verify_chain((old,), (old,), at=Period.at(NOW))


def test_a_root_whose_own_signature_is_not_its_own() -> None:
    """A trusted file that was damaged: its key still works, but nothing else in it can be believed."""
    forged = Issued(ROOT.key, issue(subject("root"), root(number=9), AUTHORITY, number=1).raw)
    with pytest.raises(BadSignature, match="not signed by the key that it says"):
        verify_chain(SIGNER.certificates[:2], (forged.certificate,), at=Period.at(NOW))


def test_unknown_critical_extensions_are_refused() -> None:
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    refused(LEAF.with_(extra=((unknown, True),)), "critical extension that is not known: 1.2.3.4", error=CannotVerify)
    assert verify(leaf(LEAF.with_(extra=((unknown, False),)), ISSUING))
    constraints = x509.NameConstraints([x509.DNSName("acme.example")], None)
    with pytest.raises(CannotVerify, match=r"2\.5\.29\.30"):
        verify(leaf(LEAF, intermediate(ROOT, profile=AUTHORITY.with_(extra=((constraints, True),)))))


def test_an_expired_leaf_is_refused() -> None:
    """The reference implementation of OpenSSF Model Signing accepts it."""
    refused(LEAF.with_(end=NOW - timedelta(seconds=1)), "had expired")
    refused(LEAF.with_(begin=NOW + timedelta(seconds=1)), "not valid yet")


@pytest.mark.parametrize("which", ["issuing", "root"])
def test_ca_expired_before_the_timestamp(which: str) -> None:
    """CVE-2026-24122: an authority must be valid when it was signed, not only the signer."""
    old = AUTHORITY.with_(end=NOW - DAY)
    top = root(profile=old if which == "root" else AUTHORITY)
    signer = leaf(LEAF, intermediate(top, profile=old if which == "issuing" else AUTHORITY))
    with pytest.raises(BadSignature, match=f"CN={which} had expired"):
        verify(signer)
    assert verify(signer, at=Period.at(NOW - 2 * DAY))


def test_all_of_the_time_that_a_timestamp_means_must_be_valid() -> None:
    end = LEAF.end
    assert verify(SIGNER, at=Period(end - DAY, end))
    with pytest.raises(BadSignature, match="had expired"):
        verify(SIGNER, at=Period(end - DAY, end + timedelta(seconds=1)))
    with pytest.raises(BadSignature, match="not valid yet"):
        verify(SIGNER, at=Period(LEAF.begin - timedelta(seconds=1), NOW))


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (STAMPER.with_(purposes_critical=False), "not for time stamps only"),
        (STAMPER.with_(purposes=None), "not for time stamps only"),
        (LEAF, "not for time stamps only"),
        (STAMPER.with_(purposes=(ExtendedKeyUsageOID.TIME_STAMPING, CODE_SIGNING)), "not for time stamps only"),
        (STAMPER.with_(usage=None), "no critical key usage"),
        (STAMPER.with_(usage=("key_cert_sign",)), "not for signatures"),
    ],
)
def test_rules_for_those_who_stamp(profile: Profile, message: str) -> None:
    refused(profile, message, TIMESTAMPS)


def test_a_stamper_may_say_content_commitment_and_need_not_be_critical_about_it() -> None:
    assert verify(leaf(STAMPER.with_(usage=("content_commitment",), usage_critical=False), ISSUING), purpose=TIMESTAMPS)


def test_complete_chains() -> None:
    one, two, three = SIGNER.certificates
    check_complete((one, two, three))
    check_complete(issue(subject(), None, LEAF).certificates)
    for chain, message in (
        ((one, two), "CN=issuing, which is no root"),
        ((one,), "which is no root"),
        ((one, three), "did not issue"),
        ((one, two, three, three), "self-signed, but not the last"),
        ((two, one, three), "did not issue"),
    ):
        with pytest.raises(BadSignature, match=message):
            check_complete(chain)


def test_all_may_have_one_name() -> None:
    """notation's own examples are such chains; a name makes nobody self-signed."""
    signer = leaf(LEAF, intermediate(root("one"), "one"), name="one")
    check_complete(signer.certificates)
    for purpose in (SIGNING, NOTARY):
        assert verify(signer, purpose=purpose) == signer.certificates


def test_the_validity_of_an_issuer_need_not_enclose_the_others() -> None:
    long = leaf(LEAF.with_(begin=NOW - 3 * YEAR, end=NOW + 3 * YEAR), ISSUING)
    assert verify(long)
