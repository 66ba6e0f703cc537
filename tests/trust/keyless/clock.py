"""A timestamp authority (RFC 3161): openssl with a certificate of our own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.real.tools import run

_CONFIG = """
[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """``chain`` are DER certificates, the clock's first."""

    folder: Path
    chain: tuple[bytes, ...]

    @classmethod
    def make(cls, folder: Path) -> Self:
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("clock root", root_key, "clock root", root_key)
        leaf = _certificate("clock", key, "clock root", root_key)
        (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.conf").write_text(_CONFIG.format(folder=folder))
        return cls(folder, (leaf.public_bytes(Encoding.DER), root.public_bytes(Encoding.DER)))

    def stamp(self, request: bytes) -> bytes:
        """Answer a request (DER TimeStampReq), at the time that it is now."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            (folder / "request").write_bytes(request)
            files: list[str | Path] = ["-signer", self.folder / "leaf.pem", "-inkey", self.folder / "key.pem"]
            asked: list[str | Path] = ["-queryfile", folder / "request", "-out", folder / "answer"]
            run("openssl", "ts", "-reply", "-config", self.folder / "tsa.conf", "-section", "tsa", *files, *asked)
            return (folder / "answer").read_bytes()

    def time(self, data: bytes) -> bytes:
        """A timestamp over data."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            (folder / "data").write_bytes(data)
            run("openssl", "ts", "-query", "-data", folder / "data", "-sha256", "-cert", "-out", folder / "request")
            return self.stamp((folder / "request").read_bytes())


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    ca = name == issuer
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    start = datetime(2024, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "modelpack tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
