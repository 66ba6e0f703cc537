"""Certificates are read from the forms that people have them in, and refused with a reason."""

from __future__ import annotations

import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.x509.oid import NameOID

from modelpack.errors import DocumentError, InputError
from modelpack.trust.x509 import MAX_CHAIN, Certificate, load_certificates, load_roots, parse_chain
from modelpack.trust.x509.certificates import MAX_FILE
from tests.trust.x509.making import AUTHORITY, LEAF, NOW, Issued, issue, leaf, root, subject

SIGNER = leaf(
    LEAF.with_(
        names=(
            x509.RFC822Name("a@acme.example"),
            x509.DNSName("acme.example"),
            x509.UniformResourceIdentifier("https://acme.example/x"),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        ),
        crl_place="http://crl.acme.example/1",
        ocsp="http://ocsp.acme.example",
    )
)


def test_a_certificate_in_fields() -> None:
    found = SIGNER.certificate
    assert str(found) == "C=US, ST=WA, O=acme, CN=signer"
    assert found.alternatives == (
        ("email", "a@acme.example"),
        ("dns", "acme.example"),
        ("uri", "https://acme.example/x"),
    )
    assert found.crl_places == ("http://crl.acme.example/1",)
    assert found.answers
    assert found.usage == frozenset({"digital_signature"})
    assert found.purposes == ("1.3.6.1.5.5.7.3.3",)
    assert (found.is_ca, found.path_length, found.hash) == (None, None, "sha256")
    assert found.key == SIGNER.signer.public_key
    assert found.is_valid(NOW, NOW)
    assert found == Certificate.parse(SIGNER.der)
    assert len({found, Certificate.parse(SIGNER.der), root().certificate}) == 2


def test_usages_that_only_go_with_key_agreement() -> None:
    odd = root(profile=AUTHORITY.with_(usage=("key_agreement", "encipher_only"))).certificate
    assert odd.usage == frozenset({"key_agreement", "encipher_only"})


def test_pem_der_and_text_around() -> None:
    chain = SIGNER.certificates
    assert load_certificates(SIGNER.chain_pem) == chain
    assert load_certificates(b"# ours\n" + SIGNER.chain_pem.replace(b"\n", b"\r\n") + b"the end") == chain
    assert load_certificates(SIGNER.der) == chain[:1]
    assert parse_chain(SIGNER.ders) == chain
    assert load_roots(SIGNER.chain[-1].pem) == chain[-1:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a certificate"),
        (b"hello", "not a certificate"),
        (SIGNER.der[:-1], "not a certificate"),
        (SIGNER.der + b"\0", "not a certificate"),
        (SIGNER.pem.replace(b"END", b"EMD"), "damaged"),
        (SIGNER.pem.replace(b"MII", b"M\xffI", 1), "damaged"),
        (SIGNER.pem.replace(b"MII", b"MI", 1), "damaged|not a certificate"),
        (SIGNER.pem + SIGNER.key_pem, "a private key is in it"),
        (SIGNER.pem.replace(b"CERTIFICATE", b"X509 CRL"), "something else"),
        (SIGNER.pem * (MAX_CHAIN + 1), "11 certificates"),
        (b"x" * (MAX_FILE + 1), "too many"),
    ],
)
def test_a_users_file_that_cannot_be_used(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_certificates(data, "roots.pem")
    assert str(caught.value).startswith("roots.pem")
    assert b"PRIVATE" not in str(caught.value).encode()


@pytest.mark.parametrize(
    "ders", [(), (SIGNER.der,) * (MAX_CHAIN + 1), (b"",), (SIGNER.der, b"x"), (b"x" * (MAX_FILE + 1),)]
)
def test_a_chain_from_a_registry_that_cannot_be_read(ders: tuple[bytes, ...]) -> None:
    with pytest.raises(DocumentError):
        parse_chain(ders)


@pytest.mark.parametrize("kind", ["rsa1024", "secp256k1"])
def test_weak_and_unusual_keys_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"RSA with 1024 bits|of a kind that is not supported"):
        load_certificates(root(kind=kind).pem)


def test_a_dsa_key_is_refused() -> None:
    key = dsa.generate_private_key(1024)
    made = x509.CertificateBuilder(subject(), subject(), key.public_key(), 5, NOW, NOW).sign(
        root().key,
        hashes.SHA256(),
    )
    with pytest.raises(DocumentError, match="kind that is not supported"):
        Certificate.parse(Issued(root().key, made).der)


def test_odd_names_are_read_or_refused_but_nothing_else_escapes() -> None:
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    assert leaf(LEAF.with_(names=(other,))).certificate.alternatives == ()
    oid = x509.ObjectIdentifier("2.5.4.45")
    name = x509.Name([x509.NameAttribute(oid, b"\x01\x02", x509.name._ASN1Type.BitString)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert str(issue(name, None, AUTHORITY).certificate) == r"2.5.4.45=\#0102"
    nameless = issue(x509.Name([]), root(), LEAF).certificate
    assert str(nameless) == "a certificate without a subject"


def test_a_terminal_is_not_disturbed_by_a_name() -> None:
    evil = issue(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2J\nb,c")]), None, AUTHORITY)
    assert str(evil.certificate) == "CN=a\\1b[2J\\0ab\\,c"


def test_what_is_no_root_is_not_trusted_as_one() -> None:
    with pytest.raises(InputError, match="neither an authority nor self-signed"):
        load_roots(SIGNER.pem)
    assert load_roots(root(profile=LEAF).pem)
