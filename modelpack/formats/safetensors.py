"""safetensors: a length, a JSON header, and tensors without gaps (README.md of huggingface/safetensors, "Format").

Stricter than the reference reader where that accepts what its specification forbids: duplicate tensor names, padding
other than trailing spaces, ``null`` metadata, unknown members. Two readers that disagree about a file are an attack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from modelpack.errors import DocumentError
from modelpack.formats.model import ModelFile, Tensor
from modelpack.formats.source import Cursor
from modelpack.oci import JSON, JSONObject, loads_object

MAX_HEADER_LENGTH = 100_000_000
_MAX_U64 = (1 << 64) - 1
_LARGE_HEADER = 1 << 20

BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of one element, by dtype."""

# Possessive, or a string of 50 MB costs gigabytes of backtracking; the end is optional, or `"\\"\\"…` costs quadratic time.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_MEMBERS = {"dtype", "shape", "data_offsets"}


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so can be one: there is no magic, but a small length and a brace."""
    return 2 <= int.from_bytes(head[:8], "little") <= MAX_HEADER_LENGTH and head[8:9] == b"{"


def read_safetensors(cursor: Cursor) -> ModelFile:
    """Read a header: tensors in the order of their bytes, ``__metadata__`` as ``metadata``. Raises DocumentError."""
    header = _read_length(cursor)
    members = loads_object(header, cursor.document, limit=MAX_HEADER_LENGTH)
    # Python reads -0 as 0; the reference refuses it. No number here may have a sign.
    if b"-0" in header and b"-" in _STRING.sub(b"", header):
        cursor.fail("a negative number in the header")
    metadata = _metadata(members.pop("__metadata__", {}), cursor)
    tensors = [_tensor(name, info, cursor) for name, info in members.items()]
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
    _check_contiguous(tensors, cursor)
    warnings = tuple(_odd_header(len(header), cursor.size)) + tuple(_odd_tensors(tensors, len(header)))
    return ModelFile("safetensors", tuple(tensors), metadata, warnings=warnings)


def _read_length(cursor: Cursor) -> bytes:
    if cursor.size < 8:
        cursor.fail(f"{cursor.size} bytes are too short for a safetensors file")
    length = cursor.u64()
    if length > MAX_HEADER_LENGTH:
        raise DocumentError(
            cursor.document,
            "",
            f"a header of {length} bytes is announced (at most {MAX_HEADER_LENGTH} are allowed)",
            hint="this is probably not a safetensors file",
        )
    header = cursor.take(length)
    if not header.startswith(b"{") or not header.rstrip(b" ").endswith(b"}"):
        cursor.fail("the header must begin with '{' and end with '}', padded with nothing but spaces")
    return header


def _metadata(value: JSON, cursor: Cursor) -> dict[str, JSON]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        cursor.fail("an object of strings is required", "__metadata__")
    return value


def _tensor(name: str, info: JSON, cursor: Cursor) -> Tensor:
    def fail(reason: str) -> NoReturn:
        cursor.fail(reason, f"tensor {name[:80]!r}")

    if not isinstance(info, dict) or info.keys() != _MEMBERS:
        fail("exactly the members dtype, shape and data_offsets are required")
    dtype, shape, offsets = info["dtype"], _unsigned(info["shape"]), _unsigned(info["data_offsets"])
    bits = BITS.get(dtype) if isinstance(dtype, str) else None
    if not isinstance(dtype, str) or bits is None:
        fail(f"{str(dtype)[:40]!r} is not a dtype")
    if shape is None or offsets is None or len(offsets) != 2:
        fail("shape must be a list of unsigned integers, data_offsets a pair of them")
    size = _size_in_bits(shape, bits)
    begin, end = offsets
    if size is None or size % 8 or size // 8 != end - begin:
        fail(f"{dtype} {shape!r:.80} does not take {end - begin} bytes")
    return Tensor(name, dtype, tuple(shape), begin + cursor.position, end + cursor.position)


def _unsigned(value: JSON) -> list[int] | None:
    """A list of integers from 0 to 2^64-1 (``True`` is an int in Python, not here), or None."""
    if not isinstance(value, list):
        return None
    numbers = [item for item in value if type(item) is int and 0 <= item <= _MAX_U64]
    return numbers if len(numbers) == len(value) else None


def _size_in_bits(shape: list[int], bits: int) -> int | None:
    """None as soon as a product, in this order, leaves 64 bits: what a reader in C or Rust could compute."""
    size = 1
    for factor in (*shape, bits):
        size *= factor
        if size > _MAX_U64:
            return None
    return size


def _check_contiguous(tensors: list[Tensor], cursor: Cursor) -> None:
    """No hole, no overlap, nothing after the last: every byte is in one tensor."""
    position = cursor.position
    for tensor in tensors:
        if tensor.begin != position:
            kind = "a hole before" if tensor.begin > position else "an overlap with the tensor before"
            cursor.fail(f"{kind} it at byte {min(tensor.begin, position)}", f"tensor {tensor.name[:80]!r}")
        position = tensor.end
    if position > cursor.size:
        raise DocumentError(
            cursor.document,
            "",
            f"the tensors end at byte {position}, the file at {cursor.size}",
            hint="the file is truncated; fetch it again",
        )
    if position < cursor.size:
        cursor.fail(f"{cursor.size - position} bytes follow the last tensor")


def _odd_header(length: int, size: int) -> Iterator[str]:
    if length > _LARGE_HEADER and length * 100 > size:
        yield f"the header has {length} bytes, more than one per cent of the file"
    if length % 8:
        yield f"the tensors begin at byte {length + 8}, which is no multiple of 8"


def _odd_tensors(tensors: list[Tensor], header_length: int) -> Iterator[str]:
    """At most one sentence per kind, with the first example."""
    start = header_length + 8
    if odd := [t.name for t in tensors if (t.begin - start) % max(BITS[t.dtype] // 8, 1)]:
        yield f"{len(odd)} tensors are not aligned to their dtype, such as {odd[0][:80]!r}"
    if odd := [t.name for t in tensors if is_odd_name(t.name)]:
        yield f"{len(odd)} tensor names are empty, hold control characters or look like paths, such as {odd[0][:80]!r}"


def is_odd_name(name: str) -> bool:
    """Empty, with control characters, or one that would leave its folder if somebody made a file of it."""
    path = name.replace("\\", "/")
    return not name or not name.isprintable() or path.startswith("/") or ".." in path.split("/")


def check_shards(index: bytes, shards: Mapping[str, ModelFile]) -> tuple[str, ...]:
    """Compare ``model.safetensors.index.json`` with the headers of the shards, by the file names it uses.

    Returns one sentence per kind of problem and shard: loaders drop silently what does not match. Raises DocumentError
    if the index is malformed.
    """
    document = loads_object(index, "shard index", limit=MAX_HEADER_LENGTH)
    promised = _shard_names(document)
    return (*_odd_shards(promised, shards), *_odd_total(document, shards))


def _shard_names(document: JSONObject) -> dict[str, set[str]]:
    """Shard to the names of the tensors that the index looks for in it."""
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict):
        raise DocumentError("shard index", "weight_map", "an object is required")
    promised: dict[str, set[str]] = {}
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str) or is_odd_name(shard) or "/" in shard or "\\" in shard:
            raise DocumentError("shard index", f"weight_map[{tensor[:80]!r}]", "the name of a file is required")
        promised.setdefault(shard, set()).add(tensor)
    return promised


def _odd_shards(promised: dict[str, set[str]], shards: Mapping[str, ModelFile]) -> Iterator[str]:
    for name in sorted(promised.keys() | shards.keys()):
        if name not in shards:
            yield f"the shard {name} is not there"
            continue
        if name not in promised:
            yield f"the index does not name the shard {name}"
        if shards[name].format != "safetensors":
            yield f"the shard {name} is not a safetensors file"
        held = {tensor.name for tensor in shards[name].tensors}
        if lost := sorted(promised.get(name, set()) - held):
            yield f"the shard {name} lacks {len(lost)} tensors of the index, such as {lost[0][:80]!r}"
        if name in promised and (extra := sorted(held - promised[name])):
            yield f"the shard {name} holds {len(extra)} tensors that the index puts elsewhere, such as {extra[0][:80]!r}"


def _odd_total(document: JSONObject, shards: Mapping[str, ModelFile]) -> Iterator[str]:
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise DocumentError("shard index", "metadata", "an object is required")
    total = metadata.get("total_size")
    if total is None:
        return
    # Some exporters write 1.5e10; it compares as the integer that it is.
    if isinstance(total, bool) or not isinstance(total, int | float):
        raise DocumentError("shard index", "metadata.total_size", "a number is required")
    held = sum(tensor.nbytes for shard in shards.values() for tensor in shard.tensors)
    if total != held:
        yield f"the index promises {int(total)} bytes of tensors, the shards hold {held}"
