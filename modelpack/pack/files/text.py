"""Small files that say what to pack, read whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelpack.errors import DocumentError, InputError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn OSError into InputError about a path that the caller chose."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def read_text(path: Path, document: str, limit: int) -> str:
    """A file of at most ``limit`` bytes of UTF-8, without its byte order mark. Raises InputError, DocumentError."""
    with reading(path), path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise DocumentError(document, "", f"more than {limit} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(document, "", f"not UTF-8 at byte {error.start}") from None
