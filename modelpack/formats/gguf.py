"""GGUF versions 2 and 3, little endian (ggml ``docs/gguf.md``): typed key-values, then where each tensor is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct

from modelpack.errors import DocumentError
from modelpack.formats.ggml import BLOCKS, QUANTIZATION
from modelpack.formats.model import ModelFile, Tensor
from modelpack.formats.source import Cursor
from modelpack.oci import JSON, JSONObject

MAGIC = b"GGUF"

_VERSIONS = (2, 3)
_MAX_KEYS = 100_000
_MAX_TENSORS = 1_000_000
_MAX_ARRAY = 1 << 26
_MAX_KEY = 65_535
_MAX_NAME = 1024
_MAX_DIMENSIONS = 4
_LISTED = 64
_KEPT_TEXT = 1 << 20

_SMALLEST_KEY = 8 + 4 + 1
_SMALLEST_TENSOR = 8 + 4 + 4 + 8

_BOOL, _STRING, _ARRAY = 7, 8, 9
_NUMBERS = {
    0: ("uint8", Struct("<B")),
    1: ("int8", Struct("<b")),
    2: ("uint16", Struct("<H")),
    3: ("int16", Struct("<h")),
    4: ("uint32", Struct("<I")),
    5: ("int32", Struct("<i")),
    6: ("float32", Struct("<f")),
    _BOOL: ("bool", Struct("<B")),
    10: ("uint64", Struct("<Q")),
    11: ("int64", Struct("<q")),
    12: ("float64", Struct("<d")),
}


@dataclass(frozen=True, slots=True)
class _Info:
    """A tensor as the header lists it; ``nbytes`` is None if its type is unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int | None


def read_gguf(cursor: Cursor) -> ModelFile:
    """Read a header. Raises DocumentError.

    ``metadata`` holds the file's keys, and ``"GGUF.version"``. An array of more than 64 items, or a text of more than
    1 MiB, is told by its type and length only: ``{"type": "string", "length": 262144}``.
    """
    version = _read_version(cursor)
    tensor_count = _count(cursor, "tensors", _MAX_TENSORS, _SMALLEST_TENSOR)
    key_count = _count(cursor, "key-values", _MAX_KEYS, _SMALLEST_KEY)
    metadata: JSONObject = {**_read_metadata(cursor, key_count), "GGUF.version": version}
    alignment = _alignment(metadata, cursor)
    infos = [_read_info(cursor, alignment) for _ in range(tensor_count)]
    if len({info.name for info in infos}) != len(infos):
        cursor.fail("a tensor name stands twice")
    start = -(-cursor.position // alignment) * alignment
    tensors = _place(infos, start, cursor)
    file_type = metadata.get("general.file_type")
    quantization = QUANTIZATION.get(file_type, "") if isinstance(file_type, int) else ""
    warnings = tuple(_odd(infos, tensors, alignment, cursor.size))
    return ModelFile("gguf", tuple(tensors), metadata, quantization, warnings)


def _read_version(cursor: Cursor) -> int:
    if cursor.size < 24:
        cursor.fail(f"{cursor.size} bytes are too short for a GGUF file")
    if cursor.take(4) != MAGIC:
        raise DocumentError(cursor.document, "", "it does not begin with GGUF", hint="convert older ggml files to GGUF")
    version = cursor.u32()
    if int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS:
        cursor.fail("a big-endian GGUF file; only little-endian ones are read")
    if version not in _VERSIONS:
        cursor.fail(f"GGUF version {version}; versions 2 and 3 are read")
    return version


def _count(cursor: Cursor, what: str, limit: int, smallest: int) -> int:
    count = cursor.u64()
    if count > limit or count * smallest > cursor.size:
        cursor.fail(f"{count} {what} are announced, more than are allowed ({limit}) or fit into the file")
    return count


def _read_metadata(cursor: Cursor, count: int) -> JSONObject:
    metadata: JSONObject = {}
    for _ in range(count):
        key = cursor.text(cursor.u64(), _MAX_KEY, "a key")
        if key in metadata:
            cursor.fail("the key stands twice", f"key {key[:80]!r}")
        metadata[key] = _read_value(cursor, cursor.u32(), key)
    return metadata


def _read_value(cursor: Cursor, kind: int, key: str) -> JSON:
    if kind == _ARRAY:
        return _read_array(cursor, key)
    if kind == _STRING:
        return _read_text(cursor)
    if kind not in _NUMBERS:
        cursor.fail(f"value type {kind} does not exist", f"key {key[:80]!r}")
    return _read_number(cursor, kind)


def _read_number(cursor: Cursor, kind: int) -> JSON:
    packing = _NUMBERS[kind][1]
    value: int | float = packing.unpack(cursor.take(packing.size))[0]
    if kind == _BOOL:
        if value > 1:
            cursor.fail(f"{value} at {cursor.position - 1} is no truth value")
        return value == 1
    # JSON has no infinities; a reader of our reports should not have to know that GGUF has.
    return value if math.isfinite(value) else str(value)


def _read_text(cursor: Cursor) -> JSON:
    length = cursor.u64()
    if length > _KEPT_TEXT:
        cursor.skip(length)
        return {"type": "string", "length": length}
    return cursor.text(length, length, "a text")


def _read_array(cursor: Cursor, key: str) -> JSON:
    kind, length = cursor.u32(), cursor.u64()
    if kind != _STRING and kind not in _NUMBERS:
        cursor.fail(
            "an array of arrays" if kind == _ARRAY else f"value type {kind} does not exist", f"key {key[:80]!r}"
        )
    width = 8 if kind == _STRING else _NUMBERS[kind][1].size
    if length > _MAX_ARRAY or length * width > cursor.size - cursor.position:
        cursor.fail(
            f"an array of {length} items, more than are allowed ({_MAX_ARRAY}) or fit into the file",
            f"key {key[:80]!r}",
        )
    if length <= _LISTED:
        return [_read_value(cursor, kind, key) for _ in range(length)]
    if kind == _STRING:
        for _ in range(length):
            cursor.skip(cursor.u64())
        return {"type": "string", "length": length}
    cursor.skip(length * width)
    return {"type": _NUMBERS[kind][0], "length": length}


def _alignment(metadata: JSONObject, cursor: Cursor) -> int:
    value = metadata.get("general.alignment", 32)
    if type(value) is not int or not 0 < value < 1 << 32 or value.bit_count() != 1:
        cursor.fail(f"{str(value)[:40]} is not a power of two", "general.alignment")
    return value


def _read_info(cursor: Cursor, alignment: int) -> _Info:
    name = cursor.text(cursor.u64(), _MAX_NAME, "a tensor name")
    path = f"tensor {name[:80]!r}"
    rank = cursor.u32()
    if rank > _MAX_DIMENSIONS:
        cursor.fail(f"{rank} dimensions (at most {_MAX_DIMENSIONS} are allowed)", path)
    shape = tuple(cursor.u64() for _ in range(rank))
    number, offset = cursor.u32(), cursor.u64()
    # Zeros must not hide the product of the other dimensions: readers multiply in their own order.
    if math.prod(size for size in shape if size) >= 1 << 63:
        cursor.fail(f"the shape {shape!r:.80} overflows", path)
    if offset % alignment:
        cursor.fail(f"offset {offset} is not a multiple of {alignment}", path)
    dtype, per_block, block_bytes = BLOCKS.get(number, (f"type {number}", 0, 0))
    if not per_block:
        return _Info(name, dtype, shape, offset, None)
    if (shape[0] if shape else 1) % per_block:
        cursor.fail(f"rows of {shape[0] if shape else 1} cannot be {dtype}, which has blocks of {per_block}", path)
    return _Info(name, dtype, shape, offset, math.prod(shape) // per_block * block_bytes)


def _place(infos: list[_Info], start: int, cursor: Cursor) -> list[Tensor]:
    """Absolute places, in the order of the bytes: inside the file, no overlap."""
    tensors: list[Tensor] = []
    position = start
    for info in sorted(infos, key=lambda info: (info.offset, info.nbytes or 0)):
        begin = start + info.offset
        end = begin + (info.nbytes or 0)
        if end > cursor.size:
            raise DocumentError(
                cursor.document,
                f"tensor {info.name[:80]!r}",
                f"it ends at byte {end}, the file at {cursor.size}",
                hint="the file is truncated or damaged; fetch it again",
            )
        if begin < position:
            cursor.fail(f"it overlaps the tensor before, at byte {begin}", f"tensor {info.name[:80]!r}")
        tensors.append(Tensor(info.name, info.dtype, info.shape, begin, end))
        position = end
    return tensors


def _odd(infos: list[_Info], tensors: list[Tensor], alignment: int, size: int) -> Iterator[str]:
    """At most one sentence per kind."""
    unknown = sorted({info.dtype for info in infos if info.nbytes is None})
    if unknown:
        yield f"unknown tensor types ({', '.join(unknown[:8])}): the size of their tensors was not checked"
        return
    gaps = sum(after.begin - before.end >= alignment for before, after in pairwise(tensors))
    if gaps:
        yield f"{gaps} holes between tensors hold bytes that belong to none"
    if tensors and size - tensors[-1].end >= alignment:
        yield f"{size - tensors[-1].end} bytes follow the last tensor"
