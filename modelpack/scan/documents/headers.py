"""Weights with a header: the strict readers of :mod:`modelpack.formats` say what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource, ModelFile
from modelpack.formats.gguf import read_gguf
from modelpack.formats.onnx import read_onnx
from modelpack.formats.safetensors import is_odd_name, read_safetensors
from modelpack.formats.source import Cursor
from modelpack.scan.documents.templates import scan_template
from modelpack.scan.looking import Look

_ONNX_DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"}
)
_TEMPLATE = "tokenizer.chat_template"


def scan_safetensors(look: Look, source: ByteSource) -> None:
    """Look at the header of a safetensors file."""
    _read(look, source, "safetensors", read_safetensors)


def scan_gguf(look: Look, source: ByteSource) -> None:
    """Look at the header of a GGUF file, and at the chat templates in it."""
    found = _read(look, source, "gguf", read_gguf)
    for key, value in sorted(found.metadata.items()) if found else ():
        if not key.startswith(_TEMPLATE):
            continue
        if isinstance(value, str):
            scan_template(look, value, key)
        elif isinstance(value, dict):  # how a text too long to be kept is told
            look.report("SCAN-TEMPLATE-SIZE", f"a template of {value.get('length')} bytes", key)


def scan_onnx(look: Look, source: ByteSource) -> None:
    """Look at an ONNX model: its structure, where it wants to read weights, whose operators it uses."""
    found = _read(look, source, "onnx", read_onnx)
    if not found:
        return
    for location in _texts(found, "external_data"):
        if is_odd_name(location) or "\\" in location or ":" in location:
            look.report("SCAN-ONNX-EXTERNAL", f"external data at {location!r}")
        else:
            look.external.add(location)
    if foreign := sorted(_texts(found, "opset") - _ONNX_DOMAINS):
        look.report("SCAN-ONNX-DOMAIN", f"operators of {', '.join(foreign[:8])}")


def _texts(found: ModelFile, key: str) -> set[str]:
    value = found.metadata.get(key)
    return {item for item in value if isinstance(item, str)} if isinstance(value, list | dict) else set()


def _read(look: Look, source: ByteSource, name: str, reader: Callable[[Cursor], ModelFile]) -> ModelFile | None:
    look.format = name
    try:
        found = reader(Cursor(source, name))
    except DocumentError as error:
        look.report(f"SCAN-{name.upper()}", error.reason, error.path)
        return None
    # In ONNX most tensors have no name, and none ever becomes a file.
    if name != "onnx" and (odd := [tensor.name for tensor in found.tensors if is_odd_name(tensor.name)]):
        look.report("SCAN-TENSOR-NAME", f"{len(odd)} tensor names, such as {odd[0][:80]!r}")
    for warning in found.warnings:
        look.report("SCAN-ODD", warning)
    return found
