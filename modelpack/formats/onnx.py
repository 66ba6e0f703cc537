"""ONNX: a walk over the protobuf wire format that steps over the weights (``onnx.proto`` of onnx/onnx, IR version 14).

Every stored tensor counts: exporters put weights into initializers, but also into Constant nodes and the branches of If.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from modelpack.formats.model import ModelFile, Tensor
from modelpack.formats.safetensors import is_odd_name
from modelpack.formats.source import Cursor
from modelpack.oci import JSON, JSONObject

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MAX_FIELDS = 4_000_000
_MAX_FILE = 2 << 30
_MAX_DEPTH = 64
_MAX_TEXT = 1 << 20
_MAX_RANK = 1024
_MAX_I64 = (1 << 63) - 1

_MODEL_WIRES = {1: _VARINT, 5: _VARINT, **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _LENGTH)}

_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Message kind to field number to the kind of message there; whatever is not listed is stepped over."""

_TYPES = {
    1: ("F32", 32),
    2: ("U8", 8),
    3: ("I8", 8),
    4: ("U16", 16),
    5: ("I16", 16),
    6: ("I32", 32),
    7: ("I64", 64),
    8: ("STRING", 0),
    9: ("BOOL", 8),
    10: ("F16", 16),
    11: ("F64", 64),
    12: ("U32", 32),
    13: ("U64", 64),
    14: ("C64", 64),
    15: ("C128", 128),
    16: ("BF16", 16),
    17: ("F8_E4M3", 8),
    18: ("F8_E4M3FNUZ", 8),
    19: ("F8_E5M2", 8),
    20: ("F8_E5M2FNUZ", 8),
    21: ("U4", 4),
    22: ("I4", 4),
    23: ("F4", 4),
    24: ("F8_E8M0", 8),
    25: ("U2", 2),
    26: ("I2", 2),
}
"""``TensorProto.DataType`` to our dtype and the bits of one element in ``raw_data`` (0: never raw)."""

_RAW_DATA = 9
_DATA_FIELDS = frozenset({4, 5, 6, 7, _RAW_DATA, 10, 11})


class _Field(NamedTuple):
    """One field of a message: the value of a varint, or where the content begins and ends."""

    number: int
    wire: int
    value: int
    begin: int
    end: int


@dataclass(slots=True)
class _Found:
    """What the walk has gathered."""

    tensors: list[Tensor] = field(default_factory=list)
    external: set[str] = field(default_factory=set)
    opset: JSONObject = field(default_factory=dict)
    properties: JSONObject = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)


def is_onnx(head: bytes) -> bool:
    """Whether a file that begins so can be one: there is no magic, but a first field that ModelProto has."""
    return bool(head) and _MODEL_WIRES.get(head[0] >> 3) == head[0] & 7 and head[0] < 1 << 7


def read_onnx(cursor: Cursor) -> ModelFile:
    """Read a model without its weights. Raises DocumentError.

    ``metadata``: ``ir_version``, ``model_version``, ``producer_name``, ``producer_version``, ``domain``, ``graph_name``;
    ``opset`` (domain to version), ``properties``, ``inputs`` (without initializers), ``outputs``, and ``external_data``
    (paths of files that hold weights).
    """
    # Small weights are read rather than stepped over, so all of a file may pass; protobuf ends at 2 GiB.
    cursor.limit = _MAX_FILE
    walker = _Walker(cursor)
    metadata: JSONObject = {}
    graphs = 0
    for item in walker.fields(cursor.size):  # the whole file is one message
        _read_model_field(walker, item, metadata)
        graphs += item.number == 7
    if "ir_version" not in metadata or not graphs:
        cursor.fail("an ir_version and a graph are required in an ONNX model")
    found = walker.found
    metadata["opset"] = found.opset
    metadata["properties"] = found.properties
    metadata["inputs"] = list[JSON]([name for name in found.inputs if name not in found.initializers])
    metadata["outputs"] = list[JSON](found.outputs)
    metadata["external_data"] = list[JSON](sorted(found.external))
    return ModelFile("onnx", tuple(found.tensors), metadata, warnings=tuple(_odd(found)))


def _read_model_field(walker: _Walker, item: _Field, metadata: JSONObject) -> None:
    number_names = {1: "ir_version", 5: "model_version"}
    text_names = {2: "producer_name", 3: "producer_version", 4: "domain"}
    if item.number in number_names:
        metadata[number_names[item.number]] = walker.number(item)
    elif item.number in text_names:
        metadata[text_names[item.number]] = walker.text(item)
    elif item.number == 7:
        walker.top_graph(item, metadata)
    elif item.number == 8:
        domain, version = walker.opset(item)
        walker.found.opset[domain] = version
    elif item.number == 14:
        key, value = walker.entry(item)
        walker.found.properties[key] = value
    else:
        walker.descend("model", item, 1)


class _Walker:
    """Walks messages. The cursor only moves forward: a field's content is read before the next field is asked for."""

    def __init__(self, cursor: Cursor) -> None:
        self.found = _Found()
        self._cursor = cursor
        self._seen = 0

    def fail(self, reason: str) -> NoReturn:
        self._cursor.fail(reason, f"byte {self._cursor.position}")

    def fields(self, end: int) -> Iterator[_Field]:
        """The fields of the message that ends at ``end``."""
        cursor = self._cursor
        while cursor.position < end:
            self._seen += 1
            if self._seen > _MAX_FIELDS:
                self.fail(f"more than {_MAX_FIELDS} fields")
            item = self._field()
            if item.end > end:
                self.fail("a field reaches beyond its message")
            yield item
            cursor.skip(item.end - cursor.position)

    def _field(self) -> _Field:
        key = self._varint()
        number, wire = key >> 3, key & 7
        value = self._varint() if wire in (_VARINT, _LENGTH) else 0
        if number == 0 or (wire not in _FIXED and wire not in (_VARINT, _LENGTH)):
            self.fail(f"field {number} of wire type {wire} is not protobuf as ONNX uses it")
        begin = self._cursor.position
        length = value if wire == _LENGTH else _FIXED.get(wire, 0)
        return _Field(number, wire, value, begin, begin + length)

    def _varint(self) -> int:
        byte = self._cursor.u8()
        if byte < 0x80:
            return byte
        value = byte & 0x7F
        for shift in range(7, 70, 7):
            byte = self._cursor.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        if byte >= 0x80 or value >= 1 << 64:
            self.fail("a varint of more than 64 bits")
        return value

    def number(self, item: _Field) -> int:
        """A non-negative int64."""
        if item.wire != _VARINT or item.value > _MAX_I64:
            self.fail(f"field {item.number} is not a non-negative integer")
        return item.value

    def text(self, item: _Field) -> str:
        self._message(item)
        return self._cursor.text(item.end - item.begin, _MAX_TEXT, "a text")

    def entry(self, item: _Field) -> tuple[str, str]:
        """A StringStringEntryProto."""
        texts = {child.number: self.text(child) for child in self.fields(self._message(item)) if child.number <= 2}
        return texts.get(1, ""), texts.get(2, "")

    def opset(self, item: _Field) -> tuple[str, int]:
        """An OperatorSetIdProto; the default domain is empty."""
        domain, version = "", 0
        for child in self.fields(self._message(item)):
            if child.number == 1:
                domain = self.text(child)
            elif child.number == 2:
                version = self.number(child)
        return domain, version

    def top_graph(self, item: _Field, metadata: JSONObject) -> None:
        """The model's graph: like any other, and its name, inputs and outputs."""
        found = self.found
        for child in self.fields(self._message(item)):
            if child.number == 2:
                metadata["graph_name"] = self.text(child)
            elif child.number == 5:
                found.initializers.add(self._tensor(child))
            elif child.number in (11, 12):
                (found.inputs if child.number == 11 else found.outputs).append(self._value_name(child))
            else:
                self.descend("graph", child, 2)

    def descend(self, kind: str, item: _Field, depth: int) -> None:
        """Look for tensors in a field of a message of this kind."""
        child_kind = _CHILDREN[kind].get(item.number)
        if child_kind is None:
            return
        if depth > _MAX_DEPTH:
            self.fail(f"nested deeper than {_MAX_DEPTH} messages")
        if child_kind == "tensor":
            self._tensor(item)
            return
        for child in self.fields(self._message(item)):
            self.descend(child_kind, child, depth + 1)

    def _message(self, item: _Field) -> int:
        """Where an embedded message (or text) ends."""
        if item.wire != _LENGTH:
            self.fail(f"field {item.number} has wire type {item.wire}")
        return item.end

    def _value_name(self, item: _Field) -> str:
        """The name in a ValueInfoProto."""
        names = [self.text(child) for child in self.fields(self._message(item)) if child.number == 1]
        return names[-1] if names else ""

    def _tensor(self, item: _Field) -> str:
        """Note a TensorProto; its name."""
        shape: list[int] = []
        number, name = 0, ""
        data: _Field | None = None
        for child in self.fields(self._message(item)):
            if child.number == 1:
                shape += self._dimensions(child)
            elif child.number == 2:
                number = self.number(child)
            elif child.number == 8:
                name = self.text(child)
            elif child.number == 13:
                self._external(child)
            elif child.number in _DATA_FIELDS:
                data = child
        dtype, bits = _TYPES.get(number, (f"type {number}", 0))
        self._check_size(name, shape, bits, data)
        begin, end = (data.begin, data.end) if data else (0, 0)
        self.found.tensors.append(Tensor(name, dtype, tuple(shape), begin, end))
        return name

    def _dimensions(self, item: _Field) -> list[int]:
        """``dims``: one integer, or several that are packed."""
        if item.wire == _VARINT:
            return [self.number(item)]
        end = self._message(item)
        dimensions: list[int] = []
        while self._cursor.position < end and len(dimensions) < _MAX_RANK:
            dimensions.append(self._varint())
        if self._cursor.position != end or any(size > _MAX_I64 for size in dimensions):
            self.fail("packed dimensions that are no list of non-negative integers")
        return dimensions

    def _external(self, item: _Field) -> None:
        key, value = self.entry(item)
        if key == "location":
            self.found.external.add(value)
        elif key in ("offset", "length") and not (value.isascii() and value.isdigit()):
            self.fail(f"external data with the {key} {value[:40]!r}")

    def _check_size(self, name: str, shape: list[int], bits: int, data: _Field | None) -> None:
        if len(shape) > _MAX_RANK or math.prod(size for size in shape if size) > _MAX_I64:
            self.fail(f"the shape of tensor {name[:80]!r} overflows")
        expected = (math.prod(shape) * bits + 7) // 8
        if bits and data and data.number == _RAW_DATA and data.end - data.begin != expected:
            self.fail(f"tensor {name[:80]!r} has {data.end - data.begin} bytes of raw data instead of {expected}")


def _odd(found: _Found) -> Iterator[str]:
    """At most one sentence per kind."""
    if unsafe := [path for path in sorted(found.external) if is_odd_name(path) or ":" in path]:
        yield f"{len(unsafe)} paths of external data could leave the model's folder, such as {unsafe[0][:80]!r}"
    unknown = sorted({tensor.dtype for tensor in found.tensors if tensor.dtype.startswith("type ")})
    if unknown:
        yield f"unknown tensor types ({', '.join(unknown[:8])}): the size of their tensors was not checked"
