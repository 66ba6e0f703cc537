"""JSON as an untrusting reader and a byte-exact writer need it.

Reading refuses duplicate keys, NaN and infinities, too deep and too large documents. Writing gives exactly what Go's
``encoding/json`` gives for the same structure (compact, ``< > &`` escaped), because other tools re-marshal and compare.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import NoReturn, TypeAlias

from modelpack.errors import DocumentError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
JSONObject: TypeAlias = "dict[str, JSON]"

MAX_DOCUMENT = 4 << 20
"""Bytes in a manifest, index or config: the limit that registries set themselves (distribution-spec, "Pushing Manifests")."""

MAX_DEPTH = 32
_MAX_DIGITS = 40
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'{}[]"'))
_OPENING = ord("[")
_ALIKE = bytes.maketrans(b"{}", b"[]")
_SURROGATE = re.compile(rb"\\u[dD][89abcdefABCDEF]")


def loads(data: bytes, document: str, *, limit: int = MAX_DOCUMENT) -> JSON:
    """Parse a JSON document. Raises DocumentError, with ``document`` as its name."""
    if len(data) > limit:
        raise DocumentError(document, "", f"{len(data)} bytes are more than the {limit} allowed")
    _check_depth(data, document)
    try:
        value: JSON = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=lambda pairs: _unique(pairs, document),
            parse_constant=lambda name: _refuse(document, f"{name} is not JSON"),
            parse_int=lambda digits: _integer(digits, document),
            parse_float=lambda digits: _finite(digits, document),
        )
    except UnicodeDecodeError as error:
        raise DocumentError(document, "", f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DocumentError(document, "", f"not JSON: {error.msg} at character {error.pos}") from None
    _check_surrogates(data, value, document)
    return value


def loads_object(data: bytes, document: str, *, limit: int = MAX_DOCUMENT) -> JSONObject:
    """Like :func:`loads`, for a document that must be an object."""
    value = loads(data, document, limit=limit)
    if not isinstance(value, dict):
        raise DocumentError(document, "", "not a JSON object")
    return value


def dumps(value: JSON) -> bytes:
    """Compact UTF-8 JSON, keys in the order given, escaped as Go does (``\\u003c`` and so on, U+2028 and U+2029 too)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def _check_depth(data: bytes, document: str) -> None:
    """Count brackets outside strings before the recursive parser sees them.

    Passes over all of it are in C, and few: a manifest of thousands of layers is read by everybody who moves it.
    """
    brackets = _outside_strings(data)
    flat = brackets
    for _ in range(MAX_DEPTH):  # each time the innermost level goes
        flat = flat.replace(b"[]", b"")
    if not flat:
        return
    depth = 0
    for bracket in brackets:  # deeper, or not balanced: then the parser says so, if it is not too deep for it
        depth += 1 if bracket == _OPENING else -1
        if depth > MAX_DEPTH:
            _refuse(document, f"nested deeper than {MAX_DEPTH} levels")


def _outside_strings(data: bytes) -> bytes:
    """The brackets that are structure, square ones for all: right for as long as it is JSON, and there a parser stops."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = data.translate(_ALIKE, _NOT_STRUCTURE)
    # What stands between quotes is out. Two that are neighbours may go beforehand: nothing else changes sides by that.
    return b"".join(structure.replace(b'""', b"").split(b'"')[::2])


def _check_surrogates(data: bytes, value: JSON, document: str) -> None:
    """``"\\ud800"`` parses to text that no file name and no UTF-8 document can hold."""
    if _SURROGATE.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            _refuse(document, "a string holds half a surrogate pair")


def _unique(pairs: list[tuple[str, JSON]], document: str) -> JSONObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        _refuse(document, f"the key {twice[:80]!r} stands twice in one object")
    return result


def _integer(digits: str, document: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _refuse(document, f"an integer of {len(digits)} digits")
    return int(digits)


def _finite(digits: str, document: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse(document, f"the number {digits[:_MAX_DIGITS]} is out of range")
    return value


def _refuse(document: str, reason: str) -> NoReturn:
    raise DocumentError(document, "", reason)
