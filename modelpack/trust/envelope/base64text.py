"""Base64 in signed documents: read strictly, in either alphabet (DSSE and protobuf's JSON allow both), but not in a mixture."""

from __future__ import annotations

import base64
import binascii
import re

from modelpack.oci.fields import Fields

_TEXT = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}")


def decode(fields: Fields, key: str, *, required: bool = True) -> bytes:
    """The bytes of a base64 member. Raises DocumentError, also for unused bits that are set: they could hide a change."""
    text = fields.text(key) if required else fields.text(key, "")
    try:
        if not _TEXT.fullmatch(text):
            raise binascii.Error
        data = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        fields.fail(key, "base64 is required")
    if base64.b64encode(data).decode() != text.replace("-", "+").replace("_", "/"):
        fields.fail(key, "base64 whose last character has bits too many")
    if required and not data:
        fields.fail(key, "must not be empty")
    return data


def encode(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()
