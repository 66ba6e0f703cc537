"""Reading what people point at: keys, certificates, policies, signatures, predicates."""

from __future__ import annotations

from pathlib import Path

from modelpack.errors import InputError


def read_file(path: Path, limit: int) -> bytes:
    """A file of at most ``limit`` bytes, whole. Raises InputError: it cannot be read, or is longer."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{str(path)[:80]!a} cannot be the name of a file") from None
    if len(data) > limit:
        raise InputError(f"{path} is longer than the {limit} bytes allowed")
    return data
