"""safetensors headers against the rules of the format and against the reference reader."""

from __future__ import annotations

import json
import struct
import tracemalloc

import pytest
import safetensors as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.formats import PRECISION, ModelFile, Tensor, check_shards, read_header
from modelpack.formats.safetensors import BITS

from .build import Bytes, info, read, safetensors

ONE = info("F32", [2], 0, 8)
EIGHT = bytes(8)


def _reference_shapes(data: bytes) -> dict[str, tuple[int, ...]] | None:
    """What the reference reads; None if it refuses."""
    try:
        views = reference.deserialize(data)  # type: ignore[no-untyped-call]
    except reference.SafetensorError:
        return None
    return {name: tuple(view["shape"]) for name, view in views}


def _reference_accepts(data: bytes) -> bool:
    return _reference_shapes(data) is not None


def test_tensors_and_metadata() -> None:
    header = {
        "b": info("BF16", [2, 2], 4, 12),
        "__metadata__": {"format": "pt"},
        "a": info("U8", [4], 0, 4),
        "empty": info("F32", [0, 3], 12, 12),
        "scalar": info("I64", [], 12, 20),
    }
    data = safetensors(header, bytes(20))
    start = len(data) - 20
    found = read(data, "model.safetensors")
    assert found.format == "safetensors"
    assert found.tensors == (
        Tensor("a", "U8", (4,), start, start + 4),
        Tensor("b", "BF16", (2, 2), start + 4, start + 12),
        Tensor("empty", "F32", (0, 3), start + 12, start + 12),
        Tensor("scalar", "I64", (), start + 12, start + 20),
    )
    assert found.metadata == {"format": "pt"}
    assert found.parameters == 9
    assert found.dtypes == {"BF16": 4, "U8": 4, "I64": 1, "F32": 0}
    assert [tensor.nbytes for tensor in found.tensors] == [4, 8, 0, 8]


_U64 = (1 << 64) - 1
ACCEPTED = {
    "no tensors": safetensors({}),
    "spaces at the end": safetensors(b'{"a":' + json.dumps(ONE).encode() + b"}   ", EIGHT),
    "newlines inside": safetensors(b'{\n"a":\t' + json.dumps(ONE).encode() + b"\n}", EIGHT),
    "any order": safetensors({"b": info("U8", [1], 1, 2), "a": info("U8", [1], 0, 1)}, b"ab"),
    "scalar": safetensors({"a": info("F64", [], 0, 8)}, EIGHT),
    "nothing in it": safetensors({"a": info("F32", [0], 0, 0)}),
    "zero before a large dimension": safetensors({"a": info("F32", [0, _U64], 0, 0)}),
    "empty metadata": safetensors({"__metadata__": {}}),
    "minus zero in a text": safetensors({"__metadata__": {"a": "-0"}}),
    "emoji name": safetensors({"😀": ONE}, EIGHT),
    "4-bit pairs": safetensors({"a": info("F4", [4], 0, 2)}, b"ab"),
    "6-bit fours": safetensors({"a": info("F6_E2M3", [4], 0, 3)}, b"abc"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepts(case: str) -> None:
    assert read(ACCEPTED[case]).format == "safetensors"
    assert _reference_accepts(ACCEPTED[case])


def _with(**changes: object) -> bytes:
    return safetensors({"a": {**ONE, **changes}}, EIGHT)


REFUSED = {
    "empty file": (b"", "too short"),
    "seven bytes": (bytes(7), "too short"),
    "length zero": (bytes(8), "must begin with"),
    "length beyond the file": (safetensors({}, length=3), "the file ends at"),
    "length over the limit": (safetensors({}, length=100_000_001), "header of 100000001 bytes"),
    "length of 2^64-1": (safetensors({}, length=_U64), "header of"),
    "not JSON": (safetensors(b"{,}"), "not JSON"),
    "NUL padding": (safetensors(b"{}\0"), "padded"),
    "byte order mark": (safetensors(b"\xef\xbb\xbf{}"), "must begin with"),
    "an array": (safetensors([]), "must begin with"),
    "not UTF-8": (safetensors(b'{"\xff":1}'), "UTF-8"),
    "half a surrogate": (safetensors(b'{"__metadata__":{"\\ud800":""}}'), "surrogate"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}}), "object of strings"),
    "metadata is a list": (safetensors({"__metadata__": []}), "object of strings"),
    "metadata is a tensor": (safetensors({"__metadata__": ONE}, EIGHT), "object of strings"),
    "metadata twice": (safetensors(b'{"__metadata__":{},"__metadata__":{}}'), "twice"),
    "a member twice": (safetensors(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "twice"),
    "info is a string": (safetensors({"a": "F32"}), "exactly the members"),
    "no dtype": (safetensors({"a": {"shape": [0], "data_offsets": [0, 0]}}), "exactly the members"),
    "no shape": (safetensors({"a": {"dtype": "U8", "data_offsets": [0, 0]}}), "exactly the members"),
    "no offsets": (safetensors({"a": {"dtype": "U8", "shape": [0]}}), "exactly the members"),
    "unknown dtype": (_with(dtype="F33"), "'F33' is not a dtype"),
    "lower-case dtype": (_with(dtype="f32"), "'f32' is not a dtype"),
    "dtype is a number": (_with(dtype=32), "'32' is not a dtype"),
    "dtype is a list": (_with(dtype=["F32"]), "is not a dtype"),
    "shape with true": (_with(dtype="F64", shape=[True]), "unsigned integers"),
    "shape with a float": (_with(shape=[2.0]), "unsigned integers"),
    "shape with a text": (_with(shape=["2"]), "unsigned integers"),
    "shape with a negative": (_with(shape=[-2]), "unsigned integers"),
    "shape is a number": (_with(shape=2), "unsigned integers"),
    "shape with 2^64": (_with(shape=[1 << 64]), "unsigned integers"),
    "shape with -0": (safetensors(b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}'), "negative"),
    "one offset": (_with(data_offsets=[8]), "pair"),
    "three offsets": (_with(data_offsets=[0, 8, 8]), "pair"),
    "negative offset": (_with(data_offsets=[-8, 0]), "pair"),
    "offsets reversed": (_with(data_offsets=[8, 0]), "does not take -8 bytes"),
    "shape too large for its bytes": (_with(shape=[3]), "does not take 8 bytes"),
    "shape too small for its bytes": (_with(shape=[1]), "does not take 8 bytes"),
    "shape product overflows to 0": (_with(shape=[1 << 32, 1 << 32, 4]), "does not take"),
    "overflow before a zero": (safetensors({"a": info("F32", [1 << 63, 4, 0], 0, 0)}), "does not take 0 bytes"),
    "bits overflow": (_with(dtype="F64", shape=[1 << 61]), "does not take"),
    "half a byte": (safetensors({"a": info("F4", [3], 0, 1)}, b"a"), "does not take"),
    "hole at the start": (safetensors({"a": info("U8", [1], 1, 2)}, b"ab"), "hole before"),
    "hole in the middle": (
        safetensors({"a": info("U8", [1], 0, 1), "b": info("U8", [1], 2, 3)}, b"abc"),
        "hole before",
    ),
    "overlap": (safetensors({"a": info("U8", [2], 0, 2), "b": info("U8", [2], 1, 3)}, b"abc"), "overlap"),
    "the same bytes twice": (safetensors({"a": info("U8", [2], 0, 2), "b": info("U8", [2], 0, 2)}, b"ab"), "overlap"),
    "truncated data": (safetensors({"a": ONE}, bytes(7)), "the file at"),
    "a byte after the data": (safetensors({"a": ONE}, bytes(9)), "1 bytes follow"),
    "a zip after the data": (safetensors({"a": ONE}, EIGHT + b"PK\x03\x04"), "4 bytes follow"),
    "data of no tensor": (safetensors({}, b"a"), "1 bytes follow"),
    "deep nesting": (safetensors(b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"), "nested deeper"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_the_reference_refuses(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(DocumentError, match=reason):
        read(data, "model.safetensors")
    assert not _reference_accepts(data)


_TENSOR = json.dumps(ONE).encode()
STRICTER = {
    "leading space": (safetensors(b' {"a":' + _TENSOR + b"}", EIGHT), "must begin with"),
    "trailing newline": (safetensors(b'{"a":' + _TENSOR + b"}\n", EIGHT), "padded"),
    "trailing tab": (safetensors(b'{"a":' + _TENSOR + b"}\t", EIGHT), "padded"),
    "the same name twice": (safetensors(b'{"a":' + _TENSOR + b',"a":' + _TENSOR + b"}", EIGHT), "twice"),
    "an escaped name twice": (safetensors(b'{"a":' + _TENSOR + b',"\\u0061":' + _TENSOR + b"}", EIGHT), "twice"),
    "a metadata key twice": (safetensors(b'{"__metadata__":{"a":"1","a":"2"}}'), "twice"),
    "null metadata": (safetensors(b'{"__metadata__":null}'), "object of strings"),
    "an extra member": (_with(extra=1), "exactly the members"),
}


@pytest.mark.parametrize("case", STRICTER)
def test_refuses_what_only_the_specification_forbids(case: str) -> None:
    data, reason = STRICTER[case]
    with pytest.raises(DocumentError, match=reason):
        read(data, "model.safetensors")
    assert _reference_accepts(data), "the reference became stricter: move the case"


@pytest.mark.parametrize("dtype", BITS)
def test_every_dtype_has_the_size_of_the_reference(dtype: str) -> None:
    size = BITS[dtype]
    assert _reference_accepts(safetensors({"a": info(dtype, [8], 0, size)}, bytes(size)))
    assert read(safetensors({"a": info(dtype, [8], 0, size)}, bytes(size))).tensors[0].nbytes == size


def test_precision_words_are_those_of_modelpack() -> None:
    assert {PRECISION.get(dtype) for dtype in BITS} >= {"float32", "bfloat16", "float8_e4m3", "int8", "bool"}
    assert "F4" not in PRECISION
    assert "F8_E8M0" not in PRECISION


_INFO = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "U8", "F4", "F6_E3M2", "C64", "f32", "", 1]),
        "shape": st.lists(st.one_of(st.integers(0, 3), st.sampled_from([-1, _U64, 1 << 64, True, 1.0])), max_size=3),
        "data_offsets": st.lists(st.integers(0, 16), min_size=1, max_size=3),
    },
    optional={"extra": st.none()},
)
_NAME = st.one_of(st.sampled_from(["a", "__metadata__", "\ud800", "", "../x"]), st.text(max_size=3))


@given(header=st.dictionaries(_NAME, _INFO, max_size=3), data=st.binary(max_size=16), pad=st.sampled_from([b"", b" "]))
@settings(max_examples=100, deadline=None)
def test_whatever_is_accepted_the_reference_accepts(header: dict[str, object], data: bytes, pad: bytes) -> None:
    file = safetensors(json.dumps(header).encode() + pad, data)
    try:
        found = read(file, "model.safetensors")
    except DocumentError:
        return
    assert _reference_shapes(file) == {tensor.name: tensor.shape for tensor in found.tensors}


@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=5), dtype=st.sampled_from(["F32", "I8", "BF16"])
)
@settings(max_examples=50, deadline=None)
def test_whatever_is_well_made_is_read(shapes: list[list[int]], dtype: str) -> None:
    header, position = {}, 0
    for index, shape in enumerate(shapes):
        count = 1
        for size in shape:
            count *= size
        header[f"t{index}"] = info(dtype, shape, position, position := position + count * BITS[dtype] // 8)
    found = read(safetensors(header, bytes(position)), "model.safetensors")
    assert sorted((tensor.name, list(tensor.shape)) for tensor in found.tensors) == sorted(
        (f"t{index}", shape) for index, shape in enumerate(shapes)
    )


def test_a_short_header_takes_one_read_and_a_long_one_two() -> None:
    short = Bytes(safetensors({"a": info("U8", [1 << 20], 0, 1 << 20)}, bytes(1 << 20)))
    read_header(short, "model.safetensors")
    assert short.reads == [(0, 65536)]
    names = {f"tensor-{index:040}": info("U8", [1], index, index + 1) for index in range(2000)}
    long = Bytes(safetensors(names, bytes(2000)))
    read_header(long, "model.safetensors")
    header_end = long.size - 2000
    assert long.reads == [(0, 65536), (65536, header_end - 65536)]


def test_warnings_say_what_is_odd() -> None:
    odd = safetensors({"../x": info("U8", [1], 0, 1), "": info("F32", [1], 1, 5)}, bytes(5))
    warnings = read(odd).warnings
    assert any("not aligned to their dtype, such as ''" in warning for warning in warnings)
    assert any("2 tensor names are empty" in warning for warning in warnings)
    large = read(safetensors(b"{}" + b" " * (1 << 20)))
    assert any("more than one per cent" in warning for warning in large.warnings)
    assert read(safetensors(b'{"a":' + b" " * 3 + b"%s}" % _TENSOR, EIGHT)).warnings == (
        "the tensors begin at byte 71, which is no multiple of 8",
    )


@pytest.mark.parametrize("name", ["/etc/passwd", "..\\x", "a/../b", "line\nbreak", "\\x"])
def test_path_like_names_are_odd(name: str) -> None:
    assert "tensor names" in " ".join(read(safetensors({name: ONE}, EIGHT)).warnings)


@pytest.mark.parametrize("text", [b"x" * (4 << 20), b'\\"' * (2 << 20)])
def test_long_strings_cost_their_length(text: bytes) -> None:
    data = safetensors(b'{"__metadata__":{"a":"' + text + b'"}}')
    tracemalloc.start()
    read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * len(text)


# Shards


def _index(weight_map: object, **metadata: object) -> bytes:
    return json.dumps({"metadata": metadata, "weight_map": weight_map}).encode()


def _shard(**sizes: int) -> ModelFile:
    tensors = tuple(Tensor(name, "U8", (size,), 0, size) for name, size in sizes.items())
    return ModelFile("safetensors", tensors)


SHARDS = {"1.safetensors": _shard(a=1, b=2), "2.safetensors": _shard(c=4)}
MAP = {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}


@pytest.mark.parametrize("metadata", [{"total_size": 7}, {"total_size": 7.0}, {}])
def test_shards_that_agree(metadata: dict[str, object]) -> None:
    assert check_shards(_index(MAP, **metadata), SHARDS) == ()
    assert check_shards(json.dumps({"weight_map": MAP}).encode(), SHARDS) == ()


def test_each_way_to_disagree() -> None:
    def problems(changes: dict[str, str], shards: dict[str, ModelFile] = SHARDS, total: float = 7) -> tuple[str, ...]:
        return check_shards(_index({**MAP, **changes}, total_size=total), shards)

    assert problems({"d": "2.safetensors"}) == ("the shard 2.safetensors lacks 1 tensors of the index, such as 'd'",)
    assert problems({"c": "1.safetensors"}) == (
        "the shard 1.safetensors lacks 1 tensors of the index, such as 'c'",
        "the index does not name the shard 2.safetensors",
    )
    assert problems({"b": "2.safetensors"}) == (
        "the shard 1.safetensors holds 1 tensors that the index puts elsewhere, such as 'b'",
        "the shard 2.safetensors lacks 1 tensors of the index, such as 'b'",
    )
    assert problems({}, {"1.safetensors": SHARDS["1.safetensors"]}, total=3) == (
        "the shard 2.safetensors is not there",
    )
    assert problems({}, total=8) == ("the index promises 8 bytes of tensors, the shards hold 7",)
    assert problems({}, {**SHARDS, "2.safetensors": ModelFile("pickle", SHARDS["2.safetensors"].tensors)}) == (
        "the shard 2.safetensors is not a safetensors file",
    )


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (b"{", ""),
        (b"{}", "weight_map"),
        (_index([]), "weight_map"),
        (_index({"a": 1}), "weight_map['a']"),
        (_index({"a": "../x"}), "weight_map['a']"),
        (_index({"a": "sub/x"}), "weight_map['a']"),
        (_index({"a": "C:\\x"}), "weight_map['a']"),
        (_index({}, total_size="7"), "metadata.total_size"),
        (_index({}, total_size=True), "metadata.total_size"),
        (b'{"weight_map":{},"metadata":[]}', "metadata"),
    ],
)
def test_malformed_indexes(index: bytes, path: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_shards(index, {})
    assert caught.value.path == path


def test_the_length_is_little_endian() -> None:
    assert read(struct.pack("<Q", 2) + b"{}").tensors == ()
    with pytest.raises(DocumentError):
        read(struct.pack(">Q", 2) + b"{}", "model.safetensors")
