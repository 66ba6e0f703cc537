"""Whether an audit trusts the same people as the last one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum

from modelpack.trust import PublicKey
from modelpack.trust.x509 import RevocationList

_DEPTH = 20


def trust_fingerprint(policy: object) -> str:
    """The same for the same policy. What cannot be told for sure to be the same (an identity of a user's own class, a folder of
    certificates) gets another one each time, so that it is always judged anew.
    """
    hasher = hashlib.sha256()
    for piece in _pieces(policy, _DEPTH):
        hasher.update(len(piece).to_bytes(8, "big") + piece)
    return hasher.hexdigest()[:32]


def _pieces(value: object, depth: int) -> list[bytes]:
    name = type(value).__qualname__.encode()
    match value:
        case PublicKey(fingerprint=known) | RevocationList(fingerprint=known):
            return [name, known.encode()]
        case None | bool() | int() | float() | str() | datetime() | Enum():
            return [name, str(value).encode()]
        case bytes():
            return [name, value]
        case _ if depth == 0:
            return [secrets.token_bytes(16)]
        case Mapping():
            pairs = (_pieces(key, depth - 1) + _pieces(item, depth - 1) for key, item in value.items())
            return [name, *sorted(b"\0".join(pair) for pair in pairs)]
        case list() | tuple():
            return [name, str(len(value)).encode(), *(piece for item in value for piece in _pieces(item, depth - 1))]
        case set() | frozenset():
            return [name, *sorted(b"\0".join(_pieces(item, depth - 1)) for item in value)]
        case _ if is_dataclass(value):
            inside = (getattr(value, item.name) for item in fields(value))
            return [name, *(piece for item in inside for piece in _pieces(item, depth - 1))]
    return [name, secrets.token_bytes(16)]
