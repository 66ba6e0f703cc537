"""What the readers of a model's files hand to each other, and bounded reading of those files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from modelpack.errors import DocumentError
from modelpack.pack.plan import Entry
from modelpack.store import FileSource

Value: TypeAlias = "str | bool | tuple[str, ...]"

MAX_TEXT = 4096
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value for a field of :class:`modelpack.oci.ModelConfig`, and which file said so."""

    field: str
    value: Value
    source: str


def text(value: object, limit: int = 200) -> str:
    """A text from a model's file, fit for one line of a terminal: nothing invisible, at most ``limit`` characters."""
    return _UNSEEN.sub(" ", value[: limit * 2]).strip()[:limit] if isinstance(value, str) else ""


def texts(value: object, limit: int = 1000) -> tuple[str, ...]:
    """One text or a list of them, without empty and repeated ones."""
    items = value[:limit] if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(filter(None, map(text, items))))


def facts(source: str, **values: Value | None) -> tuple[Fact, ...]:
    """Facts from one source, without the fields that it says nothing about."""
    return tuple(
        Fact(field, value, source) for field, value in values.items() if value is not None and value not in ("", ())
    )


def read_head(entry: Entry, limit: int) -> bytes:
    """The first bytes of a file. Raises NotFound."""
    return FileSource(entry.file, entry.size).read_at(0, limit)


def read_json(entry: Entry, limit: int) -> Any:
    """A JSON file as other tools read it: NaN and infinities, which real configurations hold, are let through.

    Raises DocumentError (too large, not JSON), NotFound.
    """
    if entry.size > limit:
        raise DocumentError(entry.path, "", f"{entry.size} bytes are more than the {limit} that are read of it")
    try:
        return json.loads(read_head(entry, limit))
    except (ValueError, RecursionError):
        raise DocumentError(entry.path, "", "not JSON") from None
