"""Public keys: reading them, naming them, verifying with them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from modelpack.errors import BadSignature, InputError
from modelpack.trust.keys.schemes import ACCEPTED, Scheme

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    RawPublicKey: TypeAlias = "EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey"

MAX_KEY_FILE = 64 << 10
"""Bytes in a key file."""
_MIN_RSA, _MAX_RSA = 2048, 8192
_CURVES = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384", "secp521r1": "ecdsa-p521"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to verify with. ``kind`` is ``ecdsa-p256``, ``ecdsa-p384``, ``ecdsa-p521``, ``ed25519`` or ``rsa``; ``der`` the
    SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7). Two keys are equal if their bytes are.
    """

    kind: str
    der: bytes = field(repr=False)

    @classmethod
    def load(cls, data: bytes, name: str = "the public key") -> Self:
        """Read PEM (``PUBLIC KEY``, ``RSA PUBLIC KEY``). ``name`` stands in messages. Raises InputError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        if b"PRIVATE KEY-----" in data:
            raise InputError(f"{name} is a private key", hint="modelpack key public FILE prints its public half")
        if b"BEGIN CERTIFICATE-----" in data:
            raise InputError(f"{name} is a certificate, not a public key")
        if len(data) > MAX_KEY_FILE:
            raise InputError(f"{name} has {len(data)} bytes, too many for a key")
        try:
            return cls.of(load_pem_public_key(data), name)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError(f"{name} is not a public key in PEM form") from None

    @classmethod
    def of(cls, key: object, name: str = "the key") -> Self:
        """Wrap a key of the ``cryptography`` package. Raises InputError for kinds and sizes that are not supported."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        kind = _kind(key, name)
        der = cast("RawPublicKey", key).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(kind, der)

    @property
    def pem(self) -> bytes:
        """PEM, as ``cosign generate-key-pair`` and ``openssl pkey -pubout`` write it."""
        body = base64.encodebytes(self.der).replace(b"\n", b"")
        lines = [body[start : start + 64] for start in range(0, len(body), 64)]
        return b"\n".join([b"-----BEGIN PUBLIC KEY-----", *lines, b"-----END PUBLIC KEY-----", b""])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, in hexadecimal: how this key is called in tables."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def hint(self) -> str:
        """The same in base64, as cosign writes it into bundles."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    def raw(self) -> RawPublicKey:
        """The key of the ``cryptography`` package."""
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        return cast("RawPublicKey", load_der_public_key(self.der))

    def accepts(self, signature: bytes, message: bytes, *, pss: bool = False) -> bool:
        """Whether one of the schemes that go with this key verifies; RSA-PSS with SHA-256 only if ``pss`` asks for it."""
        schemes = (*ACCEPTED[self.kind], *((Scheme.RSA_PSS_SHA256,) if pss and self.kind == "rsa" else ()))
        return any(self._holds(signature, message, scheme) for scheme in schemes)

    def verify(self, signature: bytes, message: bytes, scheme: Scheme) -> None:
        """Verify with exactly one scheme. Raises BadSignature."""
        if not self._holds(signature, message, scheme):
            raise BadSignature("the signature does not match what was signed")

    def _holds(self, signature: bytes, message: bytes, scheme: Scheme) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        key = self.raw()
        try:
            match key:
                case ec.EllipticCurvePublicKey() if scheme.startswith("ecdsa-"):
                    key.verify(signature, message, ec.ECDSA(hash_of(scheme)))
                case ed25519.Ed25519PublicKey() if scheme is Scheme.ED25519:
                    key.verify(signature, message)
                case rsa.RSAPublicKey() if scheme.startswith("rsa-"):
                    key.verify(signature, message, rsa_padding(scheme), hash_of(scheme))
                case _:
                    return False
        except (InvalidSignature, ValueError):
            return False
        return True


def hash_of(scheme: Scheme) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The hash that a scheme uses (not for Ed25519)."""
    from cryptography.hazmat.primitives import hashes

    if scheme.endswith("sha256"):
        return hashes.SHA256()
    return hashes.SHA384() if scheme.endswith("sha384") else hashes.SHA512()


def rsa_padding(scheme: Scheme) -> padding.PKCS1v15 | padding.PSS:
    """The padding that an RSA scheme uses; a PSS salt is as long as the hash."""
    from cryptography.hazmat.primitives.asymmetric import padding

    if scheme is Scheme.RSA_PKCS1_SHA256:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash_of(scheme)), padding.PSS.DIGEST_LENGTH)


def _kind(key: object, name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ed25519.Ed25519PublicKey():
            return "ed25519"
        case rsa.RSAPublicKey() if _MIN_RSA <= key.key_size <= _MAX_RSA:
            return "rsa"
        case rsa.RSAPublicKey():
            raise InputError(f"{name} is RSA with {key.key_size} bits; {_MIN_RSA} to {_MAX_RSA} are allowed")
    raise InputError(f"{name} is of a kind that is not supported", hint="ECDSA P-256, P-384, P-521, Ed25519 or RSA")
