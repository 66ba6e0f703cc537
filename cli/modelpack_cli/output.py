"""What people and programs see: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def result(text: str) -> None:
    """A line of the result."""
    _write(f"{printable(text)}\n")


def path(place: Path) -> None:
    """A path as a line of the result, byte for byte: programs must find it."""
    document(os.fsencode(place) + b"\n")


def document(data: bytes) -> None:
    """A document as it is."""
    flush()
    with _written():
        sys.stdout.buffer.write(data)


def note(text: str) -> None:
    """A line for people."""
    sys.stderr.write(f"{printable(text)}\n")


def as_json(value: Any) -> None:
    """The result as indented JSON. What could drive a terminal occurs only inside strings, where JSON has its own escapes."""
    narrow = sys.stdout.encoding.lower() not in ("utf-8", "utf8")
    lines = json.dumps(value, indent=2, ensure_ascii=narrow).split("\n")
    _write("".join(f"{_escaped(line, lambda character: json.dumps(character)[1:-1])}\n" for line in lines))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[str] = frozenset()) -> None:
    """Aligned columns; names in ``right`` are aligned to the right."""
    cells = [[*columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(_width(row[number]) for row in cells) for number in range(len(columns))]
    for row in cells:
        padded = [(cell, " " * (width - _width(cell))) for cell, width in zip(row, widths, strict=True)]
        line = (pad + cell if name in right else cell + pad for name, (cell, pad) in zip(columns, padded, strict=True))
        result("  ".join(line).rstrip())


def size(count: float) -> str:
    """Bytes for people, in the units that disks and model hubs use (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Text from an artifact cannot move the cursor or colour the terminal."""
    return _escaped(text, lambda character: character.encode("unicode_escape").decode())


def flush() -> None:
    """Send what was written so far on its way. Raises BrokenPipeError, StoreError."""
    with _written():
        sys.stdout.flush()


def _write(text: str) -> None:
    with _written():
        sys.stdout.write(text)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _abandon()
        if isinstance(error, BrokenPipeError):
            raise
        from modelpack import StoreError

        raise StoreError(f"the result cannot be written: {error.strerror}") from error


def _abandon() -> None:
    """What is still buffered goes nowhere; the interpreter would try once more at its end, and complain."""
    with suppress(OSError):  # a test's stdout is no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else escape(character) for character in text)


def _width(text: str) -> int:
    """Columns on a terminal: Chinese, Japanese and Korean characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
