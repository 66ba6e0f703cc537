"""cosign's first layout, "simple signing" (cosign ``specs/SIGNATURE_SPEC.md``; containers/image reads it too)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from modelpack.errors import DocumentError
from modelpack.oci import Descriptor, Digest, JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.seal import Form, Seal

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
MAX_PAYLOAD = 1 << 20
_TYPE = "cosign container image signature"


@dataclass(frozen=True, slots=True)
class SimplePayload:
    """What is signed: the digest of a manifest, the name that it had, and free annotations."""

    digest: Digest
    reference: str
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a payload. Raises DocumentError; also for another type of payload, which cosign itself does not notice."""
        fields = Fields(loads_object(raw, "payload", limit=MAX_PAYLOAD), "payload")
        critical = fields.object("critical")
        if critical.text("type") != _TYPE:
            critical.fail("type", f"{_TYPE!r} is required")
        optional = fields.object("optional").value
        return cls(
            digest=critical.object("image").digest("docker-manifest-digest"),
            reference=critical.object("identity").text("docker-reference", ""),
            annotations={key: value for key, value in optional.items() if isinstance(value, str)},
        )

    def to_bytes(self) -> bytes:
        """The bytes that Go writes for the same values."""
        critical: JSONObject = {
            "identity": {"docker-reference": self.reference},
            "image": {"docker-manifest-digest": str(self.digest)},
            "type": _TYPE,
        }
        optional: JSONObject = {key: self.annotations[key] for key in sorted(self.annotations)}
        return dumps({"critical": critical, "optional": optional or None})


def simple_seal(layer: Descriptor, payload: bytes) -> Seal:
    """The seal that a layer's annotations make with its content. Raises DocumentError."""
    return annotated_seal(
        layer, Form.SIMPLE, payload, _base64(layer.annotations.get(SIGNATURE, ""), SIGNATURE), payload
    )


def annotated_seal(layer: Descriptor, form: Form, message: bytes, signature: bytes, raw: bytes) -> Seal:
    """A seal whose certificates and timestamps stand in a layer's annotations. Raises DocumentError."""
    notes = layer.annotations
    certificates = _pem(notes.get(CERTIFICATE, ""))
    return Seal(
        form,
        message,
        signature,
        certificates=(*certificates, *_pem(notes.get(CHAIN, ""))) if certificates else (),
        timestamps=_timestamps(notes.get(TIMESTAMP, "")),
        # Log entries of this layout lack what the sigstore package needs to check them: they count for nothing.
        raw=raw,
        media_type=layer.media_type,
    )


def _timestamps(text: str) -> tuple[bytes, ...]:
    if not text:
        return ()
    fields = Fields(loads_object(text.encode(), TIMESTAMP), TIMESTAMP)
    return (_base64(fields.text("SignedRFC3161Timestamp"), TIMESTAMP),)


def _pem(text: str) -> tuple[bytes, ...]:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return tuple(_base64("".join(part.partition(end)[0].split()), CERTIFICATE) for part in text.split(begin)[1:11])


def _base64(text: str, name: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise DocumentError("layer", f"annotations[{name!r}]", "base64 is required")
    return data
