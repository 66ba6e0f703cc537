"""HDF5 and TensorFlow graphs: no reader, but a search through the bytes for what names dangerous parts.

HDF5 keeps the model's configuration as JSON text in an attribute, uncompressed; a GraphDef names each operator as text of
field 2 in its NodeDef. Both are found where a writer of the format puts them; a file made on purpose to be read by TensorFlow
and not by us could hide them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelpack.formats import ByteSource
from modelpack.scan.documents.keras import check_object
from modelpack.scan.looking import Look

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_PIECE = 4 << 20
_OVERLAP = 512
_MEMBER = re.compile(rb'"(class_name|module|registered_name)"\s{0,8}:\s{0,8}"([^"\\]{1,200})"')
_OPERATORS = (
    *(
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "LoadLibrary",
        "DebugIdentityV2",
    ),
)
_NODE = re.compile(
    b"|".join(re.escape(bytes((0x12, len(name))) + name.encode()) + b"(?![A-Za-z0-9_])" for name in _OPERATORS)
)


def scan_hdf5(look: Look, source: ByteSource) -> None:
    """Search an HDF5 file for Lambda layers and foreign modules in a Keras configuration."""
    look.format = "hdf5"
    for found in set(_search(look, source, _MEMBER)):
        key, value = found[1].decode(), found[2].decode("utf-8", "replace")
        if key == "class_name":
            check_object(look, {"class_name": value})
        else:
            check_object(look, {"class_name": "a class", key: value})


def scan_saved_model(look: Look, source: ByteSource) -> None:
    """Search a SavedModel or GraphDef for operators that reach out of the graph."""
    look.format = "tensorflow"
    names = {found[0][2:].decode() for found in _search(look, source, _NODE)}
    for name in sorted(names):
        look.report("SCAN-SAVEDMODEL-OP", f"the operator {name}")


def _search(look: Look, source: ByteSource, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """All matches, of at most 512 bytes, each at least once."""
    position = 0
    while position < source.size:
        look.budget.spend("searched", _PIECE)
        data = source.read_at(position, _PIECE)
        yield from pattern.finditer(data)
        position += max(len(data) - _OVERLAP, _PIECE - _OVERLAP)
