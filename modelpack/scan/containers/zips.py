"""Zip archives, as PyTorch, NumPy and Keras write them, and those made to be read differently by different programs."""

from __future__ import annotations

from collections import Counter
from struct import Struct

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.formats.source import Cursor
from modelpack.formats.zipfiles import END_MAGIC, TAIL, ZIP_MAGIC, ZipDirectory, ZipEntry, read_zip
from modelpack.scan.containers.names import check_name
from modelpack.scan.looking import Look
from modelpack.scan.sources import Inflated, Window

_LOCAL = Struct("<4s5H3L2H")
_METHODS = {8: "deflate", 12: "bzip2"}
_STORED = 0
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
_LATER = 1 << 3
"""The flag that says that sizes and checksum stand behind the content."""

_DESCRIPTOR = 24
_UNSET = (0, 0xFFFFFFFF)


def scan_zip(look: Look, source: ByteSource) -> None:
    """Look at an archive and all files in it. Raises DocumentError if it cannot be read at all."""
    look.format = "zip"
    directory = read_zip(Cursor(source, "zip archive"))
    for problem in directory.problems:
        look.report("SCAN-POLYGLOT", problem)
    names = [entry.name for entry in directory.entries]
    script = _is_torchscript(names)
    if script:
        look.report("SCAN-TORCHSCRIPT", "a TorchScript program, which runs when it is loaded and used")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        look.report("SCAN-ZIP-MISMATCH", f"{len(twice)} names stand twice, such as {twice[0]!r}")
    _check_layout(look, source, directory)
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        look.format = "torchscript" if script else "pytorch"
    for entry in directory.entries:
        _scan_entry(look, source, entry, directory.shift, torchscript=script)


def scan_appended_zip(look: Look, source: ByteSource) -> None:
    """Look for an archive at the end of a file that is something else."""
    tail = source.read_at(max(source.size - TAIL, 0), TAIL)
    if END_MAGIC not in tail:
        return
    try:
        directory = read_zip(Cursor(source, "zip archive"))
    except DocumentError:
        return  # four bytes that mean something else
    if not directory.entries:
        return
    look.report("SCAN-POLYGLOT", f"a zip archive with {len(directory.entries)} files follows the {look.format} file")
    script = _is_torchscript([entry.name for entry in directory.entries])
    for entry in directory.entries:
        _scan_entry(look, source, entry, directory.shift, torchscript=script)


def _is_torchscript(names: list[str]) -> bool:
    """PyTorch takes an archive with ``constants.pkl`` for a program."""
    return any(name.rpartition("/")[2] == "constants.pkl" for name in names)


def _scan_entry(look: Look, source: ByteSource, entry: ZipEntry, shift: int, *, torchscript: bool) -> None:
    check_name(look, entry.name)
    begin = _content_begin(look, source, entry, shift)
    if begin is None or (entry.name.endswith("/") and not entry.size):
        return
    if entry.flags & _ENCRYPTED:
        look.report("SCAN-ENCRYPTED", "encrypted", entry.name)
        return
    packed = Window(source, begin, entry.packed)
    if entry.method == _STORED:
        if entry.packed != entry.size:
            look.report("SCAN-ZIP-MISMATCH", "stored, but with two sizes", entry.name)
        look.inside(packed, entry.name, torchscript=torchscript)
    elif entry.method in _METHODS:
        _scan_packed(look, packed, entry, torchscript=torchscript)
    else:
        look.report("SCAN-UNCHECKED", f"compressed by method {entry.method}", entry.name)


def _scan_packed(look: Look, packed: Window, entry: ZipEntry, *, torchscript: bool) -> None:
    content = Inflated(packed, _METHODS[entry.method], look.budget)
    look.inside(content, entry.name, torchscript=torchscript)
    try:
        different = content.size != entry.size
    except DocumentError:
        return  # told already, from inside
    if different:
        look.report("SCAN-ZIP-MISMATCH", f"{content.size} bytes come out instead of {entry.size}", entry.name)


def _content_begin(look: Look, source: ByteSource, entry: ZipEntry, shift: int) -> int | None:
    """Where the content begins; its local header must say the same as the directory."""
    begin = entry.offset + shift
    header = source.read_at(begin, _LOCAL.size) if begin >= 0 else b""
    if len(header) < _LOCAL.size or not header.startswith(ZIP_MAGIC):
        look.report("SCAN-BROKEN", "no file where the archive's directory says", entry.name)
        return None
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    name = source.read_at(begin + _LOCAL.size, name_length)
    content: int = begin + _LOCAL.size + name_length + extra_length
    if content + entry.packed > source.size:
        look.report("SCAN-BROKEN", "the file reaches beyond the archive's end", entry.name)
        return None
    if name != entry.raw_name or method != entry.method or (flags ^ entry.flags) & _ENCRYPTED:
        look.report(
            "SCAN-ZIP-MISMATCH", "name, method or encryption differ before the file and in the directory", entry.name
        )
    told = ((crc, entry.crc), (packed, entry.packed), (size, entry.size))
    later = bool(flags & _LATER)
    if any(here != there and not (here in _UNSET and (later or here)) for here, there in told):
        look.report("SCAN-ZIP-MISMATCH", "sizes or checksum differ before the file and in the directory", entry.name)
    return content


def _check_layout(look: Look, source: ByteSource, directory: ZipDirectory) -> None:
    """Files must lie one behind the other, from the begin of the source to the directory."""
    position = 0
    for entry in sorted(directory.entries, key=lambda entry: entry.offset):
        begin = entry.offset + directory.shift
        if begin < position:
            look.report("SCAN-ZIP-MISMATCH", "files overlap", entry.name)
        elif begin > position:
            _check_gap(look, source, position, begin, first=position == 0)
        lengths = source.read_at(begin + 26, 4) if begin >= 0 else b""
        names = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        position = max(position, begin + _LOCAL.size + names + entry.packed)
    if directory.entries and directory.begin > position:
        _check_gap(look, source, position, directory.begin, first=False)


def _check_gap(look: Look, source: ByteSource, begin: int, end: int, *, first: bool) -> None:
    data = source.read_at(begin, min(end - begin, 1 << 20))
    if first:
        look.report("SCAN-POLYGLOT", f"{end - begin} bytes stand before the archive")
    elif end - begin > _DESCRIPTOR and (len(data) < end - begin or any(data)):
        look.report("SCAN-ZIP-HIDDEN", f"{end - begin} bytes that the directory does not list", f"byte {begin}")
