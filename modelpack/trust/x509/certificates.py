"""X.509 certificates (RFC 5280), read once and wholly: whatever is odd about one comes out here, as an error of ours.

Everything that is asked of a certificate later stands in plain fields; the ``cryptography`` package, which reads lazily and
raises late, is only needed again to check a signature.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from modelpack.errors import DocumentError, InputError
from modelpack.trust.keys import PublicKey
from modelpack.trust.x509 import names

if TYPE_CHECKING:
    from cryptography import x509

MAX_CHAIN = 10
"""Certificates in a chain (the limit of other verifiers too)."""

MAX_FILE = 1 << 20
"""Bytes of one file of certificates, and of one chain from a registry."""

HASHES = frozenset({"sha256", "sha384", "sha512"})
"""Hashes that a signature on a certificate, a CRL or a timestamp may use: neither MD5 nor SHA-1."""

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END \1-----")
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate. Two are equal if their bytes are.

    ``usage`` are names of key usages as ``cryptography`` calls them, ``purposes`` the extended ones as dotted numbers; None
    if the extension is absent. ``critical`` are the numbers of the extensions marked so. ``hash`` is the hash of the
    signature on it, empty for Ed25519. ``subject`` and ``issuer`` are DER. ``crl_places`` are the URLs of its revocation
    lists, ``answers`` says whether it names an OCSP responder.
    """

    der: bytes = field(repr=False)
    serial: int = field(compare=False)
    name: names.Name = field(compare=False)
    subject: bytes = field(repr=False, compare=False)
    issuer: bytes = field(repr=False, compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    key: PublicKey = field(compare=False)
    hash: str = field(compare=False)
    is_ca: bool | None = field(compare=False)
    path_length: int | None = field(compare=False)
    usage: frozenset[str] | None = field(compare=False)
    purposes: tuple[str, ...] | None = field(compare=False)
    critical: frozenset[str] = field(compare=False)
    alternatives: tuple[tuple[str, str], ...] = field(compare=False)
    crl_places: tuple[str, ...] = field(repr=False, compare=False)
    answers: bool = field(repr=False, compare=False)

    @classmethod
    def parse(cls, der: bytes, document: str = "certificate") -> Self:
        """Read DER. ``document`` stands in messages. Raises DocumentError, also for keys of kinds that are not supported."""
        from cryptography import x509

        try:
            return cls(**_fields(x509.load_der_x509_certificate(der)), der=der)  # type: ignore[arg-type]  # named as there
        except InputError as error:
            raise DocumentError(document, "", str(error)) from None
        except unreadable() as error:
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise DocumentError(document, "", f"not a certificate that can be read ({reason!a})") from None

    @property
    def is_self_issued(self) -> bool:
        """Whether it says to be its own issuer."""
        return self.subject == self.issuer

    def is_valid(self, begin: datetime, end: datetime) -> bool:
        """Whether it is in its time from ``begin`` to ``end``."""
        return self.not_before <= begin and end <= self.not_after

    def issued(self, other: Certificate) -> bool:
        """Whether it names and signed the other one. Says nothing about whether it may."""
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

        if other.issuer != self.subject:
            return False
        try:
            other.raw().verify_directly_issued_by(self.raw())
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            return False
        return True

    def raw(self) -> x509.Certificate:
        """The object of the ``cryptography`` package."""
        from cryptography import x509

        return x509.load_der_x509_certificate(self.der)

    def __str__(self) -> str:
        """The subject, for people."""
        return str(self.name) or "a certificate without a subject"


def load_certificates(data: bytes, name: str = "the certificates") -> tuple[Certificate, ...]:
    """Read a user's file: PEM with one certificate or several, or one in DER. Raises InputError."""
    if len(data) > MAX_FILE:
        raise InputError(f"{name}: {len(data)} bytes are too many for certificates ({MAX_FILE} are allowed)")
    ders = _pem_blocks(data, name) if b"-----BEGIN" in data else [data]
    if not 1 <= len(ders) <= MAX_CHAIN:
        raise InputError(f"{name}: {len(ders)} certificates are in it; 1 to {MAX_CHAIN} are allowed")
    try:
        return tuple(Certificate.parse(der, name) for der in ders)
    except DocumentError as error:
        raise InputError(str(error), hint="certificates are read as PEM or DER") from None


def parse_chain(ders: Sequence[bytes], document: str = "certificate chain") -> tuple[Certificate, ...]:
    """Read a chain that came with a signature, the signer's certificate first. Raises DocumentError."""
    if not 1 <= len(ders) <= MAX_CHAIN:
        raise DocumentError(document, "", f"{len(ders)} certificates; 1 to {MAX_CHAIN} are allowed")
    if (size := sum(map(len, ders))) > MAX_FILE:
        raise DocumentError(document, "", f"{size} bytes are more than the {MAX_FILE} allowed")
    return tuple(Certificate.parse(der, f"{document}[{index}]") for index, der in enumerate(ders))


def load_roots(data: bytes, name: str = "the roots") -> tuple[Certificate, ...]:
    """Like :func:`load_certificates`, for what is to be trusted: authorities, or self-signed. Raises InputError."""
    roots = load_certificates(data, name)
    check_roots(roots, name)
    return roots


def check_roots(roots: Sequence[Certificate], name: str) -> None:
    """Refuse to trust what cannot be the end of a chain. Raises InputError."""
    for root in roots:
        if not root.is_ca and not root.issued(root):
            raise InputError(
                f"{name}: {root} is neither an authority nor self-signed, so it cannot be trusted as a root"
            )


def unreadable() -> tuple[type[Exception], ...]:
    """What ``cryptography`` raises about certificates and revocation lists that it cannot read."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    usual = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)
    return (*usual, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


def _pem_blocks(data: bytes, name: str) -> list[bytes]:
    blocks = _BLOCK.findall(data)
    if len(blocks) != data.count(b"-----BEGIN"):
        raise InputError(f"{name}: a PEM block in it is damaged")
    if any(b"PRIVATE KEY" in label for label, _ in blocks):
        raise InputError(f"{name}: a private key is in it", hint="keep certificates in a file of their own")
    if any(label != b"CERTIFICATE" for label, _ in blocks):
        raise InputError(f"{name}: something else than certificates is in it")
    try:
        return [base64.b64decode(b"".join(body.split()), validate=True) for _, body in blocks]
    except binascii.Error:
        raise InputError(f"{name}: a PEM block in it is damaged") from None


def _fields(raw: x509.Certificate) -> dict[str, object]:
    digest = raw.signature_hash_algorithm
    return {
        "serial": raw.serial_number,
        "name": names.Name.of(raw.subject),
        "subject": raw.subject.public_bytes(),
        "issuer": raw.issuer.public_bytes(),
        "not_before": raw.not_valid_before_utc,
        "not_after": raw.not_valid_after_utc,
        "key": PublicKey.of(raw.public_key(), "its key"),
        "hash": digest.name if digest else "",
        **_extensions(raw.extensions),
    }


def _extensions(found: x509.Extensions) -> dict[str, object]:
    from cryptography import x509

    values = {type(extension.value): extension.value for extension in found}
    basic = values.get(x509.BasicConstraints)
    purposes = values.get(x509.ExtendedKeyUsage)
    names_ = values.get(x509.SubjectAlternativeName)
    return {
        "is_ca": basic.ca if isinstance(basic, x509.BasicConstraints) else None,
        "path_length": basic.path_length if isinstance(basic, x509.BasicConstraints) else None,
        "usage": _usage(values.get(x509.KeyUsage)),
        "purposes": tuple(p.dotted_string for p in purposes) if isinstance(purposes, x509.ExtendedKeyUsage) else None,
        "critical": frozenset(extension.oid.dotted_string for extension in found if extension.critical),
        "alternatives": names.alternatives(names_) if isinstance(names_, x509.SubjectAlternativeName) else (),
        "crl_places": _places(values.get(x509.CRLDistributionPoints)),
        "answers": _answers(values.get(x509.AuthorityInformationAccess)),
    }


def _usage(value: object) -> frozenset[str] | None:
    from cryptography import x509

    if not isinstance(value, x509.KeyUsage):
        return None
    found = {name for name in _USAGES if getattr(value, name)}
    if value.key_agreement:
        found |= {name for name in ("encipher_only", "decipher_only") if getattr(value, name)}
    return frozenset(found)


def _places(value: object) -> tuple[str, ...]:
    from cryptography import x509

    points = value if isinstance(value, x509.CRLDistributionPoints) else ()
    return tuple(
        name.value
        for point in points
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    )


def _answers(value: object) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    described = value if isinstance(value, x509.AuthorityInformationAccess) else ()
    return any(entry.access_method == AuthorityInformationAccessOID.OCSP for entry in described)
