"""Tar archives (POSIX ustar, GNU and pax headers): old PyTorch files among them."""

from __future__ import annotations

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.formats.source import read_exactly
from modelpack.scan.containers.names import check_name
from modelpack.scan.looking import Look
from modelpack.scan.sources import Window

_BLOCK = 512
_MAX_RECORD = 1 << 20
_LINKS = {b"1": "hard link", b"2": "symbolic link"}
_FILES = frozenset({b"0", b"\x00", b"7"})
_LONG_NAME, _LONG_LINK, _PAX = b"L", b"K", b"x"


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar archive: its checksum is right."""
    return len(head) >= _BLOCK and head[:1] != b"\x00" and _checksum_is_right(head[:_BLOCK])


def _checksum_is_right(block: bytes) -> bool:
    try:
        return int(block[148:156].strip(b" \x00") or b"-1", 8) == sum(block) - sum(block[148:156]) + 8 * 32
    except ValueError:
        return False


def scan_tar(look: Look, source: ByteSource) -> None:
    """Look at all files of an archive. Raises DocumentError where it is damaged."""
    look.format = "tar"
    position, names = 0, dict[bytes, str]()
    while position + _BLOCK <= source.size:
        look.budget.spend("members", 1)
        block = read_exactly(source, position, _BLOCK, "tar")
        if not any(block):
            _check_rest(look, source, position)
            return
        if not _checksum_is_right(block):
            raise DocumentError("tar", "", f"no header at byte {position}")
        size, kind = _number(block[124:136]), block[156:157]
        position += _BLOCK
        if size > source.size - position:
            raise DocumentError("tar", "", f"a file of {size} bytes reaches beyond the archive's end")
        content = Window(source, position, size)
        position += -(-size // _BLOCK) * _BLOCK
        if kind in (_LONG_NAME, _LONG_LINK, _PAX):
            names |= _names(content, kind)
        elif kind != b"g":
            _scan_member(look, content, kind, names, block)
            names = {}


def _number(field: bytes) -> int:
    """Octal digits, or 256-based if the first bit is set."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ((1 << 88) - 1)
    try:
        return int(field.strip(b" \x00") or b"0", 8)
    except ValueError:
        raise DocumentError("tar", "", "a size that is no number") from None


def _names(content: Window, kind: bytes) -> dict[bytes, str]:
    """Names too long for a header, which apply to the next file, by the kind of record that would hold them."""
    if content.size > _MAX_RECORD:
        raise DocumentError("tar", "", f"a name of {content.size} bytes")
    data = content.read_at(0, content.size)
    if kind != _PAX:
        return {kind: _text(data)}
    found = {}
    for record in data.split(b"\n"):
        key, _, value = record.partition(b" ")[2].partition(b"=")
        if key == b"size":
            raise DocumentError("tar", "", "a size outside of the header, which readers take differently")
        if key in (b"path", b"linkpath"):
            found[_LONG_NAME if key == b"path" else _LONG_LINK] = _text(value)
    return found


def _text(data: bytes) -> str:
    return data.split(b"\x00")[0].decode(errors="replace")


def _scan_member(look: Look, content: Window, kind: bytes, names: dict[bytes, str], block: bytes) -> None:
    prefix = _text(block[345:500]) if block[257:262] == b"ustar" and block[262:263] == b"\x00" else ""
    name = names.get(_LONG_NAME) or "/".join(part for part in (prefix, _text(block[:100])) if part)
    check_name(look, name)
    if kind in _LINKS:
        target = names.get(_LONG_LINK) or _text(block[157:257])
        if target.startswith("/") or ".." in target.split("/"):
            look.report("SCAN-ARCHIVE-PATH", f"a {_LINKS[kind]} {name!r} to {target!r}")
    elif kind in _FILES:
        look.inside(content, name)
    elif kind != b"5":
        look.report("SCAN-UNCHECKED", f"an entry of kind {kind!r}", name)


def _check_rest(look: Look, source: ByteSource, position: int) -> None:
    """After the end mark there are zeros only, as many as fill the last record."""
    rest = source.read_at(position, 1 << 20)
    if any(rest):
        look.report("SCAN-POLYGLOT", "bytes follow the archive")
