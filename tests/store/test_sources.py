from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import ContentError, DigestMismatch, InputError, NotFound, SizeMismatch, StoreError
from modelpack.oci import Descriptor, Digest, new_hasher
from modelpack.store import BytesSource, FileSource, HashingSource, Reader, VerifiedSource, VerifyingReader
from tests.store.content import WEIGHTS, Flaky, verified


class Trickle(io.BytesIO):
    """Gives at most three bytes at a time."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        return super().readinto(buffer[:3])


class Unsized:
    """Content whose length only reading tells."""

    size = None

    def __init__(self, data: bytes) -> None:
        self.data = data

    def open(self, offset: int = 0) -> Trickle:
        return Trickle(self.data[offset:])


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"0123456789")
    source = FileSource.of(path)
    assert source == FileSource(path, 10)
    with Reader(source.open(4)) as reader:
        assert reader.read() == b"456789"
    assert source.read_at(8, 100) == b"89"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a regular file"):
        FileSource.of(tmp_path)
    with pytest.raises(InputError, match="not a regular file"):
        FileSource.of(tmp_path / "absent")
    with pytest.raises(NotFound, match="cannot read"):
        FileSource(tmp_path / "absent", 1).open()
    with pytest.raises(NotFound, match="cannot read"):
        FileSource.of(tmp_path / ("x" * 300))


def test_an_error_of_the_disk_is_ours() -> None:
    source = FileSource(Path("/proc/self/mem"), 10)  # where nothing is mapped, the kernel answers with EIO
    with (
        pytest.raises(StoreError, match=r"cannot read /proc/self/mem: Input/output error"),
        Reader(source.open()) as reader,
    ):
        reader.read()
    with pytest.raises(StoreError, match=r"cannot read /proc/self/mem: Input/output error"):
        source.read_at(0, 10)


def test_reading_in_pieces() -> None:
    counted: list[int] = []
    with Reader(Trickle(b"0123456789"), counted.append) as reader:
        assert reader.read(4) == b"0123"
        assert reader.read(0) == b""
        assert reader.read(100) == b"456789"
        assert reader.position == 10
        assert sum(counted) == 10


def test_a_failed_attempt_takes_its_count_back() -> None:
    counted: list[int] = []

    def attempt() -> None:
        with Reader(io.BytesIO(b"0123456789"), counted.append) as reader:
            reader.read(7)
            raise KeyError

    with pytest.raises(KeyError):
        attempt()
    assert sum(counted) == 0


@given(data=st.binary(max_size=300), other=st.binary(max_size=300), piece=st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_only_the_promised_bytes_come_out_whole(data: bytes, other: bytes, piece: int) -> None:
    """Whatever comes instead of the promised bytes, its last byte is never handed over."""
    received = bytearray()
    try:
        with verified(other, data).open() as reader:
            while part := reader.read(piece):
                received += part
    except ContentError:
        assert other != data
        assert len(received) < max(1, len(data))
    else:
        assert bytes(received) == data == other


def test_an_empty_blob_is_checked_when_it_is_opened() -> None:
    assert verified(b"").open().read() == b""
    with pytest.raises(SizeMismatch, match="longer"):
        verified(b"x", b"").open()
    with pytest.raises(DigestMismatch):
        VerifiedSource(BytesSource(b""), Descriptor(WEIGHTS, Digest.of(b"x"), 0)).open()


def test_an_empty_buffer_reads_nothing() -> None:
    with verified(b"abc").open() as reader:
        assert reader.readinto(memoryview(bytearray())) == 0
        assert reader.read() == b"abc"


def test_verifying_goes_on_in_the_middle() -> None:
    data = os.urandom(1000)
    hasher = new_hasher("sha256")
    hasher.update(data[:400])
    counted: list[int] = []
    source = VerifiedSource(Flaky(data, []), Descriptor.of(WEIGHTS, data), counted.append)
    with source.resume(hasher, 400) as reader:
        assert reader.read() == data[400:]
    assert sum(counted) == 1000 == source.size
    with pytest.raises(DigestMismatch), source.resume(new_hasher("sha256"), 400) as reader:
        reader.read()
    assert sum(counted) == 1000


def test_sha512_is_checked_as_sha512() -> None:
    descriptor = Descriptor(WEIGHTS, Digest.of(b"weights", "sha512"), 7)
    with VerifiedSource(BytesSource(b"weights"), descriptor).open() as reader:
        assert reader.read() == b"weights"


@pytest.mark.parametrize("data", [b"", b"0123456789", bytes(700_000)])
@pytest.mark.parametrize("sized", [True, False])
def test_hashing(data: bytes, sized: bool) -> None:
    counted: list[int] = []
    source = HashingSource(BytesSource(data) if sized else Unsized(data[:1000]), counted.append)
    expected = data if sized else data[:1000]
    with source.open() as reader:
        assert reader.read() == expected
    assert (source.digest, source.length) == (Digest.of(expected), len(expected))
    assert sum(counted) == len(expected)


def test_the_digest_is_known_at_the_end_and_not_before() -> None:
    source = HashingSource(BytesSource(b"0123456789"))
    with pytest.raises(SizeMismatch, match="not read"):
        _ = source.digest
    with source.open() as reader:
        reader.read(5)
        with pytest.raises(SizeMismatch):
            _ = source.length
        reader.read()
    assert source.length == 10
    with source.open(), pytest.raises(SizeMismatch):  # reading again begins anew
        _ = source.digest


@pytest.mark.parametrize(("now", "length"), [(b"012345678", 9), (b"0123456789a", 11)])
def test_a_file_that_changes_under_the_reader_is_noticed(tmp_path: Path, now: bytes, length: int) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"0123456789")
    source = HashingSource(FileSource.of(path))
    path.write_bytes(now)
    with pytest.raises(SizeMismatch, match=f"{length} bytes instead of 10"), source.open() as reader:
        reader.read()


def test_an_empty_file_that_grew_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.touch()
    source = HashingSource(FileSource.of(path))
    path.write_bytes(b"x")
    with pytest.raises(SizeMismatch):
        source.open()


def test_readers_close_their_stream() -> None:
    stream = io.BytesIO(b"abc")
    with VerifyingReader(stream, Descriptor.of(WEIGHTS, b"abc")) as reader:
        reader.read()
    assert stream.closed
