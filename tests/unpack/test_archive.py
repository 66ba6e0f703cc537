from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelpack.errors import ContentError, ModelPackError, UnsafePath, UnsupportedFormat
from modelpack.oci import Codec
from modelpack.store import BytesSource, MemoryStore, Reader
from modelpack.unpack import unpack
from modelpack.unpack.archive import Member, TarReader, inflate, inflated
from modelpack.unpack.archive import tar as tar_module
from tests.unpack.models import archive, compress, member, model, tar, tar_of, tree

ZEROS = bytes(1024)


def header(name: str = "x", size: int = 0, type_: bytes = tarfile.REGTYPE) -> bytes:
    """One header block."""
    info, _ = member(name, type_=type_)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def pax(data: bytes, type_: bytes = tarfile.XHDTYPE, size: int | None = None) -> bytes:
    return header("pax", len(data) if size is None else size, type_) + padded(data)


def read(data: bytes, codec: Codec = Codec.TAR) -> dict[str, bytes]:
    reader = Reader(BytesSource(data).open())
    archive_reader = TarReader(inflated(reader, codec, len(data), "layer"))
    return {
        str(entry.path): b"" if entry.folder else b"".join(map(bytes, archive_reader.content()))
        for entry in archive_reader
    }


def members(data: bytes) -> list[Member]:
    return list(TarReader(inflated(Reader(BytesSource(data).open()), Codec.TAR, len(data), "layer")))


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_the_standard_library_writes(format_: int) -> None:
    long = "d" * 90 + "/" + "e" * 90
    files = {"a": b"1" * 511, "b": b"2" * 512, "c": b"3" * 513, "empty": b"", long: b"4" * 600_000}
    assert read(tar((member(name, data) for name, data in files.items()), format_)) == files


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names(format_: int) -> None:
    files = {"模型/" + "é" * 120: b"1", "x/" * 60 + "y" * 200: b"2"}
    assert read(tar((member(name, data) for name, data in files.items()), format_)) == files


def test_what_is_said_of_a_file() -> None:
    data = tar(
        [member("./d/", type_=tarfile.DIRTYPE), member("./d/f", b"1", mode=0o711, mtime=1.5), member("g", mtime=7)]
    )
    folder, file, other = members(data)
    assert (str(folder.path), folder.folder, folder.size) == ("d", True, 0)
    assert (str(file.path), file.folder, file.size, file.executable, file.mtime_ns) == (
        "d/f",
        False,
        1,
        True,
        1_500_000_000,
    )
    assert (other.executable, other.mtime_ns) == (False, 7_000_000_000)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e400", "9" * 39, "x", "", "1e99999999999999999999"])
def test_times_that_are_none(value: str) -> None:
    (only,) = members(pax(record("mtime", value)) + header() + ZEROS)
    assert only.mtime_ns is None


@pytest.mark.parametrize("name", [".", "./", "././"])
def test_the_root_itself_is_left_out(name: str) -> None:
    data = tar([member(name, type_=tarfile.DIRTYPE), member("./a", b"1")])
    if name == "././":
        with pytest.raises(UnsafePath):
            read(data)
    else:
        assert read(data) == {"a": b"1"}


def test_contents_may_be_skipped() -> None:
    data = tar_of({"a": b"1" * 5000, "b": b"2" * 100})
    reader = TarReader(inflated(Reader(BytesSource(data).open()), Codec.TAR, len(data), "layer"))
    names = []
    for entry in reader:
        names.append(str(entry.path))
        next(iter(reader.content()))
    assert names == ["a", "b"]


def test_an_empty_archive() -> None:
    assert read(ZEROS) == {}
    assert read(tar([])) == {}


def test_an_old_header_with_a_slash_is_a_folder() -> None:
    (only,) = members(header("d/", type_=tarfile.AREGTYPE) + ZEROS)
    assert only.folder


@pytest.mark.parametrize(("type_", "what"), [(tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link")])
@pytest.mark.parametrize("target", ["a", "../a", "/etc/passwd", "", "d/../../x"])
def test_links_are_refused(type_: bytes, what: str, target: str) -> None:
    data = tar([member("a", b"1"), member("link", type_=type_, linkname=target)])
    with pytest.raises(UnsafePath, match=f"{what}, 'link'"):
        read(data)


def test_a_link_cannot_lead_a_later_file_outside(tmp_path: Path) -> None:
    store = MemoryStore()
    outside = tmp_path / "outside"
    outside.mkdir()
    data = tar([member("d", type_=tarfile.SYMTYPE, linkname=str(outside)), member("d/x", b"evil")])
    with pytest.raises(UnsafePath):
        unpack(store, model(store, archive(store, data)), tmp_path / "m")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("type_", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(type_: bytes) -> None:
    with pytest.raises(UnsafePath, match="device or pipe"):
        read(tar([member("x", type_=type_)]))


@pytest.mark.parametrize("type_", [b"M", b"V", b"N", b"D", b"A", b"S", b"Z", b"\xff"])
def test_special_entries_are_refused(type_: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="special entry"):
        read(header("x", 0, type_) + ZEROS)


@pytest.mark.parametrize("key", ["GNU.sparse.major", "GNU.sparse.map", "SCHILY.realsize"])
def test_sparse_files_are_refused(key: str) -> None:
    with pytest.raises(UnsupportedFormat, match="sparse"):
        read(pax(record(key, "1")) + header() + ZEROS)


def test_the_pax_size_counts() -> None:
    assert read(pax(record("size", "3")) + header("x", 0) + padded(b"abc") + header("y") + ZEROS) == {
        "x": b"abc",
        "y": b"",
    }


def test_unknown_records_are_ignored() -> None:
    data = pax(record("comment", "é=1"), tarfile.XGLTYPE) + pax(record("LIBARCHIVE.xattr.x", "=")) + header() + ZEROS
    assert read(data) == {"x": b""}


def test_a_long_link_name_alone_does_no_harm() -> None:
    data = header("././@LongLink", 3, tarfile.GNUTYPE_LONGLINK) + padded(b"../") + header("x") + ZEROS
    assert read(data) == {"x": b""}


LONG = padded(b"n" * 150 + b"\0")

DAMAGED = {
    "no end marker": header(),
    "nothing at all": b"",
    "half a header": header()[:100],
    "bad checksum": b"y" + header()[1:] + ZEROS,
    "garbage": b"\x01" * 2048,
    "file cut short": header("x", 1000) + b"1" * 512,
    "negative size": header("x", -1) + ZEROS,
    "huge size": header("x", 1 << 70) + ZEROS,
    "a folder with content": header("d", 512, tarfile.DIRTYPE) + bytes(512) + ZEROS,
    "data behind the end": header() + ZEROS + header("hidden") + ZEROS,
    "data after one zero block": header() + bytes(512) + header("hidden") + ZEROS,
    "pax header cut short": pax(b"", size=600) + b"1" * 100,
    "pax padding cut short": header("p", 10, tarfile.XHDTYPE) + b"1" * 10,
    "pax bomb": pax(b"", size=8 << 30),
    "pax of negative size": pax(b"", size=-512),
    "long name bomb": header("L", 1 << 40, tarfile.GNUTYPE_LONGNAME),
    "pax at the end": pax(record("path", "x")) + ZEROS,
    "long name at the end": header("L", 151, tarfile.GNUTYPE_LONGNAME) + LONG + ZEROS,
    "record without length": pax(b"path=x\n") + header() + ZEROS,
    "record with a zero length": pax(b"0 path=x\n") + header() + ZEROS,
    "record longer than the header": pax(b"99 path=x\n") + header() + ZEROS,
    "record that ends inside its length": pax(b"2 path=x\n") + header() + ZEROS,
    "record without newline": pax(b"9 path=xy") + header() + ZEROS,
    "record without equals sign": pax(b"8 pathx\n") + header() + ZEROS,
    "record with a huge length": pax(b"9" * 400 + b" path=x\n") + header() + ZEROS,
    "path twice": pax(record("path", "x") + record("path", "y")) + header() + ZEROS,
    "path in two headers": pax(record("path", "x")) * 2 + header() + ZEROS,
    "path in pax and gnu": header("L", 151, tarfile.GNUTYPE_LONGNAME)
    + LONG
    + pax(record("path", "x"))
    + header()
    + ZEROS,
    "size for all files": pax(record("size", "0"), tarfile.XGLTYPE) + header("x", 5) + padded(b"12345") + ZEROS,
    "path for all files": pax(record("path", "y"), tarfile.XGLTYPE) + header() + ZEROS,
    "negative pax size": pax(record("size", "-1")) + header() + ZEROS,
    "fractional pax size": pax(record("size", "1.5")) + header() + ZEROS,
    "huge pax size": pax(record("size", "9" * 30)) + header() + ZEROS,
    "arabic digits as pax size": pax(record("size", "٣")) + header() + padded(b"abc") + ZEROS,
    "a chain of headers": pax(record("comment", "x"), tarfile.XGLTYPE) * 50 + header() + ZEROS,
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_archives(data: bytes) -> None:
    with pytest.raises(ContentError):
        read(data)


@pytest.mark.parametrize("size", [b"\0" * 12, b" " * 12, b"+0x10_0\0\0\0\0\0", b"8" * 12, b"\xff" * 12, b"\x80" * 12])
def test_odd_numbers_in_headers(size: bytes) -> None:
    block = bytearray(header())
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    with contextlib.suppress(ContentError):
        assert all(entry.size >= 0 for entry in members(bytes(block) + ZEROS))


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_module, "MAX_MEMBERS", 3)
    assert len(read(header("a") + header("b") + ZEROS)) == 2
    with pytest.raises(ContentError, match="more than 3 members"):
        read(header("a") + header("b") + header("c") + header("d") + ZEROS)


GOOD = tar_of({"a": b"1" * 3000, "b": b"2" * 300_000})


@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
def test_compressed(codec: Codec) -> None:
    assert read(compress(GOOD, codec), codec) == read(GOOD)


def test_a_decompressor_that_stops_early_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inflate._PIECES, Codec.TAR_ZSTD, lambda *_: iter([GOOD]))
    store = MemoryStore()
    with pytest.raises(ContentError, match="data behind its compressed end"):
        unpack(store, model(store, archive(store, compress(GOOD, "tar+zstd"), "tar+zstd")), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
def test_several_members_or_frames(codec: Codec) -> None:
    pieces = [GOOD[:100], b"", GOOD[100:200_000], GOOD[200_000:]]
    assert read(b"".join(compress(piece, codec) for piece in pieces), codec) == read(GOOD)


@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
@pytest.mark.parametrize("keep", [0, 1, 5, 12, 30, -1, -4, -9])
def test_compressed_data_that_ends_early(codec: Codec, keep: int) -> None:
    # The end marker is made to be the last thing in it, so that nothing of it may be missing.
    data = compress(tar_of({"a": bytes(range(256)) * 40})[:-8192], codec)
    with contextlib.suppress(ContentError):
        assert read(data[:keep], codec) == {"a": bytes(range(256)) * 40}
        assert codec is Codec.TAR_ZSTD  # only a checksum was missing


# Not the first bytes of another zstd frame: one that is cut short gives nothing, so it hides nothing.
@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
@pytest.mark.parametrize("tail", [b"garbage", b"\0", bytes(600), b"\x1f\x8b", b"\x1f\x8b\x08"])
def test_garbage_behind_compressed_data(codec: Codec, tail: bytes, tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = model(store, archive(store, compress(GOOD, codec) + tail, codec))
    with pytest.raises(ContentError):
        unpack(store, manifest, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_second_archive_behind_the_first_is_refused() -> None:
    for codec in (Codec.TAR, Codec.TAR_GZIP, Codec.TAR_ZSTD):
        with pytest.raises(ContentError, match="data behind its end"):
            read(compress(GOOD, codec) + compress(tar_of({"evil": b"x"}), codec), codec)


@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
@pytest.mark.parametrize("position", [0, 3, 40, 200])
def test_flipped_bits_in_compressed_data(codec: Codec, position: int) -> None:
    data = bytearray(compress(tar_of({"a": zlib.compress(bytes(9000)) * 20}), codec))
    data[position % len(data)] ^= 0x10
    with contextlib.suppress(ContentError):
        read(bytes(data), codec)


@pytest.mark.parametrize("codec", [Codec.TAR_GZIP, Codec.TAR_ZSTD])
def test_bombs(codec: Codec, tmp_path: Path) -> None:
    store = MemoryStore()
    buffer = io.BytesIO()
    opened = gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) if codec is Codec.TAR_GZIP else None
    target = opened or zstandard.ZstdCompressor().stream_writer(buffer, closefd=False)
    target.write(header("bomb", 100 << 20))
    for _ in range(100):
        target.write(bytes(1 << 20))
    target.write(ZEROS)
    target.close()
    with pytest.raises(ContentError, match="expands to more than"):
        unpack(store, model(store, archive(store, buffer.getvalue(), codec)), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_of_zeros_behind_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "FLOOR", 1 << 20)
    with pytest.raises(ContentError, match="expands to more"):
        read(gzip.compress(tar_of({"a": b"1"}) + bytes(4 << 20)), Codec.TAR_GZIP)


def test_a_zstd_window_that_needs_too_much_memory() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    buffer = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(buffer, closefd=False) as writer:
        writer.write(GOOD)  # of unknown length, so that the window is what the header says
    with pytest.raises(ContentError, match="not valid zstd data"):
        read(buffer.getvalue(), Codec.TAR_ZSTD)


def test_small_pieces_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 7, 512, 1000):
        monkeypatch.setattr(inflate, "CHUNK", size)
        monkeypatch.setattr(tar_module, "CHUNK", size)
        small = tar_of({"a": b"12345" * 300})[:4096]
        for codec in (Codec.TAR, Codec.TAR_GZIP, Codec.TAR_ZSTD):
            assert read(compress(small, codec), codec) == {"a": b"12345" * 300}


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_mutated_archives_never_surprise(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from([Codec.TAR, Codec.TAR_GZIP, Codec.TAR_ZSTD]))
    good = bytearray(compress(tar([member("é" * 80, b"1" * 700), member("b/c", b"2")]), codec))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, min(len(good), 3000) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelPackError):
        read(bytes(good[: data.draw(st.integers(0, len(good)))]), codec)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(alphabet="abcé", min_size=1, max_size=150), st.binary(max_size=2000), max_size=5))
@example({"a" * 100: b"", "b" * 101: b"x"})
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert read(tar((member(name, data) for name, data in files.items()), format_)) == files


def test_files_in_an_archive_are_what_other_programs_see(tmp_path: Path) -> None:
    store = MemoryStore()
    data = tar_of({f"d{number % 7}/f{number}": bytes([number]) * number * 37 for number in range(100)})
    unpack(store, model(store, archive(store, compress(data, "tar+zstd"), "tar+zstd")), tmp_path / "m")
    with tarfile.open(fileobj=io.BytesIO(data)) as reference:
        seen = {info.name: file.read() for info in reference if (file := reference.extractfile(info)) is not None}
    assert tree(tmp_path / "m") == seen
