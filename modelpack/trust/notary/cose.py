"""Envelopes as CBOR: COSE_Sign1 (RFC 9052, section 4.2). Read, never written.

cbor2 is told to be strict, and what it read must encode to the same bytes again: then there is one way to read them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias

from modelpack.errors import CannotVerify, DocumentError
from modelpack.trust.notary import envelope
from modelpack.trust.notary.algorithms import BY_NUMBER
from modelpack.trust.notary.envelope import MAX_ENVELOPE, MAX_PAYLOAD, Envelope, read_target

DOCUMENT = "Notary signature"
_TAG = 18
_ALG, _CRIT, _CONTENT_TYPE, _X5CHAIN = 1, 2, 3, 33
_MAX_DEPTH = 8
_REFUSED = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 54, 52, 100, 256, 258, 260, 261, 1004, 43000)
"""Tags that cbor2 makes objects of, some of them costly (regular expressions, references), and that do not belong here."""

Headers: TypeAlias = "dict[int | str, object]"


def parse(raw: bytes) -> Envelope:
    """Read an envelope. Raises DocumentError, CannotVerify (cbor2 is not installed)."""
    protected, unprotected, payload, signature = _parts(raw)
    headers = _headers(_decoded(protected), "protected")
    others = _headers(unprotected, "unprotected")
    if headers.get(_CONTENT_TYPE) != envelope.PAYLOAD:
        _fail("protected", f"the content type {envelope.PAYLOAD} is required")
    number = headers.get(_ALG)
    return Envelope(
        media_type=envelope.COSE,
        algorithm=BY_NUMBER.get(number, f"COSE algorithm {number}") if isinstance(number, int) else "no algorithm",
        message=_encoded(["Signature1", protected, b"", payload]),
        signature=signature,
        headers=frozenset(name for name in headers if isinstance(name, str)),
        critical=_critical(headers),
        scheme=_text(headers, envelope.SCHEME),
        signing_time=_time(headers, envelope.SIGNING_TIME),
        authentic_time=_time(headers, envelope.AUTHENTIC_TIME),
        expiry=_time(headers, envelope.EXPIRY),
        chain=_chain(others),
        timestamp=_bytes(others.get(envelope.TIMESTAMP, b""), envelope.TIMESTAMP),
        agent=_text(others, envelope.AGENT, ""),
        target=read_target(payload),
    )


def _parts(raw: bytes) -> tuple[bytes, object, bytes, bytes]:
    tagged = _decoded(raw)
    value = getattr(tagged, "value", None)
    if getattr(tagged, "tag", None) != _TAG or not isinstance(value, list | tuple) or len(value) != 4:
        _fail("", "not a tagged COSE_Sign1")
    protected, unprotected, payload, signature = value
    if not isinstance(payload, bytes) or len(payload) > MAX_PAYLOAD:
        _fail("payload", f"at most {MAX_PAYLOAD} bytes are required in the envelope itself")
    return _bytes(protected, "protected"), unprotected, payload, _bytes(signature, "signature")


def _decoded(data: bytes) -> object:
    if len(data) > MAX_ENVELOPE:
        _fail("", f"{len(data)} bytes are more than the {MAX_ENVELOPE} allowed")
    cbor2 = _cbor2()
    try:
        value: object = cbor2.loads(
            data,
            semantic_decoders=dict.fromkeys(_REFUSED, _refuse),
            max_depth=_MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        again = _encoded(value)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        _fail("", f"not readable as CBOR ({reason!a})")
    if again != data:
        _fail("", "not in the one form that CBOR has for it")
    return value


def _encoded(value: object) -> bytes:
    data: bytes = _cbor2().dumps(value, datetime_as_timestamp=True, timezone=UTC)
    return data


def _cbor2() -> Any:
    try:
        import cbor2
    except ImportError:
        raise CannotVerify(
            "the signature is in COSE form, which cannot be read here: cbor2 is not installed",
            hint="pip install 'modelpack-toolkit[cose]'",
        ) from None
    return cbor2


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a tag that does not belong here")


def _headers(value: object, place: str) -> Headers:
    if not hasattr(value, "items"):
        _fail(place, "a map is required")
    found = dict(value.items())
    if not all(type(name) in (int, str) for name in found):
        _fail(place, "names must be texts or whole numbers")
    return found


def _critical(headers: Headers) -> tuple[str, ...]:
    """Numbers as texts: none of them may be critical, and none looks like a name."""
    value = headers.get(_CRIT)
    if not isinstance(value, list | tuple) or not all(type(name) in (int, str) for name in value):
        _fail("protected", "a list of critical headers is required")
    return tuple(str(name) for name in value)


def _chain(headers: Headers) -> tuple[bytes, ...]:
    """One certificate may stand without a list around it (RFC 9360, section 2)."""
    value = headers.get(_X5CHAIN)
    if isinstance(value, bytes):
        return (value,)
    if not isinstance(value, list | tuple):
        _fail("unprotected", "a chain of certificates is required")
    return tuple(_bytes(der, "x5chain") for der in value)


def _text(headers: Headers, name: str, default: str | None = None) -> str:
    value = headers.get(name, default)
    if not isinstance(value, str):
        _fail(name, "a text is required")
    return value


def _time(headers: Headers, name: str) -> datetime | None:
    """Seconds since 1970 (tag 1), which cbor2 makes a datetime of; None if absent."""
    value = headers.get(name)
    if value is None and name not in headers:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        _fail(name, "a time is required")
    return value.astimezone(UTC)


def _bytes(value: object, place: str) -> bytes:
    if not isinstance(value, bytes):
        _fail(place, "bytes are required")
    return value


def _fail(place: str, reason: str) -> NoReturn:
    raise DocumentError(DOCUMENT, place, reason)
