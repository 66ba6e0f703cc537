"""Signing as the Notary Project does it: a JWS envelope that notation and its relatives verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from modelpack.errors import BadSignature, CannotVerify, InputError
from modelpack.oci import Descriptor, JSONObject, dumps
from modelpack.trust.keys import Signer
from modelpack.trust.notary import algorithms, jws
from modelpack.trust.notary.envelope import MAX_PAYLOAD, PREFIX
from modelpack.trust.x509 import (
    MAX_CHAIN,
    NOTARY,
    Certificate,
    Period,
    check_complete,
    check_rules,
    check_time,
    load_certificates,
)

AGENT = "modelpack"


def sign(
    target: Descriptor,
    signer: Signer,
    chain: bytes | Sequence[Certificate],
    *,
    now: datetime,
    expiry: datetime | None = None,
    annotations: Mapping[str, str] | None = None,
    agent: str = AGENT,
    stamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Sign a manifest; returns the envelope.

    ``chain`` is the certificate of the signer's key, then its issuers up to the root, as PEM or read. ``now`` and ``expiry``
    have a time zone. ``annotations`` are signed too, ``agent`` is not. ``stamp`` gets the signature and returns a
    TimeStampToken over it (RFC 3161).

    Raises InputError for keys and chains that verifiers would refuse, and whatever ``signer`` and ``stamp`` raise.
    """
    certificates = load_certificates(chain, "the chain") if isinstance(chain, bytes) else tuple(chain)
    algorithm = algorithms.algorithm_of(signer.public_key)
    check_chain(certificates, signer, now)
    if expiry is not None and expiry <= now:
        raise InputError("the signature would expire before it is made")
    protected, payload = jws.protect(algorithm.name, now, expiry), _payload(target, annotations or {})
    message = jws.message(protected, payload)
    signature = algorithms.to_raw(signer.sign(message, algorithm.scheme), algorithm)
    try:
        algorithms.verify(certificates[0].key, algorithm.name, signature, message)
    except BadSignature:
        raise InputError("what the signer returned is not a signature by its own key") from None
    return jws.build(
        protected,
        payload,
        signature,
        chain=tuple(certificate.der for certificate in certificates),
        agent=agent,
        timestamp=stamp(signature) if stamp else b"",
    )


def check_chain(chain: Sequence[Certificate], signer: Signer, now: datetime) -> None:
    """Raises InputError unless verifiers will accept signatures by ``signer`` with this chain."""
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise InputError(f"the chain has {len(chain)} certificates; 1 to {MAX_CHAIN} are allowed")
    if chain[0].key != signer.public_key:
        raise InputError(
            f"the certificate of {chain[0]}, first in the chain, is for another key",
            hint="the signer's certificate comes first, then its issuers, the root last",
        )
    try:
        check_complete(chain)
        check_rules(chain, NOTARY)
        check_time(chain, Period.at(now))
    except (BadSignature, CannotVerify) as error:
        raise InputError(
            f"verifiers would refuse this chain: {error}",
            hint="leaf, intermediates in order, and the root are required",
        ) from None


def _payload(target: Descriptor, annotations: Mapping[str, str]) -> bytes:
    if reserved := [name for name in annotations if name.startswith(PREFIX)]:
        raise InputError(f"the annotation {reserved[0]!r} is reserved for the Notary Project")
    signed: JSONObject = target.plain().to_json()
    if annotations:
        signed["annotations"] = {name: annotations[name] for name in sorted(annotations)}
    payload = dumps({"targetArtifact": signed})
    if len(payload) > MAX_PAYLOAD:
        raise InputError(f"annotations of {len(payload)} bytes are too many to sign")
    return payload
