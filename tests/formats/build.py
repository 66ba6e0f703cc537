"""Sources that count their reads, and builders of small model files, written from the specifications."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from modelpack.formats import ModelFile, read_header


@dataclass
class Bytes:
    """A source in memory. ``reads`` are the ranges that were asked for."""

    data: bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


@dataclass
class File:
    """A source on disk."""

    path: Path
    size: int
    reads: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path, path.stat().st_size)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        with self.path.open("rb") as stream:
            return os.pread(stream.fileno(), length, offset)


def read(data: bytes, name: str = "model") -> ModelFile:
    """Read a header that must be known."""
    found = read_header(Bytes(data), name)
    assert found is not None
    return found


# safetensors


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A file; ``header`` is JSON text as bytes, or a value to be written as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def info(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


# GGUF


def text(value: str | bytes) -> bytes:
    """A GGUF string."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    """A GGUF key-value; ``value`` is packed already."""
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, items: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + items


def tensor(name: str | bytes, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def gguf(
    pairs: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A GGUF file; ``data`` begins at the next multiple of ``alignment``."""
    tensor_count, pair_count = counts or (len(tensors), len(pairs))
    header = struct.pack("<4sIQQ", b"GGUF", version, tensor_count, pair_count) + b"".join(pairs) + b"".join(tensors)
    return header + (bytes(-len(header) % alignment) + data if data else b"")


# protobuf


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field_number: int, value: int) -> bytes:
    """A varint field."""
    return varint(field_number << 3) + varint(value)


def message(field_number: int, *parts: bytes) -> bytes:
    """A length-delimited field."""
    content = b"".join(parts)
    return varint(field_number << 3 | 2) + varint(len(content)) + content
