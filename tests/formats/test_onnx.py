"""ONNX: hand-made protobuf, each rule broken once, and the onnx package where it is installed."""

from __future__ import annotations

import struct

import pytest

from modelpack.errors import DocumentError
from modelpack.formats import Tensor, read_header
from modelpack.formats.onnx import _TYPES

from .build import Bytes, message, number, read, varint

FLOAT, INT4 = 1, 22
HEAD = number(1, 8) + message(2, b"maker") + message(3, b"1.0") + message(8, message(1, b""), number(2, 17))


def stored(name: str, dims: tuple[int, ...], kind: int, raw: bytes | None, *more: bytes) -> bytes:
    """The content of a TensorProto."""
    data = b"" if raw is None else message(9, raw)
    return (
        b"".join(number(1, size) for size in dims) + number(2, kind) + message(8, name.encode()) + data + b"".join(more)
    )


def model(*graph: bytes, more: bytes = b"") -> bytes:
    return HEAD + message(7, *graph) + more


def test_the_head_and_the_initializers() -> None:
    raw = b"weights!" * 2
    graph = (
        message(1, message(1, b"x"), message(4, b"Gemm")),
        message(2, b"main"),
        message(5, stored("w", (2, 2), FLOAT, raw)),
        message(5, message(1, varint(2), varint(3)), number(2, INT4), message(8, b"packed"), message(9, b"123")),
        message(11, message(1, b"x")),
        message(11, message(1, b"w")),
        message(12, message(1, b"y"), message(2, b"type")),
        message(12),
    )
    extra = (
        number(5, 3) + message(4, b"org.example") + message(8, message(1, b"ai.onnx.ml"), number(2, 2), number(9, 9))
    )
    data = model(*graph, more=extra + message(14, message(1, b"license"), message(2, b"MIT")) + message(6, b"doc"))
    found = read(data, "model.onnx")
    begin = data.index(raw)
    assert found.format == "onnx"
    assert found.tensors == (
        Tensor("w", "F32", (2, 2), begin, begin + 16),
        Tensor("packed", "I4", (2, 3), data.index(b"123"), data.index(b"123") + 3),
    )
    assert found.metadata == {
        "ir_version": 8,
        "producer_name": "maker",
        "producer_version": "1.0",
        "model_version": 3,
        "domain": "org.example",
        "graph_name": "main",
        "opset": {"": 17, "ai.onnx.ml": 2},
        "properties": {"license": "MIT"},
        "inputs": ["x"],
        "outputs": ["y", ""],
        "external_data": [],
    }
    assert found.dtypes == {"I4": 6, "F32": 4}
    assert found.warnings == ()


def test_half_bytes_are_rounded_up() -> None:
    assert read(model(message(5, stored("w", (3,), INT4, b"12"))), "m.onnx").tensors[0].nbytes == 2
    with pytest.raises(DocumentError, match="1 bytes of raw data instead of 2"):
        read(model(message(5, stored("w", (3,), INT4, b"1"))), "m.onnx")


WEIGHT = stored("w", (1,), FLOAT, b"1234")


@pytest.mark.parametrize(
    "where",
    [
        model(message(1, message(5, message(5, WEIGHT)))),
        model(message(1, message(5, message(10, WEIGHT)))),
        model(message(1, message(5, message(6, message(5, WEIGHT))))),
        model(message(1, message(5, message(11, message(1, message(5, message(5, WEIGHT))))))),
        model(message(15, message(1, WEIGHT), number(3, 1))),
        model(message(1, message(5, message(22, message(1, WEIGHT))))),
        model(more=message(25, message(7, message(5, message(5, WEIGHT))))),
        model(more=message(20, message(1, message(5, WEIGHT)))),
        model(more=message(7, message(5, WEIGHT))),
    ],
    ids=[
        "constant",
        "constants",
        "branch",
        "nested",
        "sparse",
        "sparse constant",
        "function",
        "training",
        "second graph",
    ],
)
def test_tensors_are_found_wherever_they_hide(where: bytes) -> None:
    assert [(tensor.name, tensor.parameters) for tensor in read(where, "m.onnx").tensors] == [("w", 1)]


def test_numbers_outside_raw_data_are_not_measured() -> None:
    found = read(model(message(5, stored("f", (3,), FLOAT, None, message(4, bytes(12))))), "m.onnx")
    assert found.tensors[0].nbytes == 12
    texts = stored("s", (2,), 8, None, message(6, b"a"), message(6, b"b"))
    assert read(model(message(5, texts)), "m.onnx").dtypes == {"STRING": 2}


def external(location: str, **more: str) -> bytes:
    entries = {"location": location, **more}
    fields = [message(13, message(1, key.encode()), message(2, value.encode())) for key, value in entries.items()]
    return message(5, stored("w", (4,), FLOAT, None, *fields, number(14, 1)))


def test_external_data_is_listed() -> None:
    graph = (external("b.bin", offset="0", length="16", checksum="x"), external("a.bin"), external("a.bin"))
    found = read(model(*graph), "m.onnx")
    assert found.metadata["external_data"] == ["a.bin", "b.bin"]
    assert (found.parameters, found.tensors[0].nbytes) == (12, 0)
    assert found.warnings == ()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..\\x", "C:\\x", "", "a\0b", "file:x"])
def test_external_data_that_leaves_the_folder_is_a_warning(path: str) -> None:
    assert "could leave the model's folder" in " ".join(read(model(external(path)), "m.onnx").warnings)


def test_an_unknown_tensor_type_is_a_warning() -> None:
    found = read(model(message(5, stored("w", (3,), 99, b"1"))), "m.onnx")
    assert found.dtypes == {"type 99": 3}
    assert found.warnings == ("unknown tensor types (type 99): the size of their tensors was not checked",)


def nested(depth: int) -> bytes:
    """Branches in branches."""
    content = b""
    for _ in range(depth):
        content = message(1, message(5, message(6, content)))
    return content


LARGE = (1 << 64) - 1
REFUSED = {
    "empty": (b"", "does not begin"),
    "text": (b"hello", "does not begin"),
    "html": (b"<!doctype html>", "does not begin"),
    "nothing but a version": (number(1, 8), "a graph are required"),
    "no version": (message(7), "an ir_version"),
    "a negative version": (number(1, LARGE) + message(7), "not a non-negative integer"),
    "version is a text": (number(5, 1) + message(1, b"8"), "not a non-negative integer"),
    "producer is a number": (HEAD + number(2, 8), "wire type 0"),
    "producer is not UTF-8": (number(1, 8) + message(2, b"\xff"), "not UTF-8"),
    "a text over 1 MiB": (number(1, 8) + message(2, bytes((1 << 20) + 1)), "a text of 1048577 bytes"),
    "a field beyond the file": (number(1, 8) + b"\x3a\x7f", "beyond its message"),
    "a length of 2^64-1": (number(1, 8) + b"\x3a" + varint(LARGE), "beyond its message"),
    "a field beyond its message": (HEAD + message(7, b"\x0a\x7f") + message(6, bytes(200)), "beyond its message"),
    "a varint beyond its message": (HEAD + message(7, b"\x80") + b"\x01\x01", "beyond its message"),
    "a varint beyond the file": (HEAD + b"\x80", "the file ends"),
    "a varint of 11 bytes": (HEAD + b"\x80" * 11 + b"\x01", "more than 64 bits"),
    "a varint of 70 bits": (HEAD + b"\x08" + b"\xff" * 9 + b"\x7f", "more than 64 bits"),
    "field number 0": (HEAD + b"\x00\x01", "not protobuf"),
    "a group": (HEAD + b"\x0b", "wire type 3"),
    "a fixed64 beyond the file": (HEAD + b"\x51abc", "beyond its message"),
    "a negative dimension": (model(message(5, stored("w", (LARGE,), FLOAT, b""))), "not a non-negative"),
    "a negative packed dimension": (model(message(5, message(1, varint(LARGE)))), "packed dimensions"),
    "packed dimensions cut off": (model(message(5, message(1, b"\x80"), number(2, 1))), "packed dimensions"),
    "a shape that overflows": (model(message(5, stored("w", (1 << 32, 1 << 32), FLOAT, b""))), "overflows"),
    "too many dimensions": (model(message(5, stored("w", (1,) * 1025, FLOAT, b"1234"))), "overflows"),
    "raw data too short": (model(message(5, stored("w", (2,), FLOAT, b"1234"))), "4 bytes of raw data instead of 8"),
    "raw data too long": (model(message(5, stored("w", (), FLOAT, b"12345"))), "5 bytes of raw data instead of 4"),
    "an offset that is no number": (model(external("a", offset="-1")), "the offset '-1'"),
    "a length that is no number": (model(external("a", length="²")), "the length"),
    "branches without end": (model(nested(30)), "nested deeper"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(DocumentError, match=reason):
        read(data, "model.onnx")


def test_branches_may_be_nested() -> None:
    assert read(model(nested(15)), "m.onnx").tensors == ()


def test_too_many_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.formats.onnx._MAX_FIELDS", 50)
    with pytest.raises(DocumentError, match="more than 50 fields"):
        read(model(message(1) * 50), "m.onnx")


def test_other_fields_are_stepped_over() -> None:
    fixed = varint(100 << 3 | 1) + struct.pack("<d", 1.0) + varint(101 << 3 | 5) + struct.pack("<f", 1.0)
    assert read(model(more=fixed + number(102, 1)), "m.onnx").tensors == ()


def test_weights_are_not_read() -> None:
    weights = message(5, stored("w", (1 << 20,), FLOAT, bytes(4 << 20)))
    source = Bytes(model(*[weights] * 4))
    found = read_header(source, "m.onnx")
    assert found is not None
    assert found.parameters == 4 << 20
    assert sum(length for _, length in source.reads) <= 5 * 65536


def test_an_independent_writer() -> None:
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
    helper = onnx.helper
    for kind, (dtype, bits) in _TYPES.items():
        if not bits or kind not in onnx.TensorProto.DataType.values():
            continue
        weight = onnx.TensorProto(dims=[4], data_type=kind, name="w", raw_data=bytes(bits * 4 // 8))
        value = helper.make_tensor_value_info("x", 1, [4])
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value], [weight])
        proto = helper.make_model(graph, producer_name="test", opset_imports=[helper.make_opsetid("", 18)])
        found = read(proto.SerializeToString(), "m.onnx")
        assert (found.dtypes, found.metadata["opset"]) == ({dtype: 4}, {"": 18})
