"""Small model folders, made on the spot."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from modelpack.formats.safetensors import BITS
from modelpack.oci import Kind
from modelpack.pack.plan import Entry

_WEIGHTS = {".safetensors", ".gguf", ".onnx", ".pt", ".bin", ".h5", ".jit"}


def entries(folder: Path) -> tuple[Entry, ...]:
    """All files of a folder, weights told by their names."""
    return tuple(
        Entry(
            path.relative_to(folder).as_posix(),
            path,
            Kind.WEIGHT if path.suffix in _WEIGHTS else Kind.CONFIG,
            path.stat().st_size,
        )
        for path in folder.rglob("*")
        if path.is_file()
    )


def write(folder: Path, name: str, content: str | bytes | dict[str, object] | list[object]) -> None:
    """A file of text, bytes or JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict | list):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def safetensors(folder: Path, name: str, **counts: int) -> None:
    """A file with one tensor of so many parameters for each dtype; the bytes of the tensors are a hole."""
    header: dict[str, object] = {}
    end = 0
    for dtype, count in counts.items():
        begin, end = end, end + count * BITS[dtype] // 8
        header[f"t.{dtype}"] = {"dtype": dtype, "shape": [count], "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def gguf(folder: Path, name: str, keys: dict[str, str | int | list[str]], shape: tuple[int, ...] = (256,)) -> None:
    """A file with one Q4_K tensor."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def value(item: str | int | list[str]) -> bytes:
        if isinstance(item, str):
            return struct.pack("<I", 8) + text(item)
        if isinstance(item, int):
            return struct.pack("<II", 4, item)
        return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(text, item))

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys))
    head += b"".join(text(key) + value(item) for key, item in keys.items())
    head += text("blk.0.weight") + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
    head += struct.pack("<IQ", 12, 0)
    head += bytes(-len(head) % 32)
    with (folder / name).open("wb") as file:
        file.write(head)
        file.truncate(len(head) + math.prod(shape) // 256 * 144)
