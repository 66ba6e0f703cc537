"""Revocation lists that the caller brings."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ObjectIdentifier

from modelpack.errors import BadSignature, CannotVerify, InputError
from modelpack.trust import Cause
from modelpack.trust.x509 import RevocationList, check_revocation, load_crls, require_fresh
from modelpack.trust.x509.revocation import MAX_CRL, MAX_CRLS, remarks
from tests.real.tools import run
from tests.trust.x509.making import AUTHORITY, DAY, LEAF, NOW, crl, intermediate, leaf, new_key, root

ROOT = root()
ISSUING = intermediate(ROOT)
SIGNER = leaf(LEAF.with_(crl_place="http://crl.acme.example/1"), ISSUING)
PATH = SIGNER.certificates


def point(
    place: str = "", *, signers: bool = False, authorities: bool = False, indirect: bool = False
) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    names = [x509.UniformResourceIdentifier(place)] if place else None
    return ((x509.IssuingDistributionPoint(names, None, signers, authorities, None, indirect, False), True),)


def check(*lists: bytes) -> tuple[str, ...]:
    """Names of those whose revocation stays unknown."""
    return tuple(str(one) for one in check_revocation(PATH, load_crls(lists), NOW))


def test_everybody_is_looked_up_but_the_root() -> None:
    assert check() == (str(PATH[0]), str(PATH[1]))
    assert check(crl(ISSUING)) == (str(PATH[1]),)
    assert check(crl(ISSUING, extensions=((x509.CRLNumber(1), False),)), crl(ROOT)) == ()


def test_pem_is_read_too() -> None:
    loaded = x509.load_der_x509_crl(crl(ISSUING)).public_bytes(serialization.Encoding.PEM)
    assert check(loaded) == (str(PATH[1]),)


@pytest.mark.parametrize("revoked", [SIGNER, ISSUING])
def test_revoked(revoked: object) -> None:
    with pytest.raises(BadSignature, match="was revoked by its issuer") as caught:
        check(crl(ISSUING, SIGNER), crl(ROOT)) if revoked is SIGNER else check(crl(ISSUING), crl(ROOT, ISSUING))
    assert caught.value.cause is Cause.REVOKED


def test_an_old_list_still_revokes_but_clears_nobody() -> None:
    with pytest.raises(BadSignature):
        check(crl(ISSUING, SIGNER, issued=NOW - 9 * DAY, expires=NOW - DAY))
    assert check(crl(ISSUING, issued=NOW - 9 * DAY, expires=NOW - DAY)) == (str(PATH[0]), str(PATH[1]))
    assert check(crl(ISSUING, issued=NOW + DAY, expires=NOW + 2 * DAY)) == (str(PATH[0]), str(PATH[1]))


def test_a_forged_list_says_nothing() -> None:
    forged = crl(ISSUING, SIGNER, key=new_key("p256", 77))
    assert str(PATH[0]) in check(forged)
    for kind in ("p256", "ed25519", "rsa2048"):
        assert str(PATH[0]) in check(crl(ISSUING, key=new_key(kind, 77)))


def test_an_issuer_that_may_not_sign_lists_says_nothing() -> None:
    issuing = intermediate(ROOT, profile=AUTHORITY.with_(usage=("key_cert_sign",)))
    path = leaf(LEAF, issuing).certificates
    assert check_revocation(path, load_crls([crl(issuing)]), NOW) == path[:2]


def test_lists_about_a_part_only() -> None:
    assert check(crl(ISSUING, extensions=point(signers=True))) == (str(PATH[1]),)
    assert str(PATH[0]) in check(crl(ISSUING, extensions=point(authorities=True)))
    assert check(crl(ROOT, extensions=point(authorities=True))) == (str(PATH[0]),)
    assert str(PATH[1]) in check(crl(ROOT, extensions=point(signers=True)))
    assert check(crl(ISSUING, extensions=point("http://crl.acme.example/1"))) == (str(PATH[1]),)
    assert str(PATH[0]) in check(crl(ISSUING, extensions=point("http://crl.acme.example/2")))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (crl(ROOT)[:-1], "cannot be read"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "cannot be read"),
        (SIGNER.der, "cannot be read"),
        (b"0" * (MAX_CRL + 1), "too many"),
        (crl(ROOT, extensions=((x509.DeltaCRLIndicator(1), True),)), "not supported: 2.5.29.27"),
        (crl(ROOT, extensions=((x509.DeltaCRLIndicator(1), False),)), "not supported: 2.5.29.27"),
        (
            crl(ROOT, extensions=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\0"), True),)),
            "not supported: 1.2.3",
        ),
        (crl(ROOT, extensions=point(indirect=True)), "other issuers only"),
    ],
)
def test_lists_that_cannot_be_used(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RevocationList.load(data)


def test_sha1_is_not_safe(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(ROOT.key_pem)
    (tmp_path / "pem").write_bytes(ROOT.pem)
    (tmp_path / "index").touch()
    (tmp_path / "config").write_text("[ca]\ndefault_ca = x\n[x]\ndatabase = index\ndefault_crl_days = 9\n")
    options = ["-gencrl", "-md", "sha1", "-keyfile", "key", "-cert", "pem", "-config", "config", "-out", "crl"]
    run("openssl", "ca", *options, cwd=tmp_path)
    with pytest.raises(InputError, match="signed with sha1, which is not safe"):
        RevocationList.load((tmp_path / "crl").read_bytes())


def test_too_many_lists() -> None:
    with pytest.raises(InputError, match="101 revocation lists"):
        load_crls([crl(ROOT)] * (MAX_CRLS + 1))


def test_never_silently_skipped() -> None:
    lists = load_crls([crl(ISSUING)])
    assert remarks(check_revocation(PATH, (), NOW), ()) == ("revocation was not checked",)
    assert remarks(check_revocation(PATH, lists, NOW), lists) == (
        f"revocation was not checked for {PATH[1]}: no fresh list is about it",
    )
    assert remarks((), lists) == ()
    require_fresh(())
    with pytest.raises(CannotVerify, match="CN=signer was revoked is not known"):
        require_fresh(PATH[:1])


def test_a_list_is_known_by_all_of_its_bytes() -> None:
    top = root()
    raw = crl(top)
    pem = x509.load_der_x509_crl(raw).public_bytes(serialization.Encoding.PEM)
    assert RevocationList.load(raw).fingerprint == RevocationList.load(pem).fingerprint
    assert RevocationList.load(crl(top, leaf(parent=top))).fingerprint != RevocationList.load(raw).fingerprint
