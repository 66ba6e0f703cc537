"""Private keys: making them, reading every usual form of them, signing with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self, cast

from modelpack.errors import InputError
from modelpack.trust.keys import keyfile
from modelpack.trust.keys.public import MAX_KEY_FILE, PublicKey, hash_of, rsa_padding
from modelpack.trust.keys.schemes import Scheme

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    RawPrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey

KINDS = ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa")
"""What :func:`generate` makes. P-256 first: the one that every verifier takes."""
_RSA_BITS = 3072


class Signer(Protocol):
    """Who signs: a key in a file, or one that never leaves a KMS, an HSM, a hardware token.

    ``sign`` signs the message, not its hash, and only with schemes that go with the key; it may raise any error.
    """

    @property
    def public_key(self) -> PublicKey:
        """What verifies the signatures."""
        ...

    def sign(self, message: bytes, scheme: Scheme) -> bytes:
        """The signature, in the form that :class:`Scheme` describes."""
        ...


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A :class:`Signer` over a private key in memory."""

    public_key: PublicKey
    _key: RawPrivateKey = field(repr=False, compare=False)

    @classmethod
    def load(cls, data: bytes, password: Callable[[], bytes] = lambda: b"", *, name: str = "the private key") -> Self:
        """Read cosign's key file, or PEM: PKCS#8, encrypted or not, SEC 1, PKCS#1. ``password`` is called only if one is needed.

        Raises InputError (no private key, a wrong password, a kind that is not supported), DocumentError.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

        if len(data) > MAX_KEY_FILE:
            raise InputError(f"{name} has {len(data)} bytes, too many for a key")
        try:
            if keyfile.is_keyfile(data):
                return cls.of(load_der_private_key(keyfile.decrypt(data, password(), name), None), name)
            if b"PRIVATE KEY-----" not in data:
                raise InputError(f"{name} is not a private key in PEM form")
            encrypted = b"BEGIN ENCRYPTED PRIVATE KEY-----" in data or b"ENCRYPTED\n" in data.replace(b"\r", b"")
            return cls.of(load_pem_private_key(data, (password() or None) if encrypted else None), name)
        except TypeError:
            raise InputError(f"{name} needs a password") from None
        except (ValueError, UnsupportedAlgorithm):
            hint = "is the password right?" if b"ENCRYPTED" in data else ""
            raise InputError(f"{name} cannot be read as a private key", hint=hint) from None

    @classmethod
    def of(cls, key: object, name: str = "the private key") -> Self:
        """Wrap a key of the ``cryptography`` package. Raises InputError for kinds that are not supported."""
        known = cast("RawPrivateKey", key)
        public = known.public_key() if hasattr(known, "public_key") else None
        return cls(PublicKey.of(public, name), known)

    @classmethod
    def generate(cls, kind: str = KINDS[0]) -> Self:
        """Make a key of one of :data:`KINDS`. Raises InputError."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        match kind:
            case "ecdsa-p256":
                return cls.of(ec.generate_private_key(ec.SECP256R1()))
            case "ecdsa-p384":
                return cls.of(ec.generate_private_key(ec.SECP384R1()))
            case "ed25519":
                return cls.of(ed25519.Ed25519PrivateKey.generate())
            case "rsa":
                return cls.of(rsa.generate_private_key(65537, _RSA_BITS))
        raise InputError(f"keys of the kind {kind!r} cannot be made", hint=f"one of {', '.join(KINDS)}")

    def sign(self, message: bytes, scheme: Scheme) -> bytes:
        """Sign. Raises InputError if the scheme does not go with the key."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        match self._key:
            case ec.EllipticCurvePrivateKey() as curve if scheme.startswith("ecdsa-"):
                return curve.sign(message, ec.ECDSA(hash_of(scheme)))
            case ed25519.Ed25519PrivateKey() as edwards if scheme is Scheme.ED25519:
                return edwards.sign(message)
            case rsa.RSAPrivateKey() as modulus if scheme.startswith("rsa-"):
                return modulus.sign(message, rsa_padding(scheme), hash_of(scheme))
        raise InputError(f"a key of the kind {self.public_key.kind} cannot sign with {scheme}")

    def to_keyfile(self, password: bytes) -> bytes:
        """Encrypted as cosign does it. The password may be empty, as there: then the file is no secret keeper."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return keyfile.encrypt(self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), password)
