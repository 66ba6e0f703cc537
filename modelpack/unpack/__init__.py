"""A graph becomes files again, or some of the files."""

from modelpack.unpack.layers import LayerEntry, contents, layer_entry
from modelpack.unpack.reading import layer_header, model_config, model_headers, model_manifest, read_config
from modelpack.unpack.selection import EVERYTHING, Selection
from modelpack.unpack.unpacking import Unpacked, unpack

__all__ = [
    "EVERYTHING",
    "LayerEntry",
    "Selection",
    "Unpacked",
    "contents",
    "layer_entry",
    "layer_header",
    "model_config",
    "model_headers",
    "model_manifest",
    "read_config",
    "unpack",
]
