"""Every error that modelpack raises, in one tree.

::

    ModelPackError
    ├── InputError              what the caller gave is not usable
    │   ├── InvalidDigest
    │   ├── InvalidReference
    │   └── UnsupportedFormat
    ├── DocumentError           a document (manifest, config, header, Modelfile) breaks its rules
    ├── ContentError            bytes or names are not what was promised
    │   ├── DigestMismatch
    │   ├── SizeMismatch
    │   └── UnsafePath
    ├── StoreError              a store could not do what was asked
    │   ├── NotFound
    │   ├── AccessDenied
    │   ├── RegistryError       the registry answered with an error
    │   ├── Unavailable         no (complete) answer: network, timeout, 5xx after retries
    │   └── NoSpace
    ├── VerificationError       nobody who is trusted vouches for it
    │   ├── NoSignature         nothing of the kind asked for is attached
    │   ├── BadSignature        altered, forged, expired, or made for something else
    │   ├── UntrustedIdentity   a sound signature, or one nobody here can judge, by somebody who is not trusted
    │   └── CannotVerify        could not find out: a part that is not installed, or a format that is not known
    └── PolicyViolation         signed, but not all that the policy asks for

``str(error)`` is one line and never holds a secret. ``error.hint`` says what to do about it, if that is known.
"""

from __future__ import annotations


class ModelPackError(Exception):
    """Base of all errors of this package."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(ModelPackError):
    """An argument, option or input file is not usable as given."""


class InvalidDigest(InputError):
    """Not a digest that the OCI image specification allows, or an algorithm that is not supported."""


class InvalidReference(InputError):
    """Not a reference to a registry (``host/repository:tag``) or a layout (``oci:path:tag``)."""


class UnsupportedFormat(InputError):
    """A valid artifact or file of a kind that this operation does not handle."""


class DocumentError(ModelPackError):
    """A document breaks its rules.

    ``document`` says which one (``"manifest"``), ``path`` where (``"layers[2].size"``, ``""`` for the whole), ``reason`` why.
    """

    def __init__(self, document: str, path: str, reason: str, *, hint: str = "") -> None:
        place = f"{document}: {path}" if path else document
        super().__init__(f"{place}: {reason}", hint=hint)
        self.document = document
        self.path = path
        self.reason = reason


class ContentError(ModelPackError):
    """Content is not what its descriptor or its place promised."""


class DigestMismatch(ContentError):
    """The bytes hash to something else than the descriptor says."""


class SizeMismatch(ContentError):
    """There are fewer or more bytes than the descriptor says."""


class UnsafePath(ContentError):
    """A file name inside an artifact could escape its folder or confuse its readers."""


class StoreError(ModelPackError):
    """A store could not do what was asked."""


class NotFound(StoreError):
    """The store has no such content, tag or repository."""


class AccessDenied(StoreError):
    """The registry wants other credentials (401) or refuses this user (403)."""


class RegistryError(StoreError):
    """The registry answered with an error (OCI distribution-spec, "Error Codes").

    ``status`` is the HTTP status, ``code`` the registry's own word (``"MANIFEST_INVALID"``, may be empty).
    """

    def __init__(self, message: str, *, status: int, code: str, method: str, url: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.method = method
        self.url = url


class Unavailable(StoreError):
    """No complete answer: connection, timeout, or a server that stayed overloaded through all retries."""


class NoSpace(StoreError):
    """The file system is full, or would be."""


class VerificationError(ModelPackError):
    """Nobody who is trusted vouches for it. ``evidence`` is what was found and judged, for who wants to tell more; ``cause`` is
    a word for why, where that makes a difference for what to do (:class:`modelpack.trust.Cause`).
    """

    def __init__(self, message: str, *, hint: str = "", evidence: object = None, cause: str = "") -> None:
        super().__init__(message, hint=hint)
        self.evidence = evidence
        self.cause = cause


class NoSignature(VerificationError):
    """Nothing of the kind asked for is attached."""


class BadSignature(VerificationError):
    """A signature that is altered, forged, expired, or made for something else."""


class UntrustedIdentity(VerificationError):
    """Signed by somebody who is not trusted here."""


class CannotVerify(VerificationError):
    """Could not find out, which is not the same as bad: a part that is not installed, a format that is not known."""


class PolicyViolation(ModelPackError):
    """A policy asks for more than was found. ``findings`` are sentences, ``evidence`` as for VerificationError."""

    def __init__(
        self, message: str, *, findings: tuple[str, ...] = (), hint: str = "", evidence: object = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.findings = findings
        self.evidence = evidence
