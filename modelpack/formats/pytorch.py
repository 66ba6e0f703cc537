"""PyTorch files and pickles: what they are, never what is in the pickle. Nothing is unpickled here, ever.

A current PyTorch file is a zip archive with ``<name>/data.pkl`` and one entry per storage (``torch.save``); TorchScript
adds code. Source for the archive: PKWARE APPNOTE 6.3, sections 4.3.12 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Self

from modelpack.formats.model import ModelFile
from modelpack.formats.source import Cursor, read_exactly
from modelpack.oci import JSONObject

ZIP_MAGIC = b"PK\x03\x04"

_MAX_DIRECTORY = 64 << 20
_MAX_COMMENT = 0xFFFF
_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END64 = Struct("<4sQ2H2L4Q")
_ENTRY = Struct("<4s6H3L5H2L")
_EXTRA = Struct("<2H")
_U16_MAX, _U32_MAX = 0xFFFF, 0xFFFFFFFF

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PROTOCOLS = range(2, 6)
_OPCODES = frozenset(
    b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"
    b"\x90\x91\x92\x93\x94\x95\x96\x97\x98"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of an archive; ``size`` is its length when unpacked."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the central directory is, and how many entries it has."""

    offset: int
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive with its end in memory, which mostly holds all of the directory."""

    cursor: Cursor
    start: int
    tail: bytes

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        size = min(cursor.size, _END.size + _MAX_COMMENT)
        start = cursor.size - size
        return cls(cursor, start, read_exactly(cursor.source, start, size, cursor.document))

    def take(self, offset: int, length: int) -> bytes:
        """A range that lies in the file."""
        if offset < self.start:
            return read_exactly(self.cursor.source, offset, length, self.cursor.document)
        return self.tail[offset - self.start : offset - self.start + length]


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a pickle of protocol 2 or later. Protocols 0 and 1 have no mark."""
    return len(head) > 2 and head[0] == 0x80 and head[1] in _PROTOCOLS and head[2] in _OPCODES


def read_pickle(head: bytes, *, named_pytorch: bool) -> ModelFile:
    """A file that begins as pickles do: "pt" if PyTorch before 1.6 wrote it or its name says so, else "pickle".

    ``metadata``: ``container`` "pickle" and the ``protocol``.
    """
    ours = named_pytorch or head.startswith(_LEGACY_MAGIC)
    return ModelFile("pt" if ours else "pickle", metadata={"container": "pickle", "protocol": head[1]})


def read_archive(cursor: Cursor) -> ModelFile | None:
    """A zip archive as PyTorch writes it; None if it is another kind of archive. Raises DocumentError.

    ``metadata``: ``container`` "zip", ``torchscript``, ``storages`` (how many) and ``storage_bytes`` (in all).
    """
    entries = tuple(_entries(_Archive.of(cursor)))
    pickles = [entry.name for entry in entries if entry.name.rpartition("/")[2] == "data.pkl"]
    if not pickles:
        return None
    root = min(pickles, key=len).removesuffix("data.pkl")
    places = (f"{root}data/", f"{root}constants/")
    storages = [entry.size for entry in entries if entry.name.startswith(places)]
    metadata: JSONObject = {
        "container": "zip",
        "torchscript": any(entry.name == f"{root}constants.pkl" for entry in entries),
        "storages": len(storages),
        "storage_bytes": sum(storages),
    }
    return ModelFile("pt", metadata=metadata)


def _entries(archive: _Archive) -> Iterator[_Entry]:
    fail = archive.cursor.fail
    directory = _find_directory(archive)
    if directory.size > _MAX_DIRECTORY or directory.count * _ENTRY.size > directory.size:
        fail(f"an archive directory of {directory.size} bytes for {directory.count} entries")
    data = archive.take(directory.offset, directory.size)
    position = 0
    for _ in range(directory.count):
        if data[position : position + 4] != b"PK\x01\x02" or position + _ENTRY.size > len(data):
            fail(f"no archive entry at byte {directory.offset + position}")
        fields = _ENTRY.unpack_from(data, position)
        size, lengths = fields[9], fields[10:13]
        name_end = position + _ENTRY.size + lengths[0]
        extra_end = name_end + lengths[1]
        name = data[position + _ENTRY.size : name_end].decode(errors="replace")
        yield _Entry(name, _zip64_size(data[name_end:extra_end]) if size == _U32_MAX else size)
        position = extra_end + lengths[2]
    if position != len(data):
        fail("the archive directory does not have the length it announces")


def _zip64_size(extra: bytes) -> int:
    """The first number in the zip64 extra field: the unpacked size, as that did not fit into 32 bits."""
    position = 0
    while position + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size
        if kind == 1 and length >= 8:
            return int.from_bytes(extra[position : position + 8], "little")
        position += length
    return _U32_MAX


def _find_directory(archive: _Archive) -> _Directory:
    """Read the end of the archive; its directory must lie right before, so that nothing hides between."""
    fail, tail = archive.cursor.fail, archive.tail
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + _END.size > len(tail):
        fail("the archive has no end record: it is truncated or damaged")
    end = archive.start + found
    _, disk, first_disk, _, count, size, offset, comment = _END.unpack_from(tail, found)
    if disk != first_disk or end + _END.size + comment != archive.cursor.size:
        fail("the archive is in several parts, or bytes follow it")
    directory = _Directory(offset, size, count)
    # PyTorch writes a zip64 record even where the plain one suffices.
    if end >= _LOCATOR.size:
        locator = archive.take(end - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            directory, end = _find_directory64(archive, locator, directory)
    if directory.offset + directory.size != end:
        fail("the archive directory is not where the end record says")
    return directory


def _find_directory64(archive: _Archive, locator: bytes, plain: _Directory) -> tuple[_Directory, int]:
    """What the zip64 end record says, and where it begins. The plain one must say the same, or that it cannot."""
    fail = archive.cursor.fail
    begin = _LOCATOR.unpack(locator)[2]
    if begin + _END64.size + _LOCATOR.size + _END.size > archive.cursor.size:
        fail("the archive has no zip64 end record")
    magic, *_, count, size, offset = _END64.unpack(archive.take(begin, _END64.size))
    if magic != b"PK\x06\x06":
        fail("the archive has no zip64 end record")
    agrees = plain.count in (count, _U16_MAX) and plain.size in (size, _U32_MAX) and plain.offset in (offset, _U32_MAX)
    if not agrees:
        fail("the two end records of the archive contradict each other")
    return _Directory(offset, size, count), begin
