"""PyTorch archives and pickles are recognised, measured, and never unpickled."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile

import pytest

from modelpack.errors import DocumentError
from modelpack.formats import ModelFile, read_header
from modelpack.formats.pytorch import _OPCODES
from modelpack.oci import JSONObject

from .build import Bytes, read

END = b"PK\x05\x06"


def archive(*names: str, comment: bytes = b"") -> bytes:
    """A zip file; each entry holds 100 bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name in names:
            target.writestr(name, bytes(100))
        target.comment = comment
    return stream.getvalue()


def with_zip64(data: bytes, *, saturate: bool = True, **changes: int) -> bytes:
    """The same archive with zip64 end records, as PyTorch writes them."""
    at = data.rindex(END)
    _, _, _, _, count, size, offset, _ = struct.unpack_from("<4s4H2LH", data, at)
    count64, size64, offset64 = (
        changes.get(key, value) for key, value in {"count": count, "size": size, "offset": offset}.items()
    )
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count64, count64, size64, offset64)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, changes.get("record", at), 1)
    plain = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if saturate else (count, size, offset)
    return data[:at] + record + locator + struct.pack("<4s4H2LH", END, 0, 0, plain[0], *plain[:1], *plain[1:], 0)


STATE = ("m/data.pkl", "m/data/0", "m/data/1", "m/version")


@pytest.mark.parametrize("name", ["model.pt", "pytorch_model.bin", "model.ckpt", "model.zip"])
def test_a_state_dict(name: str) -> None:
    metadata: JSONObject = {"container": "zip", "torchscript": False, "storages": 2, "storage_bytes": 200}
    assert read_header(Bytes(archive(*STATE)), name) == ModelFile("pt", metadata=metadata)
    assert read(archive(*STATE, comment=b"a comment")).metadata == metadata
    assert read(with_zip64(archive(*STATE))).metadata == metadata
    assert read(with_zip64(archive(*STATE), saturate=False)).metadata == metadata


def test_torchscript() -> None:
    found = read(archive(*STATE, "m/constants.pkl", "m/constants/0", "m/code/__torch__.py"))
    assert found.metadata == {"container": "zip", "torchscript": True, "storages": 3, "storage_bytes": 300}


def test_a_pickle_at_the_top_of_an_archive_counts() -> None:
    assert read(archive("data.pkl", "data/0")).metadata["storages"] == 1


@pytest.mark.parametrize("names", [("a/b.txt",), (), ("m/mydata.pkl",), ("m/data.pkl/x",)])
def test_other_archives_are_not_ours(names: tuple[str, ...]) -> None:
    assert read_header(Bytes(archive("first", *names)), "model.zip") is None


def test_the_smallest_archive() -> None:
    data = b"PK\x03\x04" + struct.pack("<4s4H2LH", END, 0, 0, 0, 0, 0, 4, 0)
    assert read_header(Bytes(data), "empty.zip") is None
    assert read(data, "model.pt").metadata == {"container": "unknown"}


def test_a_size_of_more_than_32_bits() -> None:
    """Entries above 4 GiB keep their size in an extra field, after others."""
    data = archive("m/data.pkl", "m/data/0")
    directory = data.rindex(b"PK\x01\x02")
    other, size = struct.pack("<2HL", 7, 4, 0), struct.pack("<2H2Q", 1, 16, 5 << 30, 5 << 30)

    def patched(extra: bytes) -> bytes:
        entry = bytearray(data[directory : data.rindex(END)])
        struct.pack_into("<L", entry, 24, 0xFFFFFFFF)
        struct.pack_into("<H", entry, 30, len(extra))
        end = bytearray(data[data.rindex(END) :])
        struct.pack_into("<L", end, 12, struct.unpack_from("<L", end, 12)[0] + len(extra))
        return data[:directory] + bytes(entry) + extra + bytes(end)

    assert read(patched(other + size)).metadata["storage_bytes"] == 5 << 30
    assert read(patched(other)).metadata["storage_bytes"] == 0xFFFFFFFF


def damaged(offset: int, packing: str, *values: int, names: tuple[str, ...] = STATE) -> bytes:
    """An archive whose end record has other numbers."""
    data = bytearray(archive(*names))
    struct.pack_into(packing, data, data.rindex(END) + offset, *values)
    return bytes(data)


WHOLE = archive(*STATE)
REFUSED = {
    "no end": (WHOLE[: WHOLE.rindex(END)], "no end record"),
    "half an end": (WHOLE[:-4], "no end record"),
    "bytes after the end": (WHOLE + b"x", "bytes follow it"),
    "several disks": (damaged(4, "<H", 1), "several parts"),
    "directory elsewhere": (damaged(16, "<L", 0), "not where"),
    "more entries than fit": (damaged(10, "<H", 60_000), "for 60000 entries"),
    "one entry more": (damaged(10, "<H", 3, names=("m/data.pkl", "m/data/" + "0" * 60)), "no archive entry"),
    "one entry less": (damaged(10, "<H", 3), "does not have the length"),
    "zip64 record outside": (with_zip64(WHOLE, record=1 << 60), "no zip64 end record"),
    "zip64 record elsewhere": (with_zip64(WHOLE, record=0), "no zip64 end record"),
    "zip64 directory elsewhere": (with_zip64(WHOLE, offset=1 << 60), "not where"),
    "zip64 contradicts": (with_zip64(WHOLE, saturate=False, count=3), "contradict"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_a_damaged_archive_that_claims_to_be_a_model(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(DocumentError, match=reason):
        read(data, "model.pt")
    assert read_header(Bytes(data), "data.zip") is None


def test_a_directory_of_more_than_64_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.formats.zipfiles._MAX_DIRECTORY", 100)
    with pytest.raises(DocumentError, match="an archive directory of"):
        read(WHOLE, "model.pt")


def test_a_large_directory_is_read_apart() -> None:
    source = Bytes(archive("m/data.pkl", *(f"m/data/{index}" for index in range(2000))))
    found = read_header(source, "model.pt")
    assert found is not None
    assert found.metadata["storages"] == 2000
    assert len(source.reads) == 3


class _Trap:
    """Unpickling this is an error that a test would see."""

    def __reduce__(self) -> tuple[type[SystemExit], tuple[str]]:
        return SystemExit, ("unpickled",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_recognised_whatever_their_name(protocol: int) -> None:
    data = pickle.dumps(_Trap(), protocol)
    metadata: JSONObject = {"container": "pickle", "protocol": protocol}
    for name in ("model.pkl", "weights.bin", "README.md", "no-suffix"):
        assert read_header(Bytes(data), name) == ModelFile("pickle", metadata=metadata)
    assert read_header(Bytes(data), "model.pt") == ModelFile("pt", metadata=metadata)


def test_pytorch_before_1_6() -> None:
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    assert read(legacy, "pytorch_model.bin").format == "pt"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.pkl", "pickle"), ("a.joblib", "pickle"), ("a.PTH", "pt"), ("a.dill", "pickle")]
)
def test_pickles_without_a_mark_go_by_their_name(name: str, kind: str) -> None:
    found = read(pickle.dumps([1], 0), name)
    assert found.format == kind
    assert found.metadata == {"container": "unknown"}
    assert "no mark" in found.warnings[0]


@pytest.mark.parametrize("data", [b"\x80", b"\x80\x04", b"\x80\x06.", b"\x80\x01.", b"\x80\x04\xff"])
def test_other_bytes_are_no_pickles(data: bytes) -> None:
    assert read_header(Bytes(data), "data.bin") is None


def test_the_opcodes_are_those_of_python() -> None:
    assert {ord(code.code) for code in pickletools.opcodes} == _OPCODES
