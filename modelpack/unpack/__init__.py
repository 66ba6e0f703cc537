"""A graph becomes files again, or some of the files."""

from modelpack.unpack.layers import LayerEntry, contents
from modelpack.unpack.selection import EVERYTHING, Selection
from modelpack.unpack.unpacking import Unpacked, unpack

__all__ = [
    "EVERYTHING",
    "LayerEntry",
    "Selection",
    "Unpacked",
    "contents",
    "unpack",
]
