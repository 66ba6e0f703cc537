"""Which format a file is, how it is read, and that nothing but DocumentError comes out of hostile bytes."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, Unavailable
from modelpack.formats import ModelFile, read_header
from modelpack.formats.source import CHUNK, Cursor

from .build import Bytes, array, gguf, info, message, number, pair, read, safetensors, tensor, text
from .test_onnx import external, model
from .test_onnx import stored as onnx_tensor
from .test_pytorch import STATE, archive, with_zip64

GGUF = gguf(
    (
        pair("general.architecture", 8, text("llama")),
        pair("list", 9, array(8, 66, text("ab") * 66)),
        pair("b", 7, b"\1"),
    ),
    (tensor("a", (32, 2), 2, 0), tensor("b", (3,), 0, 64)),
    bytes(76),
)
SAFETENSORS = safetensors({"a": info("F32", [2], 0, 8), "__metadata__": {"k": "v"}}, bytes(8))
ONNX = model(message(5, onnx_tensor("w", (2,), 1, b"12345678")), external("w.bin"), more=number(5, 1))
SAMPLES = {"safetensors": SAFETENSORS, "gguf": GGUF, "onnx": ONNX, "pt": with_zip64(archive(*STATE))}


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"hello world", b"GGU", bytes(100), b"\x89PNG\r\n", b"PK\x05\x06" + bytes(18)]
)
@pytest.mark.parametrize("name", ["config.json", "weights.bin", "", ".gguf", "dir.gguf/file", "model.onnx.data"])
def test_other_files_are_not_ours(data: bytes, name: str) -> None:
    assert read_header(Bytes(data), name) is None


@pytest.mark.parametrize("kind", ["safetensors", "gguf", "pt"])
def test_content_goes_before_the_name(kind: str) -> None:
    assert read(SAMPLES[kind], "weights.bin").format == kind
    assert read(SAMPLES[kind], "weights.bin").warnings == read(SAMPLES[kind], f"folder/model.{kind.upper()}").warnings
    for other in sorted(SAMPLES.keys() - {kind}):
        warning = f"the name is that of a {other} file, the content that of a {kind} file"
        assert warning in read(SAMPLES[kind], f"m.{other}").warnings


def test_a_pickle_in_disguise() -> None:
    found = read(pickle.dumps({}), "model.safetensors")
    assert found.format == "pickle"
    assert found.warnings == ("the name is that of a safetensors file, the content that of a pickle file",)


def test_onnx_needs_its_name() -> None:
    assert read(ONNX, "m.onnx").format == "onnx"
    assert read_header(Bytes(ONNX), "m.bin") is None


@pytest.mark.parametrize("suffix", ["safetensors", "gguf", "onnx", "pt", "pkl"])
def test_git_lfs_pointers_are_called_by_their_name(suffix: str) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    with pytest.raises(DocumentError, match="Git LFS pointer") as caught:
        read(pointer, f"model.{suffix}")
    assert "git lfs pull" in caught.value.hint


def test_errors_are_one_line_whatever_the_name() -> None:
    with pytest.raises(DocumentError) as caught:
        read(b"", "evil\nname\x1b[2J.gguf")
    assert str(caught.value).isprintable()
    with pytest.raises(DocumentError) as caught:
        read(b"", "x" * 100_000 + ".gguf")
    assert len(str(caught.value)) < 400


@dataclass
class Liar:
    """A source whose size is a lie."""

    data: bytes
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass
class Chatty(Bytes):
    """A source that gives more than it was asked for."""

    def read_at(self, offset: int, length: int) -> bytes:
        return super().read_at(offset, length + 1)


@dataclass
class Broken(Bytes):
    """A source that fails after its first read."""

    def read_at(self, offset: int, length: int) -> bytes:
        if self.reads:
            raise Unavailable("the network is gone")
        return super().read_at(offset, length)


def test_sources_that_misbehave() -> None:
    long = gguf((pair("k", 8, text("x" * 100_000)),))
    with pytest.raises(DocumentError, match="bytes came for"):
        read_header(Liar(SAFETENSORS, 1 << 40), "m.safetensors")
    with pytest.raises(DocumentError, match="bytes came for"):
        read_header(Liar(long[:70_000], len(long)), "m.gguf")
    with pytest.raises(DocumentError, match="bytes came for"):
        read_header(Chatty(long), "m.gguf")
    with pytest.raises(Unavailable):
        read_header(Broken(long), "m.gguf")


def test_a_header_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.formats.source.MAX_HEADER", 300_000)
    keys = tuple(pair(f"k{index}", 8, text("x" * 1000)) for index in range(1000))
    with pytest.raises(DocumentError, match="larger than the 300000 bytes"):
        read(gguf(keys))


def test_a_cursor_reads_on_in_growing_steps_and_starts_small_after_a_jump() -> None:
    source = Bytes(bytes(range(256)) * (16 << 12))
    cursor = Cursor(source, "test")
    assert cursor.take(4) == bytes(range(4))
    cursor.skip(CHUNK * 2)
    assert cursor.take(2) == bytes([4, 5])
    cursor.skip(8 << 20)
    assert cursor.take(1) == bytes([6])
    cursor.skip(100_000)
    taken = cursor.take(CHUNK + 1)
    assert taken == source.data[cursor.position - CHUNK - 1 : cursor.position]
    assert [offset for offset, _ in source.reads[:2]] == [0, CHUNK * 2 + 4]
    assert source.reads[2] == (CHUNK * 2 + 6 + (8 << 20), CHUNK)
    with pytest.raises(DocumentError, match="the file ends"):
        cursor.skip(source.size)


def _mutated(data: bytes, changes: list[tuple[int, int]], cut: int | None) -> bytes:
    out = bytearray(data)
    for place, value in changes:
        out[place % len(out)] = value
    return bytes(out if cut is None else out[: cut % len(out)])


def _attempt(data: bytes, name: str) -> ModelFile | DocumentError | None:
    try:
        return read_header(Bytes(data), name)
    except DocumentError as error:
        return error


@given(
    kind=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    cut=st.none() | st.integers(0, 1 << 16),
)
@settings(max_examples=100, deadline=None)
def test_only_document_errors_come_out_of_damaged_files(
    kind: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    result = _attempt(_mutated(SAMPLES[kind], changes, cut), f"model.{kind}")
    assert result is not None
    if isinstance(result, DocumentError):
        assert str(result).isprintable()
    else:
        assert all(tensor.nbytes >= 0 and tensor.parameters >= 0 for tensor in result.tensors)


@given(data=st.binary(max_size=200), kind=st.sampled_from(sorted(SAMPLES)), magic=st.booleans())
@example(data=struct.pack("<Q", 1) + b"{", kind="safetensors", magic=False)
@settings(max_examples=100, deadline=None)
def test_only_document_errors_come_out_of_noise(data: bytes, kind: str, magic: bool) -> None:
    head = {"gguf": struct.pack("<4sI", b"GGUF", 3), "pt": b"PK\x03\x04", "onnx": b"\x08\x08\x3a"}.get(kind, b"")
    result = _attempt((head if magic else b"") + data, f"model.{kind}")
    assert not isinstance(result, DocumentError) or str(result).isprintable()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_truncation_is_an_error_or_harmless(kind: str) -> None:
    """All of them: the samples are small."""
    data = SAMPLES[kind]
    complete = read(data, f"m.{kind}").parameters
    for length in range(len(data)):
        result = _attempt(data[:length], f"m.{kind}")
        assert result is not None
        assert isinstance(result, DocumentError) or result.parameters <= complete
