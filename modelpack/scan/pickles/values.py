"""What a symbolic stack holds: just enough to know which names are called with what. Nothing is ever made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_KEPT_ITEMS = 16
_DTYPE = re.compile(r"[<>|=]?([a-zA-Z?])(\d{0,9})")


class Mark:
    """The special value that MARK pushes."""


class Unknown:
    """A value that does not matter, or is not known."""


MARK: Final = Mark()
UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Name:
    """Something imported."""

    module: str
    name: str


@dataclass(slots=True)
class Table:
    """A dictionary; only the first members with text for a key are kept."""

    items: dict[str, Value]

    def put(self, key: Value, value: Value) -> None:
        """Set a member."""
        if isinstance(key, str) and (len(self.items) < _KEPT_ITEMS or key in self.items):
            self.items[key] = value


@dataclass(slots=True)
class Made:
    """What a call gave; ``state`` is what it was built with later."""

    what: Name
    arguments: Value
    state: Value = UNKNOWN


Value = Mark | Unknown | Name | Table | Made | str | int | tuple["Value", ...]


def small_tuple(items: list[Value]) -> Value:
    """A tuple, if it is short enough to be kept."""
    return tuple(items) if len(items) <= _KEPT_ITEMS else UNKNOWN


def wrapped_array(made: Made) -> tuple[int, bool, bool] | None:
    """What joblib writes behind an array's wrapper: bytes of data, whether padding comes first, whether it is a pickle.

    None if the wrapper does not tell.
    """
    state = made.state
    if not isinstance(state, Table):
        return None
    shape, dtype = state.items.get("shape"), _dtype(state.items.get("dtype"))
    if not isinstance(shape, tuple) or dtype is None:
        return None
    count = 1
    for size in shape:
        if not isinstance(size, int) or size < 0:
            return None
        count *= size
    kind, width = dtype
    padded = isinstance(state.items.get("numpy_array_alignment_bytes"), int)
    return (0, False, True) if kind == "O" else (count * width, padded, False)


def _dtype(value: Value | None) -> tuple[str, int] | None:
    """The kind and the bytes of one element."""
    if not isinstance(value, Made) or not isinstance(value.arguments, tuple) or not value.arguments:
        return None
    text = value.arguments[0]
    found = _DTYPE.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    kind, width = found[1], int(found[2] or 1)
    return kind, width * 4 if kind == "U" else width
