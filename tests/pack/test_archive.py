from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError, SizeMismatch
from modelpack.oci import Codec, Digest, Kind
from modelpack.pack.archive import ArchiveSource
from modelpack.pack.plan import Entry
from modelpack.store import CHUNK, Reader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG = "/".join(["folder-with-a-long-name"] * 6) + "/é-模型.bin"


def _entry(folder: Path, path: str, content: bytes, mode: int = 0o644) -> Entry:
    file = folder / hashlib.sha256(path.encode()).hexdigest()
    file.write_bytes(content)
    return Entry(path, file, Kind.CODE, len(content), mode)


def _entries(folder: Path) -> tuple[Entry, ...]:
    contents = {"a.py": b"x" * 513, "empty": b"", "exact": b"y" * 512, LONG: b"z"}
    return tuple(
        _entry(folder, path, content, 0o755 if path == "a.py" else 0o644) for path, content in contents.items()
    )


def _read(source: ArchiveSource, offset: int = 0) -> bytes:
    with Reader(source.open(offset)) as reader:
        return reader.read()


def _plain(data: bytes, codec: Codec) -> bytes:
    if codec == Codec.TAR_GZIP:
        return gzip.decompress(data)
    if codec == Codec.TAR_ZSTD:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


CODECS = pytest.mark.parametrize("codec", [Codec.TAR, Codec.TAR_GZIP, Codec.TAR_ZSTD])


@CODECS
def test_holds_the_files(tmp_path: Path, codec: Codec) -> None:
    entries = _entries(tmp_path)
    source = ArchiveSource(entries, EPOCH, codec)
    data = _read(source)
    tar = _plain(data, codec)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
        contents = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert contents == {entry.path: entry.file.read_bytes() for entry in entries}
    assert [(member.mode, member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members] == [
        (entry.mode, 0, 0, "", "", 0) for entry in entries
    ]
    assert source.files == {path: Digest.of(content) for path, content in contents.items()}
    assert source.size == (len(data) if codec == Codec.TAR else None)
    assert source.content_digest == (None if codec == Codec.TAR else Digest.of(tar))


GOLDEN = "34e14cb5a7c9f6244f0e66bb0c1ff0f8a0f6ea50e95bc483b576df051a655f11"


def test_bytes_never_change(tmp_path: Path) -> None:
    assert hashlib.sha256(_read(ArchiveSource(_entries(tmp_path), EPOCH, Codec.TAR))).hexdigest() == GOLDEN


def test_gzip_header_tells_nothing(tmp_path: Path) -> None:
    data = _read(ArchiveSource(_entries(tmp_path), EPOCH, Codec.TAR_GZIP))
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_time_is_the_given_one(tmp_path: Path) -> None:
    source = ArchiveSource(_entries(tmp_path), datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), Codec.TAR)
    with tarfile.open(fileobj=io.BytesIO(_read(source))) as archive:
        assert {member.mtime for member in archive.getmembers()} == {1714979289}


@CODECS
def test_gnu_tar_reads_it(tmp_path: Path, codec: Codec) -> None:
    (tmp_path / "files").mkdir()
    tar = _plain(_read(ArchiveSource(_entries(tmp_path / "files"), EPOCH, codec)), codec)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=tar, check=True, capture_output=True)
    assert (tmp_path / "out" / LONG).read_bytes() == b"z"


@CODECS
@pytest.mark.parametrize("offset", [0, 1, 511, 512, 1000, 4000, 10**9])
def test_reads_from_the_middle(tmp_path: Path, codec: Codec, offset: int) -> None:
    source = ArchiveSource(_entries(tmp_path), EPOCH, codec)
    assert _read(source, offset) == _read(source)[offset:]


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(1, 700), max_size=40))
def test_any_buffer_sizes(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    folder = tmp_path_factory.getbasetemp() / "archive-buffers"
    folder.mkdir(exist_ok=True)
    source = ArchiveSource(_entries(folder), EPOCH, Codec.TAR_GZIP)
    whole = _read(source)
    stream = source.open()
    data = b""
    for size in (*sizes, *[10_000] * 3):
        buffer = bytearray(size)
        count = stream.readinto(memoryview(buffer)) or 0
        data += buffer[:count]
    stream.close()
    assert data == whole


@pytest.mark.parametrize("content", [b"", b"1234", b"123456"])
def test_notices_a_file_that_changed(tmp_path: Path, content: bytes) -> None:
    entry = _entry(tmp_path, "a", b"12345")
    entry.file.write_bytes(content)
    with pytest.raises(SizeMismatch, match="a changed while it was read"):
        _read(ArchiveSource((entry,), EPOCH, Codec.TAR))


def test_notices_a_file_that_went_away(tmp_path: Path) -> None:
    entry = _entry(tmp_path, "a", b"12345")
    entry.file.unlink()
    with pytest.raises(InputError, match="cannot read a: No such file"):
        _read(ArchiveSource((entry,), EPOCH, Codec.TAR))


def test_an_error_of_the_disk_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.FileIO):
        def readinto(self, _: object, /) -> int:
            raise OSError(5, "Input/output error")

    entry = _entry(tmp_path, "a", b"12345")
    monkeypatch.setattr("io.FileIO", Broken)
    with pytest.raises(InputError, match="cannot read a: Input/output error"):
        _read(ArchiveSource((entry,), EPOCH, Codec.TAR))


def test_files_beyond_8_gib_have_their_size_in_a_record(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as stream:
        stream.truncate(9 << 30)
    source = ArchiveSource((Entry("huge", file, Kind.WEIGHT, 9 << 30),), EPOCH, Codec.TAR)
    with Reader(source.open()) as reader:
        header = reader.read(2048)
    with tarfile.open(fileobj=io.BytesIO(header), mode="r|") as archive:
        member = archive.next()
    assert member is not None
    assert (member.name, member.size) == ("huge", 9 << 30)
    assert source.size == 3 * 512 + (9 << 30) + 1024


@CODECS
def test_memory_is_flat(tmp_path: Path, codec: Codec) -> None:
    file = tmp_path / "big"
    with file.open("wb") as stream:
        stream.truncate(32 << 20)
    source = ArchiveSource((Entry("big", file, Kind.WEIGHT, 32 << 20),), EPOCH, codec)
    buffer = memoryview(bytearray(CHUNK))
    tracemalloc.start()
    try:
        stream = source.open()  # type: ignore[assignment]
        while stream.readinto(buffer):
            pass
        stream.close()
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_closing_early_closes_the_file(tmp_path: Path) -> None:
    entry = _entry(tmp_path, "a", b"x" * 5000)
    for codec in (Codec.TAR, Codec.TAR_GZIP):
        stream = ArchiveSource((entry,), EPOCH, codec).open()
        stream.readinto(memoryview(bytearray(1000)))
        stream.close()
        stream.close()
