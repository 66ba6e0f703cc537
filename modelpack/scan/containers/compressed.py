"""Compressed files: their content is looked at as if it lay there itself. joblib and many others write such."""

from __future__ import annotations

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.scan.looking import Look
from modelpack.scan.sources import CODECS, Inflated

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"x\x01": "zlib",
    b"x\x5e": "zlib",
    b"x\x9c": "zlib",
    b"x\xda": "zlib",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"ZF0x": "old joblib",
    b"\x1f\x9d": "compress",
}
_VAGUE = {"zlib", "lzma"}
"""Their marks are short enough to stand at the begin of other files."""


def compression_of(head: bytes) -> str:
    """How a file that begins so is compressed; empty if it is not."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def scan_compressed(look: Look, source: ByteSource, codec: str) -> bool:
    """Look into a compressed file. False if it turns out to be something else. Raises DocumentError if it is damaged."""
    if codec not in CODECS:
        look.format = codec
        look.report("SCAN-UNCHECKED", f"compressed as {codec}, which cannot be looked into")
        return True
    inflated = Inflated(source, codec, look.budget)
    try:
        inflated.read_at(0, 64)
    except DocumentError:
        if codec in _VAGUE:
            return False
        raise
    look.format = codec
    look.inside(inflated, f"({codec})")
    if inflated.size and inflated.trailing:
        look.report("SCAN-POLYGLOT", f"{inflated.trailing} bytes follow the compressed data")
    return True
