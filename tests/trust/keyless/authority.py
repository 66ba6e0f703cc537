"""A whole private instance of Sigstore, and the bundles that it would give."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from modelpack.trust.seal import Form, Seal
from tests.trust.keyless.certificates import SIGNATURE, Claims, Fulcio, key_id, spki
from tests.trust.keyless.rekor import Document, Rekor, b64, dsse_body, hashed_body

IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = (
    b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"' + b"89" * 32 + b'"}}],'
    b'"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}'
)
ALICE = "alice@acme.example"
ISSUER = "https://accounts.acme.example"
START = datetime(2024, 1, 1, tzinfo=UTC)
SIGNED = datetime(2025, 6, 1, 12, 0, 30, tzinfo=UTC)


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def seal_of(document: Document | bytes, *, message: bytes | None = None) -> Seal:
    """A bundle as the reader of attachments hands it on, with the message that is asked about."""
    raw = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    parsed: Document = json.loads(raw)
    envelope = parsed["dsseEnvelope"]
    return Seal(
        Form.DSSE,
        pae(decode(envelope["payload"]), envelope["payloadType"]) if message is None else message,
        decode(envelope["signatures"][0]["sig"]),
        logged=bool(parsed["verificationMaterial"].get("tlogEntries")),
        raw=raw,
        media_type=BUNDLE,
    )


def decode(text: str) -> bytes:
    return base64.b64decode(text)


@dataclass(frozen=True, slots=True)
class Instance:
    """Fulcio and Rekor of one trusted root; ``clock`` is the DER chain of a timestamp authority, if there is one."""

    fulcio: Fulcio
    rekor: Rekor
    clock: tuple[bytes, ...] = ()

    @classmethod
    def make(cls, start: datetime = START, *, name: str = "rekor.test") -> Self:
        return cls(Fulcio.make(start), Rekor(name))

    def claims(self, identity: str = ALICE, issuer: str = ISSUER, at: datetime = SIGNED) -> Claims:
        """Valid from half a minute before it is used."""
        return Claims(identity, issuer, at - timedelta(seconds=30))

    def sign(self, statement: bytes = STATEMENT, claims: Claims | None = None, at: datetime = SIGNED) -> Document:
        """A bundle as Rekor version 1 makes it possible."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.fulcio.issue(key.public_key(), claims or self.claims())
        signature = key.sign(pae(statement), SIGNATURE)
        entry = self.rekor.append(dsse_body(statement, signature, certificate), at)
        return assemble(statement, signature, certificate.public_bytes(Encoding.DER), entry)

    def sign_v2(self, statement: bytes = STATEMENT, *, at: datetime = SIGNED) -> tuple[Document, bytes]:
        """A bundle as version 2 makes it possible, still without the timestamp that it needs; and the signature."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.fulcio.issue(key.public_key(), self.claims(at=at))
        signature = key.sign(pae(statement), SIGNATURE)
        entry = self.rekor.append(
            hashed_body(hashlib.sha256(pae(statement)).digest(), signature, certificate), at, promise=False
        )
        return assemble(statement, signature, certificate.public_bytes(Encoding.DER), entry), signature

    def root(self) -> Document:
        """The trusted root."""
        period = {"start": "2024-01-01T00:00:00Z"}
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log(f"https://{self.rekor.name}", self.rekor.key, period)],
            "certificateAuthorities": [_authority("https://fulcio.test", self.fulcio.chain, dict(period))],
            "ctlogs": [_log("https://ctfe.test", self.fulcio.log, dict(period))],
        }
        if self.clock:
            document["timestampAuthorities"] = [_authority("https://clock.test", [*self.clock], dict(period))]
        return document

    def trusted_root(self) -> bytes:
        return json.dumps(self.root()).encode()

    def timed(self, chain: tuple[bytes, ...]) -> Self:
        """The same with a timestamp authority."""
        return replace(self, clock=chain)


def assemble(statement: bytes, signature: bytes, certificate: bytes, entry: Document) -> Document:
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"certificate": {"rawBytes": b64(certificate)}, "tlogEntries": [entry]},
        "dsseEnvelope": {"payload": b64(statement), "payloadType": IN_TOTO, "signatures": [{"sig": b64(signature)}]},
    }


def _log(url: str, key: ec.EllipticCurvePrivateKey, period: dict[str, str]) -> Document:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": period},
        "logId": {"keyId": b64(key_id(key))},
    }


def _authority(url: str, chain: list[bytes], period: dict[str, str]) -> Document:
    return {
        "subject": {"organization": "modelpack tests", "commonName": "fulcio root"},
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": b64(certificate)} for certificate in chain]},
        "validFor": period,
    }
