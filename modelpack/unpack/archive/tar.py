"""A reader of tar archives (POSIX.1-2001 pax, ustar, GNU long names) for untrusted input.

:mod:`tarfile` parses single header blocks here and nothing else: its own reader takes header sizes on trust, recurses over
chains of headers and keeps every member in memory.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath

from modelpack.errors import ContentError, UnsafePath, UnsupportedFormat
from modelpack.paths import safe_path
from modelpack.store import CHUNK
from modelpack.unpack.archive.inflate import Inflated

MAX_MEMBERS = 100_000
"""Headers in one archive, extended ones included."""

_MAX_EXTENDED = 1 << 20
_MAX_CHAIN = 8
"""Bytes in one extended header, and how many may stand before a file."""

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_LINKS = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link"}
_DEVICES = frozenset({tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})
_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ")
_SIZE = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder. ``size`` in bytes; ``mtime_ns`` is what the archive says, sane or not (None: not a number)."""

    path: PurePosixPath
    size: int
    executable: bool
    mtime_ns: int | None
    folder: bool


class TarReader:
    """Iterates over the members of an archive; :meth:`content` gives the bytes of the current one.

    Iterating to the end also reads what follows the end marker, which must be zeros. Raises ContentError (damaged),
    UnsafePath (a bad name, a link, a device), UnsupportedFormat (sparse files, GNU multi-volume archives).
    """

    def __init__(self, data: Inflated) -> None:
        self._data = data
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Members in order; the root folder itself is left out."""
        for _ in range(MAX_MEMBERS):
            info, extended = self._header()
            if info is None:
                return self._finish()
            member = self._member(info, extended)
            self._left, self._padding = member.size, -member.size % _BLOCK
            if member.path.parts:
                yield member
            self._skip()
        raise self._damaged(f"it has more than {MAX_MEMBERS} members")

    def content(self) -> Iterator[memoryview]:
        """The (rest of the) bytes of the current member, in pieces."""
        while self._left:
            piece = self._data.some(min(self._left, CHUNK))
            if not piece:
                raise self._damaged("it ends in the middle of a file")
            self._left -= len(piece)
            yield piece

    def _skip(self) -> None:
        for _ in self.content():
            pass
        self._data.exactly(self._padding)

    def _finish(self) -> None:
        while piece := self._data.some(CHUNK):
            if any(piece):
                raise self._damaged(
                    "there is data behind its end", hint="other programs might unpack other files from it"
                )

    def _header(self) -> tuple[tarfile.TarInfo | None, dict[str, str]]:
        """The next header block of a file, and what the extended headers before it say; None at the end marker."""
        extended: dict[str, str] = {}
        for _ in range(_MAX_CHAIN + 1):
            block = self._data.exactly(_BLOCK)
            if len(block) < _BLOCK:
                raise self._damaged("it ends without an end marker")
            if block == _ZEROS:
                if extended:
                    raise self._damaged("an extended header belongs to no file")
                return None, extended
            info = self._parse(block)
            if not self._extends(info, extended):
                return info, extended
        raise self._damaged("too many extended headers")

    def _parse(self, block: bytes) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise self._damaged(f"bad header ({error})") from None

    def _extends(self, info: tarfile.TarInfo, extended: dict[str, str]) -> bool:
        """Take in an extended header; False if this is a file's own header."""
        if info.type == tarfile.GNUTYPE_LONGNAME:
            self._set(extended, {"path": _text(self._payload(info).split(b"\0", 1)[0])})
        elif info.type == tarfile.GNUTYPE_LONGLINK:
            self._payload(info)  # links are refused whatever their target
        elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            self._set(extended, self._records(self._payload(info)))
        elif info.type == tarfile.XGLTYPE:
            if self._records(self._payload(info)).keys() & {"path", "linkpath", "size"}:
                raise self._damaged("a global header sets a name or size for all files")
        else:
            return False
        return True

    def _set(self, extended: dict[str, str], values: dict[str, str]) -> None:
        """Two headers about one thing are read differently by different programs."""
        if extended.keys() & values.keys():
            raise self._damaged("two extended headers contradict each other")
        extended.update(values)

    def _payload(self, info: tarfile.TarInfo) -> bytes:
        if not 0 <= info.size <= _MAX_EXTENDED:
            raise self._damaged(f"an extended header of {info.size} bytes")
        data = self._data.exactly(info.size)
        padding = -info.size % _BLOCK
        if len(data) < info.size or len(self._data.exactly(padding)) < padding:
            raise self._damaged("it ends in the middle of an extended header")
        return data

    def _records(self, data: bytes) -> dict[str, str]:
        """Pax records, each ``"<length> <key>=<value>\\n"``."""
        records: dict[str, str] = {}
        start = 0
        while start < len(data):
            match = _RECORD.match(data, start)
            end = start + int(match[1]) if match else 0
            if not match or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
                raise self._damaged("bad record in an extended header")
            key, equals, value = data[match.end() : end - 1].partition(b"=")
            if not equals:
                raise self._damaged("bad record in an extended header")
            self._set(records, {_text(key): _text(value)})
            start = end
        if any(key.startswith("GNU.sparse.") or key == "SCHILY.realsize" for key in records):
            raise UnsupportedFormat(f"{self._data.name} holds a sparse file", hint="pack it again without --sparse")
        return records

    def _member(self, info: tarfile.TarInfo, extended: dict[str, str]) -> Member:
        name = extended.get("path", info.name)
        self._check_type(info, name)
        folder = info.isdir()
        name = name.rstrip("/") or name if folder else name
        return Member(
            path=PurePosixPath() if folder and name in (".", "./") else safe_path(name),
            size=self._size(info, extended, folder=folder),
            executable=bool(info.mode & 0o100),
            mtime_ns=_nanoseconds(extended.get("mtime", str(info.mtime))),
            folder=folder,
        )

    def _check_type(self, info: tarfile.TarInfo, name: str) -> None:
        shown = repr(name[:80])
        if info.type in _LINKS:
            raise UnsafePath(
                f"{self._data.name} holds {_LINKS[info.type]}, {shown}", hint="pack the file that it leads to instead"
            )
        if info.type in _DEVICES:
            raise UnsafePath(f"{self._data.name} holds a device or pipe, {shown}")
        if info.type not in _FILES and not info.isdir():
            raise UnsupportedFormat(f"{self._data.name} holds a special entry (type {info.type!r}), {shown}")

    def _size(self, info: tarfile.TarInfo, extended: dict[str, str], *, folder: bool) -> int:
        text = extended.get("size", str(info.size))
        if not _SIZE.fullmatch(text) or (folder and int(text)):
            raise self._damaged(f"the size {text[:20]!r} is impossible")
        return int(text)

    def _damaged(self, reason: str, hint: str = "") -> ContentError:
        return ContentError(f"{self._data.name} is not a valid tar archive: {reason}", hint=hint)


def _text(data: bytes) -> str:
    """Names that are not UTF-8 turn into surrogates, which no safe path holds."""
    return data.decode("utf-8", "surrogateescape")


def _nanoseconds(seconds: str) -> int | None:
    try:
        moment = Decimal(seconds[:40])
        return int(moment * 10**9) if moment.is_finite() and abs(moment) < 10**12 else None
    except InvalidOperation:
        return None
