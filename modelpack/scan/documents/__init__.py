"""Formats that should not run code, and the ways in which they do: headers, configurations, graphs, chat templates."""

from modelpack.scan.documents.graphs import HDF5_MAGIC, scan_hdf5, scan_saved_model
from modelpack.scan.documents.headers import scan_gguf, scan_onnx, scan_safetensors
from modelpack.scan.documents.keras import scan_keras
from modelpack.scan.documents.programs import program_kind
from modelpack.scan.documents.repository import scan_json
from modelpack.scan.documents.templates import scan_template

__all__ = [
    "HDF5_MAGIC",
    "program_kind",
    "scan_gguf",
    "scan_hdf5",
    "scan_json",
    "scan_keras",
    "scan_onnx",
    "scan_safetensors",
    "scan_saved_model",
    "scan_template",
]
