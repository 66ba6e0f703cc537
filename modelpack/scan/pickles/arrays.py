"""NumPy's ``.npy`` (NEP 1): a header, then raw numbers, or a pickle if the array holds objects."""

from __future__ import annotations

import ast

from modelpack.formats import ByteSource
from modelpack.formats.source import read_exactly
from modelpack.scan.looking import Look
from modelpack.scan.pickles.streams import scan_pickles
from modelpack.scan.sources import Window

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 64 << 10
_MAX_NESTING = 32


def scan_npy(look: Look, source: ByteSource) -> None:
    """Look at an array. Raises DocumentError if its header ends early."""
    look.format = "npy"
    major = read_exactly(source, 6, 1, "npy")[0]
    width = 2 if major == 1 else 4
    length = int.from_bytes(read_exactly(source, 8, width, "npy"), "little")
    if major not in (1, 2, 3) or length > _MAX_HEADER:
        look.report("SCAN-BROKEN", f"an array of version {major} with a header of {length} bytes")
        return
    objects = _holds_objects(read_exactly(source, 8 + width, length, "npy"))
    if objects is None:
        look.report("SCAN-BROKEN", "the header of the array cannot be read")
    if objects is not False:
        begin = 8 + width + length
        scan_pickles(look, Window(source, begin, source.size - begin), certain=bool(objects))
        look.format = "npy"


def _holds_objects(header: bytes) -> bool | None:
    """Whether the array's type has Python objects in it; None if the header does not say."""
    if sum(map(header.count, b"([{")) > _MAX_NESTING * 8:
        return None
    try:
        value = ast.literal_eval(header.decode("latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(value, dict) or "descr" not in value:
        return None
    return "O" in _codes(value["descr"])


def _codes(descr: object) -> str:
    """All letters of all types: ``"<f8"``, or a list of (name, type) and (name, type, shape)."""
    if isinstance(descr, str):
        return descr
    if isinstance(descr, tuple) and len(descr) == 2 and isinstance(descr[1], tuple):
        return _codes(descr[0])
    if isinstance(descr, list):
        return "".join(_codes(field[1]) for field in descr if isinstance(field, tuple) and len(field) > 1)
    return ""
