"""Who a Fulcio certificate says has signed, and patterns for it.

Source: sigstore/fulcio, ``docs/certificate-specification.md`` and ``docs/oid-info.md``.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from modelpack.errors import BadSignature, InputError
from modelpack.oci import dumps
from modelpack.trust.keyless.words import shown

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, GeneralName

_ISSUER = "1.3.6.1.4.1.57264.1.8"
_ISSUER_RAW = "1.3.6.1.4.1.57264.1.1"
"""The older extension with the same meaning, which holds the text without an encoding."""
_OTHER_NAME = "1.3.6.1.4.1.57264.1.7"
_MAX_PATTERN = 512
_MAX_MATCHED = 512
_MAX_REPEATS = 3
_PLAIN_PARTS = re.compile(r"\\[^0-9A-Za-z]|\\[dDsSwW]|\[\^?\]?(?:\\.|[^\]\\])*\]")


@dataclass(frozen=True, slots=True)
class Names:
    """An account (a mail address, the address of a workflow) and the identity provider that knows it."""

    identity: str
    issuer: str

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """Read them. Raises BadSignature: exactly one name is allowed, and what stands twice must agree."""
        from cryptography import x509

        try:
            names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
            identity = _name(names[0]) if len(names) == 1 else ""
            issuer = _issuer(certificate)
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            identity = issuer = ""
        if not identity or not issuer:
            raise BadSignature("the certificate does not name one account and its identity provider")
        return cls(identity, issuer)

    def __str__(self) -> str:
        return f"{shown(self.identity)} ({shown(self.issuer)})"

    @property
    def key(self) -> str:
        """A fingerprint: the same for all certificates of one account."""
        return hashlib.sha256(dumps([self.issuer, self.identity])).hexdigest()


def _name(name: GeneralName) -> str:
    from cryptography import x509
    from cryptography.hazmat import asn1

    match name:
        case x509.RFC822Name() | x509.UniformResourceIdentifier():
            return name.value
        case x509.OtherName() if name.type_id.dotted_string == _OTHER_NAME:
            return asn1.decode_der(str, name.value)
    return ""


def _issuer(certificate: Certificate) -> str:
    from cryptography import x509
    from cryptography.hazmat import asn1

    found = {
        extension.oid.dotted_string: extension.value.value
        for extension in certificate.extensions
        if isinstance(extension.value, x509.UnrecognizedExtension)
    }
    said = [asn1.decode_der(str, found[_ISSUER])] if _ISSUER in found else []
    said += [found[_ISSUER_RAW].decode()] if _ISSUER_RAW in found else []
    return said[0] if len(set(said)) == 1 else ""


def check_pattern(pattern: str, what: str) -> None:
    """Raise InputError for a regular expression that is wrong, or that a hostile name could keep busy for long.

    What can be repeated is one character or one class, three times at most: then the time grows with the cube of at most 512
    characters. ``what`` stands in the message.
    """
    hint = "characters, classes, (a|b) without repetition, and at most three of * + ? {n} are allowed"
    if len(pattern) > _MAX_PATTERN:
        raise InputError(f"{what} is longer than {_MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # about what may mean something else one day, such as [[
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning):
        raise InputError(f"{what} is not a regular expression: {shown(pattern)}") from None
    plain = _PLAIN_PARTS.sub("x", pattern)
    if "\\" in plain or re.search(r"\)[*+?{]", plain) or re.search(r"\(\?(?!:)", plain):
        raise InputError(f"{what} uses more than what is allowed here: {shown(pattern)}", hint=hint)
    if len(re.findall(r"[*+{]|(?<!\()\?", plain)) > _MAX_REPEATS:
        raise InputError(f"{what} repeats more than {_MAX_REPEATS} times: {shown(pattern)}", hint=hint)


def matches(pattern: str, text: str) -> bool:
    """Whether a regular expression fits the whole of a text."""
    return len(text) <= _MAX_MATCHED and re.fullmatch(pattern, text) is not None
