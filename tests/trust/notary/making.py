"""Envelopes that are wrong in one point and signed all the same, in both forms."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2

from modelpack.oci import Descriptor, Digest
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.trust.notary import COSE, JWS, NotaryIdentity, TrustPolicy, algorithm_of, read
from modelpack.trust.notary.algorithms import to_raw
from modelpack.trust.notary.envelope import PAYLOAD
from modelpack.trust.notary.truststore import Given
from modelpack.trust.seal import Circumstances, Voucher
from tests.trust.notary.notation import policy
from tests.trust.x509.making import LEAF, NOW, Issued, intermediate, leaf, root

ROOT = root()
ISSUING = intermediate(ROOT)
SIGNER = leaf(LEAF, ISSUING)
TARGET = Descriptor(OCI_MANIFEST, Digest.of(b"a model"), 1234)
PREFIX = "io.cncf.notary."
ABSENT = object()
"""Stands for a header that is to be left out."""


def target(**changes: Any) -> bytes:
    document = {"mediaType": OCI_MANIFEST, "digest": str(TARGET.digest), "size": TARGET.size, **changes}
    return json.dumps({"targetArtifact": document}).encode()


def url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _merged(usual: dict[Any, Any], changes: dict[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value is not ABSENT}


def jws(
    *,
    signer: Issued = SIGNER,
    protected: dict[str, Any] | bytes | None = None,
    header: dict[str, Any] | None = None,
    payload: bytes | None = None,
    top: dict[str, Any] | None = None,
    signature: bytes | None = None,
) -> bytes:
    """An envelope like ours, with members changed, or left out if :data:`ABSENT`."""
    algorithm = algorithm_of(signer.signer.public_key)
    usual = {
        "alg": algorithm.name,
        "crit": [PREFIX + "signingScheme"],
        "cty": PAYLOAD,
        PREFIX + "signingScheme": "notary.x509",
        PREFIX + "signingTime": "2030-06-15T11:00:00Z",
    }
    if not isinstance(protected, bytes):
        protected = json.dumps(_merged(usual, protected or {})).encode()
    head, body = url_safe(protected), url_safe(target() if payload is None else payload)
    if signature is None:
        signature = to_raw(signer.signer.sign(f"{head}.{body}".encode(), algorithm.scheme), algorithm)
    certificates = {"x5c": [base64.b64encode(der).decode() for der in signer.ders], PREFIX + "signingAgent": "tests"}
    document = {
        "payload": body,
        "protected": head,
        "header": _merged(certificates, header or {}),
        "signature": url_safe(signature),
    }
    return json.dumps(_merged(document, top or {})).encode()


def cose(
    *,
    signer: Issued = SIGNER,
    protected: dict[Any, Any] | bytes | None = None,
    header: Any = None,
    payload: Any = None,
    tag: int = 18,
) -> bytes:
    """The same as COSE_Sign1."""
    algorithm = algorithm_of(signer.signer.public_key)
    usual = {
        1: algorithm.number,
        2: [PREFIX + "signingScheme"],
        3: PAYLOAD,
        PREFIX + "signingTime": datetime(2030, 6, 15, 11, tzinfo=UTC),
        PREFIX + "signingScheme": "notary.x509",
    }
    if not isinstance(protected, bytes):
        protected = encode(_merged(usual, protected or {}))
    payload = target() if payload is None else payload
    message = encode(["Signature1", protected, b"", payload])
    signature = to_raw(signer.signer.sign(message, algorithm.scheme), algorithm)
    others = {33: list(signer.ders), PREFIX + "signingAgent": "tests"}
    header = _merged(others, header) if isinstance(header, dict) else (others if header is None else header)
    return encode(cbor2.CBORTag(tag, [protected, header, payload, signature]))


def encode(value: Any) -> bytes:
    return cbor2.dumps(value, datetime_as_timestamp=True, timezone=UTC)


def make(form: str, **changes: Any) -> bytes:
    return jws(**changes) if form == JWS else cose(**changes)


def time(form: str, moment: datetime) -> Any:
    """A time as the form has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if form == JWS else moment


def critical(form: str, *names: str) -> dict[Any, Any]:
    """The header that says what is critical, with the signing scheme in it."""
    return {"crit" if form == JWS else 2: [PREFIX + "signingScheme", *names]}


def identity(
    document: dict[str, Any] | None = None, *, roots: tuple[Issued, ...] = (ROOT,), **stores: Issued
) -> NotaryIdentity:
    """Trusts ``roots`` as ``ca:acme``, and others by keyword: ``tsa=…``, ``signingAuthority=…``."""
    known = {("ca", "acme"): tuple(one.certificate for one in roots)}
    known |= {(kind, "acme"): (one.certificate,) for kind, one in stores.items()}
    parsed = TrustPolicy.parse(json.dumps(document or policy()).encode())
    return NotaryIdentity("acme", parsed, Given(known))


def judge(
    raw: bytes,
    media_type: str = JWS,
    *,
    by: NotaryIdentity | None = None,
    now: datetime = NOW,
    repository: str = "registry.example/ml/tiny",
) -> Voucher:
    seal, _ = read(media_type, raw)
    return (by or identity()).check(seal, Circumstances(now, repository))


HOUR = timedelta(hours=1)
FORMS = (JWS, COSE)
