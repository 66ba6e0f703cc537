"""Who a certificate is for: its subject, its alternative names, and what a user writes down to match them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from modelpack.errors import InputError

if TYPE_CHECKING:
    from cryptography import x509

MAX_TEXT = 4096
"""Characters of a subject that a user writes down."""

MANDATORY = ("C", "ST", "O")
"""What the Notary Project wants of every subject in a trust policy (trust-store-trust-policy.md, "Trusted Identities")."""

_SHORT = {
    "2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
    "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.17": "POSTALCODE", "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "EMAILADDRESS",
}  # fmt: skip
_ALIASES = {"S": "ST", "E": "EMAILADDRESS"}
_NAMES = frozenset(_SHORT.values())
_SPECIAL = frozenset(' "#+,;<=>\\')
_HEX = frozenset("0123456789abcdefABCDEF")
_SAN_KINDS = ("email", "uri", "dns")


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name: pairs of type (``CN``, or a dotted number) and value, in the order of the certificate."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, name: x509.Name) -> Self:
        """From the object of the ``cryptography`` package."""
        pairs = ((attribute.oid.dotted_string, attribute.value) for attribute in name)
        return cls(tuple((_SHORT.get(oid, oid), _text(value)) for oid, value in pairs))

    def __str__(self) -> str:
        """As :meth:`Subject.parse` reads it, but with nothing in it that could disturb a terminal."""
        return ", ".join(f"{kind}={escape(value)}" for kind, value in self.pairs)


@dataclass(frozen=True, slots=True)
class Subject:
    """Part of a subject that a certificate must have: ``C=US, ST=WA, O=acme, CN=signer``."""

    wanted: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str, *, mandatory: tuple[str, ...] = ()) -> Self:
        r"""Read ``TYPE=value`` pairs, separated by commas. ``S`` means ``ST``; ``\`` stands before special characters.

        Raises InputError: a type twice or not known, an empty value, several values in one place (``+``), or one of
        ``mandatory`` missing. Source: RFC 4514, as notation restricts it.
        """
        if len(text) > MAX_TEXT:
            raise InputError(f"a subject of {len(text)} characters")
        pairs = tuple(_pairs(text))
        types = [kind for kind, _ in pairs]
        if twice := sorted({kind for kind in types if types.count(kind) > 1}):
            raise InputError(f"the subject {text[:200]!r} has {twice[0]} twice")
        if missing := [kind for kind in mandatory if kind not in types]:
            raise InputError(f"the subject {text[:200]!r} lacks {', '.join(missing)}", hint="C, ST and O are required")
        return cls(pairs)

    def matches(self, name: Name) -> bool:
        """Whether a certificate's subject has all of it, letter for letter, and none of these types a second time."""
        return all([value for kind, value in name.pairs if kind == wanted] == [text] for wanted, text in self.wanted)

    def overlaps(self, other: Subject) -> bool:
        """Whether one of the two is a part of the other, so that it says nothing of its own."""
        mine, theirs = set(self.wanted), set(other.wanted)
        return mine <= theirs or theirs <= mine

    def __str__(self) -> str:
        """As it is written down."""
        return str(Name(self.wanted))


@dataclass(frozen=True, slots=True)
class Alternative:
    """A subject alternative name that a certificate must have. ``kind`` is ``email``, ``uri`` or ``dns``."""

    kind: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``email:…``, ``uri:…``, ``dns:…``, or a bare name: with ``://`` a URI, with ``@`` an address, else a host.

        Raises InputError.
        """
        kind, colon, value = text.partition(":")
        if not (colon and kind in _SAN_KINDS):
            kind, value = "uri" if "://" in text else "email" if "@" in text else "dns", text
        if not value or len(value) > MAX_TEXT:
            raise InputError(f"{text[:80]!r} is no alternative name", hint="an e-mail address, a URI or a host name")
        return cls(kind, value)

    def __str__(self) -> str:
        """With its kind."""
        return f"{self.kind}:{escape(self.value)}"


def alternatives(value: x509.SubjectAlternativeName) -> tuple[tuple[str, str], ...]:
    """Kind and value of each address, URI and host in the extension."""
    from cryptography import x509

    kinds = {x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri", x509.DNSName: "dns"}
    return tuple((kinds[type(name)], str(name.value)) for name in value if type(name) in kinds)


def escape(text: str) -> str:
    r"""A value with ``\`` before what would mean something else, and every unprintable character as ``\XX``, its UTF-8."""
    last = len(text) - 1
    return "".join(_escaped(character, edge=index in (0, last)) for index, character in enumerate(text))


def _escaped(character: str, *, edge: bool) -> str:
    if character in '",+;<>\\' or (edge and character in " #"):
        return f"\\{character}"
    return character if character.isprintable() else "".join(f"\\{byte:02x}" for byte in character.encode())


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else f"#{value.hex()}"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in _split(text):
        kind, equals, value = part.partition("=")
        name = kind.strip(" ").upper()
        name = _ALIASES.get(name, name)
        if not equals or name not in _NAMES:
            raise InputError(
                f"the subject {text[:200]!r} has a part without a known type", hint="such as C=US, ST=WA, O=acme"
            )
        yield name, _unescaped(value, text)


def _split(text: str) -> Iterator[str]:
    """At commas and semicolons that no backslash stands before."""
    part: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            part += (character, next(characters, ""))
        elif character in ",;":
            yield "".join(part)
            part = []
        else:
            part.append(character)
    yield "".join(part)


def _unescaped(value: str, whole: str) -> str:
    """A value without its escapes and without the spaces around it. Raises InputError."""
    result = bytearray()
    position, kept = 0, 0
    value = value.lstrip(" ")
    while position < len(value):
        character = value[position]
        if character == "\\":
            plain, length = _escape_at(value, position + 1, whole)
            result += plain
            position += 1 + length
            kept = len(result)
            continue
        if character in '"+<>' or (character == "#" and position == 0):
            raise InputError(f"the subject {whole[:200]!r} holds {character!r}, which must stand behind a backslash")
        result += character.encode(errors="replace")
        position += 1
        kept = kept if character == " " else len(result)
    try:
        text = bytes(result[:kept]).decode()
    except UnicodeDecodeError:
        raise InputError(f"the subject {whole[:200]!r} is not UTF-8 behind its backslashes") from None
    if not text:
        raise InputError(f"the subject {whole[:200]!r} has an empty value")
    return text


def _escape_at(value: str, position: int, whole: str) -> tuple[bytes, int]:
    """What an escape stands for, and its length behind the backslash."""
    two = value[position : position + 2]
    if two[:1] in _SPECIAL and two:
        return two[:1].encode(), 1
    if len(two) == 2 and set(two) <= _HEX:
        return bytes.fromhex(two), 2
    raise InputError(f"the subject {whole[:200]!r} has a backslash before something that needs none")
