"""What every signature format comes down to, and who may judge it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Form(StrEnum):
    """How signed bytes and signature are held together."""

    DSSE = "dsse"
    """A Sigstore bundle, or a bare envelope, with a DSSE signature; the message is the pre-authentication encoding."""

    SIMPLE = "simple"
    """cosign's first layout: a payload, with signature and certificates in annotations; the message is the payload."""

    NOTARY = "notary"
    """A Notary Project envelope, JWS or COSE; ``raw`` is the envelope, and whoever judges it reads it again from there."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature over a message, and what came with it. Nothing in here has been verified.

    ``certificates`` are DER, the signer's first. ``timestamps`` are DER TimeStampResp (RFC 3161) over the signature.
    ``logged`` says that the seal brings entries of a transparency log. ``raw`` are the bytes that all this was read from,
    ``media_type`` what they say they are.
    """

    form: Form
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    hint: str = ""
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    timestamps: tuple[bytes, ...] = field(default=(), repr=False)
    logged: bool = False
    raw: bytes = field(default=b"", repr=False)
    media_type: str = ""


class Cause(StrEnum):
    """Why a signature is not verified, as far as that makes a difference for what to do."""

    NONE = ""
    UNKNOWN_SIGNER = "unknown-signer"
    EXPIRED = "expired"
    """The key, the certificate or the signature itself is out of its time."""

    REVOKED = "revoked"
    OTHER_SUBJECT = "other-subject"
    """It was made for another manifest, or for other files."""

    BROKEN = "broken"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and when a seal is judged: ``now`` (with a time zone), and the repository that is asked about
    (``registry.example/ml/minilm``, or empty for a layout or files on disk).
    """

    now: datetime
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Voucher:
    """A sound signature by somebody who is trusted.

    ``identity`` is the name that the trust has here, ``signer`` says for people who it was, ``key`` is a fingerprint: two
    vouchers with the same key are one signer. ``time`` is when it was signed, if a trusted clock says so.
    """

    identity: str
    signer: str
    key: str
    time: datetime | None = None
    remarks: tuple[str, ...] = ()


class Identity(Protocol):
    """Somebody who is trusted: a key, a name in certificates below some root, an account at an identity provider."""

    @property
    def name(self) -> str:
        """What it is called in policies and tables."""
        ...

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:
        """Judge a seal: whether this identity made it, over exactly ``seal.message``.

        Raises UntrustedIdentity (somebody else's, as far as can be told, or a form that this kind of identity never uses),
        BadSignature (claims to be this identity's and does not hold, or is out of its time), CannotVerify. A parser's
        DocumentError may pass through.
        """
        ...
