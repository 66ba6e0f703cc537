"""What people and programs see: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def result(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """A line for people."""
    sys.stderr.write(f"{printable(text)}\n")


def as_json(value: Any) -> None:
    """The result as indented JSON."""
    result(json.dumps(value, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[str] = frozenset()) -> None:
    """Aligned columns; names in ``right`` are aligned to the right."""
    cells = [[*columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(columns))]
    for row in cells:
        line = "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, columns, strict=True)
        )
        result(line.rstrip())


def size(count: float) -> str:
    """Bytes for people, in the units that disks and model hubs use (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


def printable(text: str) -> str:
    """Text from an artifact cannot move the cursor or colour the terminal."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
