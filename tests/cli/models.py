"""A small but true model folder, the same wherever it is made."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

CARD = """---
license: apache-2.0
language: [en, de]
pipeline_tag: feature-extraction
---
# Tiny

A model of a few numbers.
"""
SHAPES = {"embeddings.weight": ("F16", (100, 40)), "norm.bias": ("F32", (40,))}
WIDTH = {"F16": 2, "F32": 4}


def safetensors(shapes: dict[str, tuple[str, tuple[int, ...]]], fill: bytes = b"\x3c") -> bytes:
    """A file with these tensors: name to dtype and shape."""
    header: dict[str, object] = {}
    end = 0
    for name, (dtype, shape) in shapes.items():
        begin, end = end, end + math.prod(shape) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + fill * end


def model(folder: Path, *, fill: bytes = b"\x3c", rows: int = 100) -> Path:
    """Weights, settings, tokenizer, card, and a hidden file that is not packed. ``fill`` makes other weights."""
    shapes = SHAPES | {"embeddings.weight": ("F16", (rows, 40))}
    files = {
        "model.safetensors": safetensors(shapes, fill),
        "config.json": b'{"model_type": "bert", "architectures": ["BertModel"], "torch_dtype": "float16"}\n',
        "tokenizer.json": b'{"version": "1.0"}\n',
        "README.md": CARD.encode(),
        "onnx/config.json": b"{}\n",
        ".hidden": b"x",
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


FILES = ["README.md", "config.json", "model.safetensors", "onnx/config.json", "tokenizer.json"]
"""What is packed of it."""


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder that are not hidden."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
