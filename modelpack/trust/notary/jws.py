"""Envelopes as JSON: JWS in its flattened form (RFC 7515, section 7.2.2).

Read by hand, since the usual JWT libraries let the document choose too much: the algorithm, the key, what is critical.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

from modelpack.oci import JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.notary import envelope
from modelpack.trust.notary.envelope import MAX_ENVELOPE, MAX_PAYLOAD, Envelope, read_target, refuse_twins

DOCUMENT = "Notary signature"
_MEMBERS = frozenset({"payload", "protected", "header", "signature"})
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse(raw: bytes) -> Envelope:
    """Read an envelope. Raises DocumentError."""
    top = Fields(loads_object(raw, DOCUMENT, limit=MAX_ENVELOPE), DOCUMENT)
    if unknown := sorted(set(top.value) - _MEMBERS):
        top.fail(unknown[0], "does not belong in a flattened JWS")
    payload, signature = _url_safe(top, "payload"), _url_safe(top, "signature")
    protected = Fields(loads_object(_url_safe(top, "protected"), DOCUMENT, limit=MAX_PAYLOAD), DOCUMENT, "protected")
    unprotected = top.object("header")
    for part in (protected, unprotected):
        refuse_twins(part)
    if protected.text("cty") != envelope.PAYLOAD:
        protected.fail("cty", f"{envelope.PAYLOAD} is required")
    return Envelope(
        media_type=envelope.JWS,
        algorithm=protected.text("alg"),
        message=f"{top.text('protected')}.{top.text('payload')}".encode(),
        signature=signature,
        headers=frozenset(protected.value),
        critical=protected.texts("crit"),
        scheme=protected.text(envelope.SCHEME),
        signing_time=_time(protected, envelope.SIGNING_TIME),
        authentic_time=_time(protected, envelope.AUTHENTIC_TIME),
        expiry=_time(protected, envelope.EXPIRY),
        chain=tuple(_standard(unprotected, "x5c", text) for text in unprotected.texts("x5c")),
        timestamp=_standard(unprotected, envelope.TIMESTAMP, unprotected.text(envelope.TIMESTAMP, "")),
        agent=unprotected.text(envelope.AGENT, ""),
        target=read_target(payload),
    )


def protect(algorithm: str, signed: datetime, expiry: datetime | None) -> bytes:
    """The protected header of the scheme ``notary.x509``; both times have a time zone, and are told in whole seconds."""
    header: JSONObject = {
        "alg": algorithm,
        "crit": [envelope.SCHEME, *([envelope.EXPIRY] if expiry else [])],
        "cty": envelope.PAYLOAD,
    }
    if expiry:
        header[envelope.EXPIRY] = to_text(expiry)
    header[envelope.SCHEME] = envelope.X509
    header[envelope.SIGNING_TIME] = to_text(signed)
    return dumps(header)


def message(protected: bytes, payload: bytes) -> bytes:
    """What is signed (RFC 7515, section 5.1)."""
    return f"{_encode(protected)}.{_encode(payload)}".encode()


def build(
    protected: bytes, payload: bytes, signature: bytes, *, chain: tuple[bytes, ...], agent: str, timestamp: bytes = b""
) -> bytes:
    """Write an envelope."""
    header: JSONObject = {"x5c": [base64.b64encode(der).decode() for der in chain]}
    if timestamp:
        header[envelope.TIMESTAMP] = base64.b64encode(timestamp).decode()
    header[envelope.AGENT] = agent
    return dumps(
        {
            "payload": _encode(payload),
            "protected": _encode(protected),
            "header": header,
            "signature": _encode(signature),
        }
    )


def to_text(time: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _url_safe(fields: Fields, key: str) -> bytes:
    """base64url without padding, and with nothing in the bits that are left over: one text for each bytes."""
    text = fields.text(key)
    if not text or not _URL_SAFE.fullmatch(text) or len(text) % 4 == 1:
        fields.fail(key, "base64url without padding is required")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(data) != text:
        fields.fail(key, "base64url with stray bits at its end")
    return data


def _standard(fields: Fields, key: str, text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        fields.fail(key, "base64 is required")
    if base64.b64encode(data).decode() != text:
        fields.fail(key, "base64 with stray bits at its end")
    return data


def _time(fields: Fields, key: str) -> datetime | None:
    """RFC 3339, with any offset; None if absent."""
    if key not in fields.value:
        return None
    match = _TIME.fullmatch(fields.text(key))
    if not match:
        fields.fail(key, "a time such as 2030-01-31T12:00:00Z is required")
    try:
        return datetime.fromisoformat(match[1] + (match[2] or "")[:7] + match[3]).astimezone(UTC)
    except (ValueError, OverflowError):
        fields.fail(key, "no such time")
