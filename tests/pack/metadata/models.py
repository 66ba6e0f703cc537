"""Small model folders, made on the spot."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from modelpack.formats.safetensors import BITS
from modelpack.oci import Kind
from modelpack.pack.plan import Entry
from tests.formats import build

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
        header[f"t.{dtype}"] = build.info(dtype, [count], begin, end)
    text = json.dumps(header).encode()
    _write_sparse(folder / name, build.safetensors(text + b" " * (-len(text) % 8)), end)


def gguf(folder: Path, name: str, keys: dict[str, str | int | list[str]], shape: tuple[int, ...] = (256,)) -> None:
    """A file with one Q4_K tensor; its bytes are a hole."""
    pairs = tuple(build.pair(key, *_packed(value)) for key, value in keys.items())
    header = build.gguf(pairs, (build.tensor("blk.0.weight", shape, 12, 0),))
    _write_sparse(folder / name, header + bytes(-len(header) % 32), math.prod(shape) // 256 * 144)


def _packed(value: str | int | list[str]) -> tuple[int, bytes]:
    """The GGUF type of a value, and its bytes."""
    if isinstance(value, str):
        return 8, build.text(value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    return 9, build.array(8, len(value), b"".join(map(build.text, value)))


def _write_sparse(path: Path, head: bytes, hole: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + hole)
