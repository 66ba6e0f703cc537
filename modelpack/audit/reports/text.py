"""Text from artifacts, made fit to be read: nothing in it is invisible, turns the direction of writing round, or has no end."""

from __future__ import annotations

import math
import unicodedata

from modelpack.audit.findings import Finding
from modelpack.oci import JSON, Digest, dumps

MAX_TEXT = 2000
"""Characters of one message or name in a report; JSON has the whole."""

_SHOWN = 12
_MARKS = 4
"""More on one letter than any language has."""


def visible(text: str, most: int = MAX_TEXT) -> str:
    """What cannot be seen (controls, marks of direction, zero-width characters, half a surrogate) as ``\\u202e``; cut if long.

    Of marks above and below a letter the first few stay: a tower of them covers what stands in the line above.
    """
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        plain = character.isprintable() and marks <= _MARKS
        shown.append(character if plain else character.encode("unicode_escape").decode())
    return "".join(shown)


def short(digest: Digest | None) -> str:
    """``sha256:`` and twelve digits, for people."""
    return f"{digest.algorithm}:{digest.hex[:_SHOWN]}" if digest else ""


def host(place: str) -> str:
    """The registry of a subject's place; of a layout, ``oci:PATH`` whole."""
    return place if place.startswith("oci:") else place.partition("/")[0]


def repository(place: str) -> str:
    """The repository of a subject's place, empty for a registry or a layout."""
    return "" if place.startswith("oci:") else place.partition("/")[2]


def label(finding: Finding) -> str:
    """What a finding counts as: its severity, ``exempt`` or ``unchecked``."""
    if finding.exempt:
        return "exempt"
    return "unchecked" if finding.unchecked else str(finding.severity)


def encoded(value: JSON) -> bytes:
    """One line of JSON that is safe inside HTML too. What users' rules put into ``data`` and JSON does not have becomes text."""
    try:
        return dumps(value)
    except (TypeError, ValueError):
        return dumps(_tame(value))


def _tame(value: object) -> JSON:
    match value:
        case dict():
            return {str(_tame(str(key))): _tame(item) for key, item in value.items()}
        case list() | tuple():
            return [_tame(item) for item in value]
        case bool() | int() | None:
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            return str(value).encode("utf-8", "backslashreplace").decode()
