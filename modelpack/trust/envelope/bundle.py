"""Sigstore bundles (protobuf-specs, ``sigstore_bundle.proto``; cosign ``specs/BUNDLE_SPEC.md``), read as strictly as cosign does.

What a transparency log said is left to the ``sigstore`` package; here it is only noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from modelpack.oci import JSON, JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.envelope.base64text import decode, encode
from modelpack.trust.envelope.dsse import Envelope, only
from modelpack.trust.seal import Form, Seal

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VERSIONS = (
    BUNDLE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
)
MAX_BUNDLE = 48 << 20
"""Bytes: base64 makes four of a statement's three."""
_MAX_CERTIFICATES = 10
_MAX_ENTRIES = 32


@dataclass(frozen=True, slots=True)
class Bundle:
    """A DSSE envelope and the seal that says who made it."""

    envelope: Envelope
    seal: Seal

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a bundle with a DSSE envelope. Raises DocumentError."""
        fields = Fields(loads_object(raw, "bundle", limit=MAX_BUNDLE), "bundle")
        only(fields, "mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature")
        if fields.text("mediaType") not in _VERSIONS:
            fields.fail("mediaType", "not a Sigstore bundle that is known here")
        if "messageSignature" in fields.value or "dsseEnvelope" not in fields.value:
            fields.fail("dsseEnvelope", "is missing: this signs a blob, not a statement about a manifest")
        envelope = Envelope.from_json(fields.object("dsseEnvelope"))
        material = fields.object("verificationMaterial")
        only(material, *_MATERIAL, "tlogEntries", "timestampVerificationData")
        if sum(key in material.value for key in _MATERIAL) != 1:
            material.fail("", "exactly one key, certificate or chain is required")
        key = material.object("publicKey")
        only(key, "hint", "rawBytes", "keyDetails")
        seal = Seal(
            Form.DSSE,
            envelope.message,
            envelope.signature,
            hint=key.text("hint", ""),
            certificates=_certificates(material),
            timestamps=_timestamps(material.object("timestampVerificationData")),
            logged=bool(material.objects("tlogEntries", limit=_MAX_ENTRIES)),
            raw=raw,
            media_type=fields.text("mediaType"),
        )
        return cls(envelope, seal)


_MATERIAL = ("publicKey", "certificate", "x509CertificateChain")


def build(envelope: Envelope, *, hint: str = "", certificates: tuple[bytes, ...] = (), chain: bool = False) -> bytes:
    """Write a bundle for a key (its hint) or for certificates (DER, the signer's first).

    Sigstore wants the signer's certificate alone; OpenSSF Model Signing wants the ``chain``.
    """
    entries: list[JSON] = [{"rawBytes": encode(certificate)} for certificate in certificates]
    material: JSONObject
    if not certificates:
        material = {"publicKey": {"hint": hint}}
    elif chain:
        material = {"x509CertificateChain": {"certificates": entries}}
    else:
        material = {"certificate": entries[0]}
    # Readers that are generated from the schema want the empty list.
    material["tlogEntries"] = []
    return dumps({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope.to_json()})


def _certificates(material: Fields) -> tuple[bytes, ...]:
    if "publicKey" in material.value:
        return ()
    if "certificate" in material.value:
        return (_certificate(material.object("certificate")),)
    chain = material.object("x509CertificateChain")
    only(chain, "certificates")
    found = tuple(map(_certificate, chain.objects("certificates", limit=_MAX_CERTIFICATES)))
    if not found:
        chain.fail("certificates", "must not be empty")
    return found


def _certificate(fields: Fields) -> bytes:
    only(fields, "rawBytes")
    return decode(fields, "rawBytes")


def _timestamps(data: Fields) -> tuple[bytes, ...]:
    only(data, "rfc3161Timestamps")
    return tuple(
        decode(entry, "signedTimestamp") for entry in data.objects("rfc3161Timestamps", limit=_MAX_CERTIFICATES)
    )
