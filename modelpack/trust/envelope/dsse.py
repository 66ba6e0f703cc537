"""DSSE envelopes (secure-systems-lab/dsse, ``envelope.md`` and ``protocol.md`` v1.0)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from modelpack.oci import JSONObject
from modelpack.oci.fields import Fields
from modelpack.trust.envelope.base64text import decode, encode

IN_TOTO = "application/vnd.in-toto+json"
"""The payload type of in-toto statements, the only one that counts here."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with exactly one signature. ``keyid`` is not kept: nothing may depend on it."""

    payload_type: str
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def from_json(cls, fields: Fields) -> Self:
        """Read an envelope. Raises DocumentError; also for more than one signature, as Sigstore's bundle demands."""
        only(fields, "payload", "payloadType", "signatures")
        signatures = fields.objects("signatures", limit=100)
        if len(signatures) != 1:
            fields.fail("signatures", f"exactly one is allowed, not {len(signatures)}")
        # `cert` and `extension` are additions that some writers of bare envelopes make; cosign fails on them in bundles.
        only(signatures[0], "sig", "keyid", "cert", "extension")
        return cls(fields.text("payloadType"), decode(fields, "payload"), decode(signatures[0], "sig"))

    @property
    def message(self) -> bytes:
        """What is signed."""
        return pae(self.payload_type, self.payload)

    def to_json(self) -> JSONObject:
        """The JSON object. Without a keyid: cosign skips signatures whose keyid it did not choose itself."""
        return {
            "payload": encode(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"sig": encode(self.signature)}],
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: lengths are in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def only(fields: Fields, *known: str) -> None:
    """Raise DocumentError for members that are not known: cosign refuses such documents too."""
    for key in fields.value:
        if key not in known:
            fields.fail(key, "does not belong here")
