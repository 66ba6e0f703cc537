"""Signature schemes, and which of them a key uses.

The scheme always follows from the trusted key, never from what a signature says about itself.
"""

from __future__ import annotations

from enum import StrEnum


class Scheme(StrEnum):
    """How a message is signed. ECDSA signatures are DER (RFC 3279), Ed25519 is pure (RFC 8032), PSS salts are as long as the
    hash (RFC 8017).
    """

    ECDSA_SHA256 = "ecdsa-sha256"
    ECDSA_SHA384 = "ecdsa-sha384"
    ECDSA_SHA512 = "ecdsa-sha512"
    ED25519 = "ed25519"
    RSA_PKCS1_SHA256 = "rsa-pkcs1-sha256"
    RSA_PSS_SHA256 = "rsa-pss-sha256"
    RSA_PSS_SHA384 = "rsa-pss-sha384"
    RSA_PSS_SHA512 = "rsa-pss-sha512"


SIGNING = {
    "ecdsa-p256": Scheme.ECDSA_SHA256,
    "ecdsa-p384": Scheme.ECDSA_SHA384,
    "ecdsa-p521": Scheme.ECDSA_SHA512,
    "ed25519": Scheme.ED25519,
    "rsa": Scheme.RSA_PKCS1_SHA256,
}
"""By kind of key: the scheme of the Sigstore formats, and of OpenSSF Model Signing where that allows the key."""

ACCEPTED = {
    # Others sign with SHA-256 whatever the curve (sigstore-js, older cosign); sigstore-go accepts the same pairs.
    "ecdsa-p256": (Scheme.ECDSA_SHA256,),
    "ecdsa-p384": (Scheme.ECDSA_SHA384, Scheme.ECDSA_SHA256),
    "ecdsa-p521": (Scheme.ECDSA_SHA512, Scheme.ECDSA_SHA256),
    "ed25519": (Scheme.ED25519,),
    "rsa": (Scheme.RSA_PKCS1_SHA256,),
}
"""By kind of key: the schemes that count when one of the Sigstore formats is verified."""
