"""The directory of a zip archive: what it lists, and what about its frame is not as the writers of models make it.

Source: PKWARE APPNOTE 6.3, sections 4.3.12 to 4.3.16 and 4.5.3. Nothing is unpacked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Self

from modelpack.formats.source import Cursor, read_exactly

ZIP_MAGIC = b"PK\x03\x04"
END_MAGIC = b"PK\x05\x06"

_MAX_DIRECTORY = 64 << 20
_MAX_COMMENT = 0xFFFF
_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END64 = Struct("<4sQ2H2L4Q")
_ENTRY = Struct("<4s6H3L5H2L")
_EXTRA = Struct("<2H")
_U16_MAX, _U32_MAX = 0xFFFF, 0xFFFFFFFF
_UTF8 = 1 << 11

TAIL = _END.size + _MAX_COMMENT
"""Bytes at the end of a file among which the end record of an archive must be."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of an archive, as the directory lists it; ``size`` and ``packed`` are bytes unpacked and stored.

    ``offset`` is where its local header is said to be. ``raw_name`` is the name as stored.
    """

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def name(self) -> str:
        """The name as text; what cannot be decoded is replaced."""
        return self.raw_name.decode("utf-8" if self.flags & _UTF8 or self.raw_name.isascii() else "cp437", "replace")


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """All entries. ``begin`` is where the directory itself begins, ``shift`` what must be added to the entries' offsets.

    ``problems`` are sentences about the frame: what strict readers refuse and others read in their own ways.
    """

    entries: tuple[ZipEntry, ...]
    begin: int
    shift: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive with its end in memory, which mostly holds all of the directory."""

    cursor: Cursor
    start: int
    tail: bytes

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        size = min(cursor.size, TAIL)
        start = cursor.size - size
        return cls(cursor, start, read_exactly(cursor.source, start, size, cursor.document))

    def take(self, offset: int, length: int) -> bytes:
        """A range that lies in the file."""
        if offset < self.start:
            return read_exactly(self.cursor.source, offset, length, self.cursor.document)
        return self.tail[offset - self.start : offset - self.start + length]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the directory is said to be, how long, how many entries."""

    offset: int
    size: int
    count: int


def read_zip(cursor: Cursor) -> ZipDirectory:
    """Read the directory of an archive. Raises DocumentError if there is none that can be read."""
    archive = _Archive.of(cursor)
    place, end, problems = _find_directory(archive)
    if place.size > min(_MAX_DIRECTORY, end) or place.count * _ENTRY.size > place.size:
        cursor.fail(f"an archive directory of {place.size} bytes for {place.count} entries")
    begin = end - place.size
    if begin != place.offset:
        problems.append("the archive directory is not where the end record says")
    entries = tuple(_entries(archive, begin, place))
    return ZipDirectory(entries, begin, begin - place.offset, tuple(problems))


def _entries(archive: _Archive, begin: int, place: _Place) -> Iterator[ZipEntry]:
    fail = archive.cursor.fail
    data = archive.take(begin, place.size)
    position = 0
    for _ in range(place.count):
        if data[position : position + 4] != b"PK\x01\x02" or position + _ENTRY.size > len(data):
            fail(f"no archive entry at byte {begin + position}")
        fields = _ENTRY.unpack_from(data, position)
        flags, method = fields[3], fields[4]
        crc, packed, size, *lengths = fields[7:13]
        name_end = position + _ENTRY.size + lengths[0]
        extra_end = name_end + lengths[1]
        name = data[position + _ENTRY.size : name_end]
        sizes = _zip64(data[name_end:extra_end], size, packed, fields[16])
        yield ZipEntry(name, flags, method, crc, sizes[1], sizes[0], sizes[2])
        position = extra_end + lengths[2]
    if position != len(data):
        fail("the archive directory does not have the length it announces")


def _zip64(extra: bytes, *values: int) -> list[int]:
    """Size, packed size, offset: those that did not fit into 32 bits stand in the zip64 extra field, in this order."""
    field = _zip64_field(extra)
    wide = []
    for value in values:
        if value == _U32_MAX and len(field) >= 8:
            value, field = int.from_bytes(field[:8], "little"), field[8:]
        wide.append(value)
    return wide


def _zip64_field(extra: bytes) -> bytes:
    position = 0
    while position + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size
        if kind == 1:
            return extra[position : position + length]
        position += length
    return b""


def _find_directory(archive: _Archive) -> tuple[_Place, int, list[str]]:
    """What the end record says, and where the directory must end: right before it, so that nothing hides between."""
    fail, tail = archive.cursor.fail, archive.tail
    found = tail.rfind(END_MAGIC)
    if found < 0 or found + _END.size > len(tail):
        fail("the archive has no end record: it is truncated or damaged")
    end = archive.start + found
    _, disk, first_disk, _, count, size, offset, comment = _END.unpack_from(tail, found)
    place = _Place(offset, size, count)
    problems = []
    if disk != first_disk or end + _END.size + comment != archive.cursor.size:
        problems.append("the archive is in several parts, or bytes follow it")
    # PyTorch writes a zip64 record even where the plain one suffices.
    if end >= _LOCATOR.size:
        locator = archive.take(end - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            place, end = _find_directory64(archive, locator, place, end, problems)
    return place, end, problems


def _find_directory64(
    archive: _Archive, locator: bytes, plain: _Place, end: int, problems: list[str]
) -> tuple[_Place, int]:
    """What the zip64 end record says, and where it begins. The plain one must say the same, or that it cannot."""
    fail = archive.cursor.fail
    announced = _LOCATOR.unpack(locator)[2]
    # With bytes before the archive, the record is not where it was when it was written, but still before its locator.
    for begin in (announced, end - _LOCATOR.size - _END64.size):
        if not 0 <= begin <= end - _END64.size - _LOCATOR.size:
            continue
        magic, *_, count, size, offset = _END64.unpack(archive.take(begin, _END64.size))
        if magic == b"PK\x06\x06":
            break
    else:
        fail("the archive has no zip64 end record")
    if begin != announced:
        problems.append("the archive has no zip64 end record where its locator says")
    agrees = plain.count in (count, _U16_MAX) and plain.size in (size, _U32_MAX) and plain.offset in (offset, _U32_MAX)
    if not agrees:
        fail("the two end records of the archive contradict each other")
    return _Place(offset, size, count), begin
