"""Which algorithm a key signs with: the Notary Project leaves no choice (signature-specification.md, "Signature Algorithm")."""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.errors import BadSignature, InputError
from modelpack.trust.keys import PublicKey, Scheme


@dataclass(frozen=True, slots=True)
class Algorithm:
    """``name`` in JWS (RFC 7518), ``number`` in COSE (RFC 9053). ``half`` is the bytes of r and of s in an ECDSA signature,
    0 for RSA.
    """

    name: str
    number: int
    scheme: Scheme
    half: int = 0


_BY_CURVE = {
    "ecdsa-p256": Algorithm("ES256", -7, Scheme.ECDSA_SHA256, 32),
    "ecdsa-p384": Algorithm("ES384", -35, Scheme.ECDSA_SHA384, 48),
    "ecdsa-p521": Algorithm("ES512", -36, Scheme.ECDSA_SHA512, 66),
}
_BY_BITS = {
    2048: Algorithm("PS256", -37, Scheme.RSA_PSS_SHA256),
    3072: Algorithm("PS384", -38, Scheme.RSA_PSS_SHA384),
    4096: Algorithm("PS512", -39, Scheme.RSA_PSS_SHA512),
}
BY_NUMBER = {known.number: known.name for known in (*_BY_CURVE.values(), *_BY_BITS.values())}
"""The names by their numbers in COSE."""


def algorithm_of(key: PublicKey) -> Algorithm:
    """The one algorithm of a key. Raises InputError for keys that the Notary Project does not allow."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    raw = key.raw()
    bits = raw.key_size if isinstance(raw, RSAPublicKey) else 0
    found = _BY_BITS.get(bits) or _BY_CURVE.get(key.kind)
    if not found:
        kind = f"RSA keys of {bits} bits" if bits else f"keys of the kind {key.kind}"
        raise InputError(
            f"the Notary Project has no signatures by {kind}",
            hint="ECDSA on P-256, P-384 or P-521, or RSA with 2048, 3072 or 4096 bits",
        )
    return found


def to_raw(signature: bytes, algorithm: Algorithm) -> bytes:
    """From DER to r and s side by side, as JWS and COSE have it; RSA stays as it is. Raises InputError."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if not algorithm.half:
        return signature
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(algorithm.half, "big") + s.to_bytes(algorithm.half, "big")
    except (ValueError, OverflowError):
        raise InputError("the signer did not return an ECDSA signature in DER") from None


def verify(key: PublicKey, algorithm: str, signature: bytes, message: bytes) -> None:
    """Verify with the algorithm that follows from the key. Raises BadSignature, also if the envelope names another one."""
    try:
        expected = algorithm_of(key)
    except InputError as error:
        raise BadSignature(str(error)) from None
    if algorithm != expected.name:
        raise BadSignature(
            f"the signature says {algorithm[:20]!a}, but its certificate's key signs with {expected.name}"
        )
    key.verify(_to_der(signature, expected), message, expected.scheme)


def _to_der(signature: bytes, algorithm: Algorithm) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = algorithm.half
    if not half:
        return signature
    if len(signature) != 2 * half:
        raise BadSignature(f"a signature with {algorithm.name} has {2 * half} bytes, not {len(signature)}")
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
