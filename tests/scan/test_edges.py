"""Corners of the readers that neither the hostile nor the benign files reach."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import warnings
import zipfile

import pytest

from modelpack.scan import Limits
from modelpack.scan.looking import Budget, TooMuch
from modelpack.scan.sources import Data, Inflated, Window
from tests.scan.build import BENIGN, EVIL, called, codes, named, npy, scan, stacked, tarred, torch_zip, wrapper, zipped
from tests.scan.hostile_files import WEIGHTS

SYSTEM = {"SCAN-PICKLE-SYSTEM"}


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with the right checksum."""
    block = bytearray(
        name.ljust(100, b"\x00") + b"0000644\x00" * 3 + size.ljust(12, b"\x00") + b"0" * 12 + b" " * 8 + kind
    )
    block += bytes(512 - len(block))
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def body(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def test_tar_sizes() -> None:
    binary = b"\x80" + len(EVIL).to_bytes(11, "big")
    assert codes(header(b"a", binary) + body(EVIL)) == SYSTEM, "no end mark is needed"
    assert codes(header(b"a", b"%o" % len(EVIL)) + body(EVIL) + b"\x00" * 1024) == SYSTEM
    assert codes(header(b"a", b"zz")) == {"SCAN-BROKEN"}
    assert codes(header(b"a", b"7777777")) == {"SCAN-BROKEN"}
    assert codes(header(b"a", b"1") + body(b"x") + b"garbage".ljust(512, b"x")) == {"SCAN-BROKEN"}
    assert codes(header(b"a", b"10000000", b"L") + bytes(1 << 21)) == {"SCAN-BROKEN"}


def test_tar_checksum_that_is_no_number() -> None:
    block = bytearray(header(b"a", b"0"))
    block[148:156] = b"zzzzzzzz"
    assert codes(bytes(block)) == set()


def test_pax_records() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as archive:
        info = tarfile.TarInfo("l")
        info.type, info.linkname = tarfile.SYMTYPE, "../" + "x" * 200
        archive.addfile(info)
    assert codes(buffer.getvalue()) == {"SCAN-ARCHIVE-PATH"}
    record = b"11 size=100"
    assert codes(header(b"x", b"%o" % len(record), b"x") + body(record)) == {"SCAN-BROKEN"}


def test_a_long_ustar_name() -> None:
    (found,) = scan(tarred({"folder/" * 20 + "x/model": EVIL}, tarfile.USTAR_FORMAT))
    assert found.place.startswith("folder/folder/")


def test_names_that_stand_twice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = zipped([("a", b"1"), ("a", b"2")])
    assert codes(data) == {"SCAN-ZIP-MISMATCH"}


def test_an_empty_archive_behind_a_file_is_nothing() -> None:
    assert codes(b"hello" + zipped({}), "notes.txt") == set()
    assert codes(b"hello PK\x05\x06 world", "notes.txt") == set()


def test_damage_inside_an_archive() -> None:
    data = zipped({"a": bytes(1000)}, zipfile.ZIP_DEFLATED)
    place = data.index(b"a", 30) + 1
    assert codes(data[:place] + b"\xff\xff" + data[place + 2 :]) == {"SCAN-BROKEN"}


def test_a_gap_of_zeros_in_an_archive_is_alignment() -> None:
    data = zipped({"a": b"x"})
    begin = struct.unpack_from("<L", data, data.rindex(b"PK\x05\x06") + 16)[0]
    moved = bytearray(data[:begin] + bytes(64) + data[begin:])
    struct.pack_into("<L", moved, moved.rindex(b"PK\x05\x06") + 16, begin + 64)
    assert codes(bytes(moved)) == set()


def test_a_stored_file_with_two_sizes() -> None:
    data = bytearray(torch_zip(BENIGN))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 3)
    assert codes(bytes(data)) == {"SCAN-ZIP-MISMATCH"}


def test_zip64_with_bytes_before_it() -> None:
    """The offsets of a shifted archive are read as most programs read them, and the shift is told."""
    data = torch_zip(EVIL)
    end = data.rindex(b"PK\x05\x06")
    count, size, offset = struct.unpack_from("<HLL", data, end + 10)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    whole = data[:end] + record + locator + data[end:]
    assert codes(whole) == SYSTEM
    assert codes(b"x" * 100 + whole, "notes.txt") == SYSTEM | {"SCAN-POLYGLOT"}
    assert codes(data[:end] + locator + data[end:]) == {"SCAN-BROKEN"}


def test_array_headers() -> None:
    assert codes(npy("(" * 300 + "'|O'" + ")" * 300, EVIL), "a.npy") == SYSTEM | {"SCAN-BROKEN"}
    assert codes(npy("('<f8', (2,))", bytes(16)), "a.npy") == set()
    assert codes(npy("('|O', (2,))", EVIL), "a.npy") == SYSTEM
    assert codes(npy("7", bytes(16)), "a.npy") == set()
    assert codes(b"\x93NUMPY", "a.npy") == {"SCAN-BROKEN"}


def test_wrappers_of_joblib_that_do_not_tell() -> None:
    for shape, dtype in ((b"N\x85", "f8"), (b"J\xff\xff\xff\xff\x85", "f8"), (b"K\x01\x85", "nonsense!")):
        assert codes(b"\x80\x04" + wrapper(shape, dtype) + b"." + bytes(20), "a.joblib") == {"SCAN-PICKLE-BROKEN"}
    no_dtype = named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}(\x8c\x05shape)\x8c\x05dtypeNub."
    assert codes(b"\x80\x04" + no_dtype, "a.joblib") == {"SCAN-PICKLE-BROKEN"}
    assert codes(b"\x80\x04" + named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81Nb.") == {
        "SCAN-PICKLE-BROKEN"
    }


def test_pickles_in_arrays_in_pickles() -> None:
    deep = BENIGN
    for _ in range(30):
        deep = b"\x80\x04(" + wrapper(b"K\x02\x85", "O8") + deep + b"t."
    assert "SCAN-PICKLE-BROKEN" in codes(deep)


def test_a_stack_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.scan.pickles.machine._MAX_STACK", 1000)
    assert codes(b"\x80\x02" + b"N" * 10_000 + b".") == {"SCAN-PICKLE-BROKEN"}


def test_a_memo_out_of_order() -> None:
    entries = b"".join(b"r" + struct.pack("<I", number * 1000) for number in range(1, 200_000))
    assert codes(b"\x80\x02N" + entries + b".") == {"SCAN-PICKLE-BROKEN"}
    late = b"\x80\x04\x8c\x02osr\x64\x00\x00\x000" + b"Nq\x00Nq\x31Nq\x63" + b"\x8c\x08builtinsr\x64\x00\x00\x00"
    assert codes(late + b"h\x64\x8c\x04eval\x93.") == SYSTEM


def test_more_text_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.scan.pickles.memo._KEPT_TEXT", 200)
    assert codes(b"\x80\x04" + b"\x8c\x01a0" * 10 + stacked("os", "system") + b".") == {"SCAN-PICKLE-NAME"}


def test_many_pickles_in_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.scan.pickles.streams._MAX_PICKLES", 10)
    assert codes(BENIGN * 8, "a.pkl") == set()
    assert codes(BENIGN * 20, "a.pkl") == {"SCAN-LIMIT"}


def test_an_extension_called_in_raw_numbers_counts_by_its_call() -> None:
    raw = (b"\x82\x01)R.").ljust(64, b"0")
    assert "SCAN-PICKLE-CALL" in codes(
        b"\x80\x04" + wrapper(b"K\x40\x85", "u1", alignment=False) + raw + b".", "a.joblib"
    )
    raw = bytes([0x82, 1, 0xFF]).ljust(64, b"\x00")
    assert codes(b"\x80\x04" + wrapper(b"K\x40\x85", "u1", alignment=False) + raw + b".", "a.joblib") == set()


def test_keras_configurations() -> None:
    assert codes(zipped({"config.json": b"[" + b'"x",' * (5 << 20) + b"1]"}), "m.keras") == {"SCAN-BROKEN"}
    assert codes(zipped({"config.json": b'{"class_name": 1}', "x.json": b"{"}), "m.keras") == set()


def test_configurations_of_other_kinds() -> None:
    assert codes(b"1", "config.json") == set()
    assert codes(b'["x", {"type": 1}, {"type": "transformers.X"}]', "modules.json") == set()
    assert codes(json.dumps({"chat_template": [1, {"template": "x"}, None]}).encode(), "tokenizer_config.json") == set()
    assert codes(b'{"custom_pipelines": [[]]}', "config.json") == {"SCAN-AUTO-MAP"}


def test_tensors_that_are_not_where_they_could_be() -> None:
    assert codes(WEIGHTS[:8] + WEIGHTS[8:].replace(b'"a"', b'"b"')) == set()


def test_a_window_ends_where_it_should() -> None:
    window = Window(Data(b"0123456789"), 2, 5)
    assert [window.read_at(0, 100), window.read_at(4, 3), window.read_at(5, 1), window.read_at(9, 1)] == [
        b"23456",
        b"6",
        b"",
        b"",
    ]


def test_going_back_decodes_again_and_costs_again() -> None:
    import gzip

    content = bytes(range(256)) * 40_000
    budget = Budget.of(Limits(inflated=100 << 20))
    inflated = Inflated(Data(gzip.compress(content)), "gzip", budget)
    assert inflated.size == len(content)
    before = budget.inflated
    for offset in (0, 5 << 20, 9 << 20, 100, len(content) - 5):
        assert inflated.read_at(offset, 10) == content[offset : offset + 10]
    assert budget.inflated < before - len(content)
    budget.inflated = 0
    with pytest.raises(TooMuch):
        inflated.read_at(0, 10)


def test_called_names_keep_their_arguments() -> None:
    assert codes(b"\x80\x02" + called(named("collections", "OrderedDict"))) == set()
