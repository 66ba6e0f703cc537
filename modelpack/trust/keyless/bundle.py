"""What is checked in a bundle before the ``sigstore`` package sees it.

Its models read base64 and numbers leniently and every member under two spellings. Here each document has one reading, so that no
byte of a bundle can be changed without being noticed, and everything is bounded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from modelpack.errors import UntrustedIdentity
from modelpack.oci import JSON, loads_object
from modelpack.oci.fields import Fields, member
from modelpack.trust.envelope import MAX_BUNDLE

_MAX_LIST = 64
_BASE64 = frozenset(
    (
        "canonicalizedBody",
        "hashes",
        "keyId",
        "payload",
        "rawBytes",
        "rootHash",
        "sig",
        "signedEntryTimestamp",
        "signedTimestamp",
    )
)
_NUMBERS = frozenset(("integratedTime", "logIndex", "treeSize"))
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


def screen(raw: bytes) -> Fields:
    """A bundle's only entry of a transparency log. Raises DocumentError, and UntrustedIdentity for bundles that have none."""
    fields = Fields(loads_object(raw, "bundle", limit=MAX_BUNDLE), "bundle")
    for place, key, value in _members("", "", fields.value):
        _check(Fields({key: value}, "bundle", place), key, value)
    if "messageSignature" in fields.value or "dsseEnvelope" not in fields.value:
        fields.fail("dsseEnvelope", "is missing: this signs a blob, not a statement about a manifest")
    signatures = fields.object("dsseEnvelope").objects("signatures", limit=_MAX_LIST)
    if len(signatures) != 1:
        fields.fail("dsseEnvelope.signatures", f"exactly one is allowed, not {len(signatures)}")
    material = fields.object("verificationMaterial")
    if "publicKey" in material.value:
        raise UntrustedIdentity("signed with a key, not with an account at an identity provider")
    entries = material.objects("tlogEntries", limit=_MAX_LIST)
    if not entries:
        raise UntrustedIdentity("not in a transparency log, without which no keyless signature counts")
    if len(entries) != 1:
        material.fail("tlogEntries", f"exactly one is allowed, not {len(entries)}")
    return entries[0]


def promised(entry: Fields) -> datetime | None:
    """When the log says that it took the entry; None if it does not sign that (Rekor version 2, or a promise left out)."""
    seconds = entry.text("integratedTime", "0")
    if "inclusionPromise" not in entry.value or seconds == "0":
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        entry.fail("integratedTime", "out of range")


def _members(place: str, key: str, value: JSON) -> Iterator[tuple[str, str, JSON]]:
    """Everything below a value, with the path of what holds it; entries of a list go by the key of the list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield place, name, inner
            yield from _members(member(place, name), name, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value[: _MAX_LIST + 1]):
            yield place, key, inner
            yield from _members(member(place, index), key, inner)


def _check(fields: Fields, key: str, value: JSON) -> None:
    if "_" in key:
        fields.fail(key, "is not how protobuf spells it in JSON")
    if isinstance(value, list):
        if len(value) > _MAX_LIST:
            fields.fail(key, f"{len(value)} entries are more than the {_MAX_LIST} allowed")
    elif key in _BASE64 and not _is_base64(fields.text(key)):
        fields.fail(key, "base64 is required")
    elif key in _NUMBERS and not _NUMBER.fullmatch(fields.text(key)):
        fields.fail(key, "a number in a string is required")


def _is_base64(text: str) -> bool:
    """Whether it is standard base64, and the only one for its bytes."""
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)) == text.encode()
    except (binascii.Error, ValueError):
        return False
