"""Certificates, revocation lists and time stamps for tests, right and wrong ones."""

from __future__ import annotations

import datetime
import functools
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from modelpack.trust.keys import PrivateKey
from modelpack.trust.x509 import Certificate
from tests.real.tools import tool

NOW = datetime.datetime(2030, 6, 15, 12, 0, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
YEAR = 365 * DAY

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CODE_SIGNING, TIME_STAMPING = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING


@functools.cache
def new_key(kind: str = "p256", number: int = 0) -> Key:
    """A key, the same one for the same arguments: making RSA keys takes long."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def subject(name: str = "signer", **changes: str) -> x509.Name:
    """``C=US, ST=WA, O=acme, CN=name``."""
    values = {"C": "US", "ST": "WA", "O": "acme", "CN": name, **changes}
    oids = {
        "C": NameOID.COUNTRY_NAME,
        "ST": NameOID.STATE_OR_PROVINCE_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[kind], value) for kind, value in values.items() if value])


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and who issued it (None: itself)."""

    key: Key
    raw: x509.Certificate
    issuer: Issued | None = None

    @property
    def certificate(self) -> Certificate:
        return Certificate.parse(self.der)

    @property
    def der(self) -> bytes:
        return self.raw.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.raw.public_bytes(serialization.Encoding.PEM)

    @property
    def signer(self) -> PrivateKey:
        return PrivateKey.of(self.key)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def chain(self) -> tuple[Issued, ...]:
        """This one, its issuer and so on, the root last."""
        return (self, *(self.issuer.chain if self.issuer else ()))

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(one.certificate for one in self.chain)

    @property
    def ders(self) -> tuple[bytes, ...]:
        return tuple(one.der for one in self.chain)

    @property
    def chain_pem(self) -> bytes:
        return b"".join(one.pem for one in self.chain)


def usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


@dataclass(frozen=True)
class Profile:
    """How a certificate is to be. An extension that is None is left out; beside each stands whether it is critical."""

    begin: datetime.datetime = NOW - 30 * DAY
    end: datetime.datetime = NOW + 30 * DAY
    basic: tuple[bool, int | None] | None = None
    basic_critical: bool = True
    usage: tuple[str, ...] | None = ("digital_signature",)
    usage_critical: bool = True
    purposes: tuple[ObjectIdentifier, ...] | None = (CODE_SIGNING,)
    purposes_critical: bool = False
    names: tuple[x509.GeneralName, ...] = ()
    crl_place: str = ""
    ocsp: str = ""
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()

    def with_(self, **changes: object) -> Profile:
        return replace(self, **changes)  # type: ignore[arg-type]  # named as above

    def extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        found: list[tuple[x509.ExtensionType, bool]] = []
        if self.basic is not None:
            found.append((x509.BasicConstraints(*self.basic), self.basic_critical))
        if self.usage is not None:
            found.append((usage(*self.usage), self.usage_critical))
        if self.purposes is not None:
            found.append((x509.ExtendedKeyUsage(self.purposes), self.purposes_critical))
        if self.names:
            found.append((x509.SubjectAlternativeName(self.names), False))
        if self.crl_place:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(self.crl_place)], None, None, None)
            found.append((x509.CRLDistributionPoints([place]), False))
        if self.ocsp:
            where = x509.UniformResourceIdentifier(self.ocsp)
            method = x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.OCSP, where)
            found.append((x509.AuthorityInformationAccess([method]), False))
        return [*found, *self.extra]


LEAF = Profile()
AUTHORITY = Profile(
    begin=NOW - YEAR, end=NOW + YEAR, basic=(True, None), usage=("key_cert_sign", "crl_sign"), purposes=None
)
STAMPER = Profile(purposes=(TIME_STAMPING,), purposes_critical=True)


def issue(
    name: x509.Name, issuer: Issued | None, profile: Profile = LEAF, *, kind: str = "p256", number: int = 0
) -> Issued:
    """Issue a certificate; by itself if there is no issuer. ``number`` tells keys of one kind apart."""
    key = new_key(kind, number)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.raw.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(profile.begin)
        .not_valid_after(profile.end)
    )
    for value, critical in profile.extensions():
        builder = builder.add_extension(value, critical=critical)
    by = issuer.key if issuer else key
    digest = None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(key, builder.sign(by, digest), issuer)


def root(name: str = "root", profile: Profile = AUTHORITY, *, kind: str = "p256", number: int = 1) -> Issued:
    return issue(subject(name), None, profile, kind=kind, number=number)


def intermediate(
    parent: Issued, name: str = "issuing", profile: Profile = AUTHORITY, *, kind: str = "p256", number: int = 2
) -> Issued:
    return issue(subject(name), parent, profile, kind=kind, number=number)


def leaf(profile: Profile = LEAF, parent: Issued | None = None, *, name: str = "signer", kind: str = "p256") -> Issued:
    """A signer below an intermediate below a root, or below ``parent``."""
    return issue(subject(name), parent or intermediate(root()), profile, kind=kind, number=3)


def crl(
    issuer: Issued,
    *revoked: Issued,
    issued: datetime.datetime = NOW - DAY,
    expires: datetime.datetime = NOW + DAY,
    key: Key | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """A revocation list in DER."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.raw.subject)
    builder = builder.last_update(issued).next_update(expires)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.raw.serial_number).revocation_date(NOW - 2 * DAY)
        builder = builder.add_revoked_certificate(entry.build())
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    by = key or issuer.key
    signed = builder.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


CONFIG = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_digest = {digest}
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""


@dataclass(frozen=True)
class Tsa:
    """A time stamping authority: ``openssl ts`` with a certificate of ours. Its clock is the machine's."""

    folder: Path
    stamper: Issued

    def respond(
        self,
        message: bytes,
        *,
        digest: str = "sha256",
        signer_digest: str = "sha256",
        ess: str = "sha256",
        certs: bool = True,
    ) -> bytes:
        """A TimeStampResp over a message."""
        folder = self.folder
        folder.mkdir(exist_ok=True)
        (folder / "message").write_bytes(message)
        query = ["ts", "-query", "-data", "message", f"-{digest}", "-out", "query", *(["-cert"] if certs else [])]
        self._openssl(*query)
        return self.answer((folder / "query").read_bytes(), signer_digest=signer_digest, ess=ess)

    def answer(self, query: bytes, *, signer_digest: str = "sha256", ess: str = "sha256") -> bytes:
        """A TimeStampResp for a TimeStampReq."""
        folder = self.folder
        folder.mkdir(exist_ok=True)
        (folder / "query").write_bytes(query)
        (folder / "serial").write_text("01\n")
        (folder / "config").write_text(CONFIG.format(folder=folder, digest=signer_digest, ess=ess))
        (folder / "signer.pem").write_bytes(self.stamper.pem)
        (folder / "signer.key").write_bytes(self.stamper.key_pem)
        (folder / "chain.pem").write_bytes(b"".join(one.pem for one in self.stamper.chain[1:]))
        files = ["-signer", "signer.pem", "-inkey", "signer.key", "-chain", "chain.pem"]
        self._openssl(
            "ts", "-reply", "-queryfile", "query", "-config", "config", "-section", "tsa", *files, "-out", "reply"
        )
        return (folder / "reply").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            [tool("openssl"), *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def real_now() -> datetime.datetime:
    """The machine's time, which ``openssl ts`` uses."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def around(moment: datetime.datetime, profile: Profile, span: datetime.timedelta = 30 * DAY) -> Profile:
    """The same profile, valid around another moment."""
    return profile.with_(begin=moment - span, end=moment + span)


def tsa(folder: Path, profile: Profile = STAMPER, *, authority: Profile = AUTHORITY, kind: str = "p256") -> Tsa:
    """An authority with a root of its own, valid now."""
    now = real_now()
    top = issue(subject("tsa root"), None, around(now, authority, YEAR), number=10)
    return Tsa(folder, issue(subject("tsa"), top, around(now, profile), kind=kind, number=11))
