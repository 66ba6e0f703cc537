"""GGUF headers: golden bytes, each rule broken once, and the reader of the gguf package where it is installed."""

from __future__ import annotations

import struct

import pytest

from modelpack.errors import DocumentError
from modelpack.formats import Tensor, read_header
from modelpack.formats.ggml import BLOCKS, QUANTIZATION
from modelpack.oci import JSON

from .build import Bytes, array, gguf, pair, read, tensor, text

U32 = struct.Struct("<I").pack
U64 = struct.Struct("<Q").pack

ARCHITECTURE = pair("general.architecture", 8, text("llama"))


def test_tensors_are_placed_in_the_file() -> None:
    tensors = (tensor("blk.0", (32, 2), 8, 96), tensor("norm", (3,), 0, 0), tensor("scalar", (), 0, 32))
    data = gguf((ARCHITECTURE, pair("general.file_type", 4, U32(7))), tensors, bytes(96 + 68))
    start = len(data) - 164
    found = read(data, "model.gguf")
    assert found.format == "gguf"
    assert found.tensors == (
        Tensor("norm", "F32", (3,), start, start + 12),
        Tensor("scalar", "F32", (), start + 32, start + 36),
        Tensor("blk.0", "Q8_0", (32, 2), start + 96, start + 164),
    )
    assert found.quantization == "Q8_0"
    assert found.parameters == 68
    assert found.dtypes == {"Q8_0": 64, "F32": 4}
    assert found.warnings == ("1 holes between tensors hold bytes that belong to none",)


@pytest.mark.parametrize(
    ("kind", "packed", "value"),
    [
        (0, b"\xff", 255),
        (1, b"\xff", -1),
        (2, b"\xff\xff", 65535),
        (3, b"\xff\xff", -1),
        (4, U32(7), 7),
        (5, struct.pack("<i", -7), -7),
        (6, struct.pack("<f", 0.5), 0.5),
        (6, struct.pack("<f", float("inf")), "inf"),
        (7, b"\x01", True),
        (7, b"\x00", False),
        (8, text("é"), "é"),
        (9, array(4, 2, U32(1) + U32(2)), [1, 2]),
        (9, array(8, 2, text("a") + text("b")), ["a", "b"]),
        (9, array(7, 0, b""), []),
        (9, array(8, 65, text("a") * 65), {"type": "string", "length": 65}),
        (9, array(6, 70_000, bytes(280_000)), {"type": "float32", "length": 70_000}),
        (8, text("x" * (1 << 20)), "x" * (1 << 20)),
        (8, text("x" * ((1 << 20) + 1)), {"type": "string", "length": (1 << 20) + 1}),
        (10, U64((1 << 64) - 1), (1 << 64) - 1),
        (11, struct.pack("<q", -1), -1),
        (12, struct.pack("<d", 1e300), 1e300),
    ],
)
def test_values(kind: int, packed: bytes, value: JSON) -> None:
    after = pair("after", 0, b"\x2a")
    metadata = read(gguf((pair("key", kind, packed), after))).metadata
    assert metadata == {"key": value, "after": 42, "GGUF.version": 3}
    assert type(metadata["key"]) is type(value)


def test_version_2_and_another_alignment() -> None:
    alignment = pair("general.alignment", 4, U32(8))
    data = gguf((alignment,), (tensor("a", (2,), 0, 8),), bytes(16), version=2, alignment=8)
    found = read(data)
    assert found.metadata["GGUF.version"] == 2
    assert found.tensors[0].end == len(data)


def test_the_last_tensor_need_not_be_padded_and_may_be_followed_by_padding_only() -> None:
    assert read(gguf((), (tensor("a", (1,), 24, 0),), b"\0")).warnings == ()
    assert read(gguf((), (tensor("a", (1,), 24, 0),), bytes(32))).warnings == ()
    followed = read(gguf((), (tensor("a", (1,), 24, 0),), bytes(33)))
    assert followed.warnings == ("32 bytes follow the last tensor",)


def test_an_unknown_tensor_type_is_a_warning() -> None:
    found = read(gguf((), (tensor("a", (7,), 99, 0), tensor("b", (1,), 0, 32)), bytes(36)))
    assert found.tensors[0].dtype == "type 99"
    assert found.tensors[0].nbytes == 0
    assert found.dtypes == {"type 99": 7, "F32": 1}
    assert found.warnings == ("unknown tensor types (type 99): the size of their tensors was not checked",)


def test_a_file_that_is_not_quantized() -> None:
    assert read(gguf((pair("general.file_type", 4, U32(1)),))).quantization == ""
    assert read(gguf((pair("general.file_type", 8, text("Q4_0")),))).quantization == ""


ONE = tensor("a", (8,), 0, 0)
REFUSED = {
    "magic alone": (b"GGUF", "too short"),
    "older format": (b"ggjt" + bytes(40), "does not begin with GGUF"),
    "version 1": (gguf(version=1), "GGUF version 1"),
    "version 4": (gguf(version=4), "GGUF version 4"),
    "big endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "too many tensors for the file": (gguf(counts=(2, 0)), "2 tensors are announced"),
    "too many keys for the file": (gguf(counts=(0, 2)), "2 key-values are announced"),
    "2^64-1 tensors": (gguf(counts=((1 << 64) - 1, 0)), "are announced"),
    "too many keys at all": (gguf(counts=(0, 100_001), data=bytes(2 << 20)), "more than are allowed"),
    "a key cut off": (gguf((b"",), (), bytes(40), counts=(0, 1))[:26] + b"\xff", "the file ends"),
    "a key of 64 KiB": (gguf((pair("k" * 65_536, 0, b"\0"),)), "a key of 65536 bytes"),
    "a key that is not UTF-8": (gguf((pair(b"\xff", 0, b"\0"),)), "not UTF-8"),
    "a key twice": (gguf((ARCHITECTURE, ARCHITECTURE)), "key 'general.architecture': the key stands twice"),
    "value type 13": (gguf((pair("k", 13, bytes(8)),)), "key 'k': value type 13"),
    "a truth value of 2": (gguf((pair("k", 7, b"\2"),)), "no truth value"),
    "a text that is not UTF-8": (gguf((pair("k", 8, text(b"\xff")),)), "not UTF-8"),
    "a text beyond the file": (gguf((pair("k", 8, U64(1 << 40)),)), "the file ends"),
    "a hostile key": (gguf((pair("k\n\x1b[2J", 13, b""),)), r"key 'k\\n\\x1b\[2J': value type 13"),
    "an array of arrays": (gguf((pair("k", 9, array(9, 1, array(0, 0, b""))),)), "an array of arrays"),
    "an array of type 13": (gguf((pair("k", 9, array(13, 1, b"\0")),)), "value type 13"),
    "an array beyond the file": (gguf((pair("k", 9, array(0, 1 << 20, b"")),)), "an array of 1048576 items"),
    "an array of 2^64-1": (gguf((pair("k", 9, array(12, (1 << 64) - 1, b"")),)), "more than are allowed"),
    "texts beyond the file": (gguf((pair("k", 9, array(8, 65, U64(1 << 40) * 65)),)), "the file ends"),
    "alignment 0": (gguf((pair("general.alignment", 4, U32(0)),)), "not a power of two"),
    "alignment 24": (gguf((pair("general.alignment", 4, U32(24)),)), "not a power of two"),
    "alignment true": (gguf((pair("general.alignment", 7, b"\1"),)), "not a power of two"),
    "alignment 2^32": (gguf((pair("general.alignment", 10, U64(1 << 32)),)), "not a power of two"),
    "alignment text": (gguf((pair("general.alignment", 8, text("32")),)), "not a power of two"),
    "a long tensor name": (gguf((), (tensor("n" * 1025, (8,), 0, 0),), bytes(32)), "a tensor name of 1025"),
    "a tensor name twice": (gguf((), (ONE, tensor("a", (8,), 0, 32)), bytes(64)), "stands twice"),
    "five dimensions": (gguf((), (tensor("a", (1, 1, 1, 1, 1), 0, 0),), bytes(32)), "5 dimensions"),
    "2^32-1 dimensions": (gguf((), (text("a") + U32((1 << 32) - 1),), bytes(32)), "dimensions"),
    "a shape that overflows": (gguf((), (tensor("a", (1 << 32, 1 << 32), 0, 0),), bytes(32)), "overflows"),
    "an overflow behind a zero": (gguf((), (tensor("a", (0, 1 << 32, 1 << 32), 0, 0),), bytes(32)), "overflows"),
    "half a block": (gguf((), (tensor("a", (48,), 2, 0),), bytes(32)), "rows of 48 cannot be Q4_0"),
    "a scalar of blocks": (gguf((), (tensor("a", (), 2, 0),), bytes(32)), "rows of 1 cannot be Q4_0"),
    "an unaligned offset": (gguf((), (tensor("a", (8,), 0, 16),), bytes(64)), "offset 16"),
    "an offset beyond the file": (gguf((), (tensor("a", (8,), 0, 1 << 62),), bytes(32)), "the file at"),
    "a tensor beyond the file": (gguf((), (ONE,), bytes(31)), "the file at"),
    "an overlap": (gguf((), (ONE, tensor("b", (8,), 0, 0)), bytes(64)), "overlaps"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(DocumentError, match=reason):
        read(data, "model.gguf")


@pytest.mark.parametrize(
    ("number", "name", "size"),
    [(12, "Q4_K", 144 * 2), (40, "NVFP4", 36 * 8), (39, "MXFP4", 17 * 16), (30, "BF16", 1024), (14, "Q6_K", 420)],
)
def test_the_size_of_512_elements(number: int, name: str, size: int) -> None:
    found = read(gguf((), (tensor("a", (256, 2), number, 0),), bytes(size)))
    assert (found.tensors[0].dtype, found.tensors[0].nbytes) == (name, size)
    with pytest.raises(DocumentError, match="the file at"):
        read(gguf((), (tensor("a", (256, 2), number, 0),), bytes(size - 1)))


def test_a_large_tokenizer_takes_few_reads_and_its_scores_none() -> None:
    tokens = pair("tokenizer.ggml.tokens", 9, array(8, 100_000, text("token") * 100_000))
    scores = pair("tokenizer.ggml.scores", 9, array(6, 4 << 20, bytes(16 << 20)))
    source = Bytes(gguf((tokens, scores, ARCHITECTURE)))
    found = read_header(source, "model.gguf")
    assert found is not None
    assert found.metadata["general.architecture"] == "llama"
    assert len(source.reads) <= 8
    assert sum(length for _, length in source.reads) < 4 << 20


def test_tables_agree_with_the_gguf_package() -> None:
    constants = pytest.importorskip("gguf.constants", reason="the gguf package is not installed")
    theirs = {int(kind): (kind.name, *sizes) for kind, sizes in constants.GGML_QUANT_SIZES.items()}
    assert {number: BLOCKS.get(number) for number in theirs} == theirs
    names = {int(kind): kind.name.removeprefix("MOSTLY_") for kind in constants.LlamaFileType}
    assert {number: names.get(number) for number in QUANTIZATION} == QUANTIZATION
