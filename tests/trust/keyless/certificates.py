"""A private Fulcio: root, intermediate, signing certificates with a timestamp of a private certificate log (RFC 6962)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER_RAW = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
TIMESTAMPS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
SIGNATURE = ec.ECDSA(hashes.SHA256())


def der_text(tag: int, value: bytes) -> bytes:
    """A DER value that is shorter than 64 KiB."""
    size = len(value)
    octets = size.to_bytes(2 if size > 255 else 1, "big")
    return bytes([tag]) + (octets if size < 128 else bytes([0x80 | len(octets)]) + octets) + value


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """How logs name their keys."""
    return hashlib.sha256(spki(key)).digest()


@dataclass(frozen=True, slots=True)
class Claims:
    """What a certificate says. ``names`` are given instead of a mail address or URI in ``identity``."""

    identity: str
    issuer: str
    at: datetime
    lasts: timedelta = timedelta(minutes=10)
    timestamps: int = 1
    raw_issuer: str | None = None
    issuer_der: bytes | None = None
    names: tuple[x509.GeneralName, ...] = ()
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING

    def subject_names(self) -> tuple[x509.GeneralName, ...]:
        if self.names:
            return self.names
        kind = x509.UniformResourceIdentifier if "://" in self.identity else x509.RFC822Name
        return (kind(self.identity),)

    def issuers(self) -> list[x509.UnrecognizedExtension]:
        raw = self.issuer if self.raw_issuer is None else self.raw_issuer
        der = der_text(0x0C, self.issuer.encode()) if self.issuer_der is None else self.issuer_der
        found = [x509.UnrecognizedExtension(ISSUER_RAW, raw.encode())] if raw else []
        return [*found, x509.UnrecognizedExtension(ISSUER, der)] if der else found


@dataclass(frozen=True, slots=True)
class Fulcio:
    """An authority; ``log`` is the key of its certificate log."""

    root: x509.Certificate
    intermediate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    log: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls, start: datetime, *, years: int = 10) -> Self:
        """A new one, in office from ``start``."""
        root_key, key, log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        end = start + timedelta(days=365 * years)
        root = _authority("root", root_key, "root", root_key, (start, end))
        return cls(root, _authority("intermediate", key, "root", root_key, (start, end)), key, log)

    @property
    def chain(self) -> list[bytes]:
        """Intermediate and root, DER."""
        return [certificate.public_bytes(Encoding.DER) for certificate in (self.intermediate, self.root)]

    def issue(self, public_key: ec.EllipticCurvePublicKey, claims: Claims) -> x509.Certificate:
        """A signing certificate."""
        builder = self._builder(public_key, claims)
        if not claims.timestamps:
            return builder.sign(self.key, hashes.SHA256())
        # What the log signs is the certificate without the timestamp that it gives.
        before = builder.sign(self.key, hashes.SHA256())
        signed = self._timestamp(before.tbs_certificate_bytes, claims.at)
        listed = b"".join(struct.pack("!H", len(signed)) + signed for _ in range(claims.timestamps))
        content = der_text(0x04, struct.pack("!H", len(listed)) + listed)
        builder = builder.add_extension(x509.UnrecognizedExtension(TIMESTAMPS, content), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _builder(self, public_key: ec.EllipticCurvePublicKey, claims: Claims) -> x509.CertificateBuilder:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(claims.at)
            .not_valid_after(claims.at + claims.lasts)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([claims.usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(authority, critical=False)
            .add_extension(x509.SubjectAlternativeName(claims.subject_names()), critical=True)
        )
        for extension in claims.issuers():
            builder = builder.add_extension(extension, critical=False)
        return builder

    def _timestamp(self, certificate: bytes, at: datetime) -> bytes:
        """A SignedCertificateTimestamp over a pre-certificate (RFC 6962, section 3.2)."""
        milliseconds = int(at.timestamp() * 1000)
        entry = key_id(self.key) + len(certificate).to_bytes(3, "big") + certificate
        message = struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + struct.pack("!H", 0)
        signature = self.log.sign(message, SIGNATURE)
        head = struct.pack("!B32sQH", 0, key_id(self.log), milliseconds, 0)
        return head + struct.pack("!BBH", 4, 3, len(signature)) + signature


def _authority(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    period: tuple[datetime, datetime],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=1 if name == issuer else 0), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if name != issuer:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "modelpack tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"fulcio {name}"),
        ]
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )
