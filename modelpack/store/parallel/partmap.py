"""A part map: which blocks of a partial file have arrived, written beside it so that a crash cannot make it lie.

A block is entered after it was written. Within one boot of the machine that is enough: what was written survives the
process. After a power failure it is not, so of the entries of an earlier boot only those count that a mark covers, and a mark is
set after the file was flushed to the disk. Either way the whole file is hashed before it gets its name.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

from modelpack.oci import Descriptor

BLOCK = 1 << 20
"""Bytes of one entry: what a crash can cost on each connection."""

_ENTRY = struct.Struct("<q")
_MAX_ENTRIES = 1 << 24
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class PartMap:
    """The map of one partial file. Its folder and the partial file's lock are the caller's."""

    def __init__(self, path: Path, descriptor: Descriptor) -> None:
        self._path = path
        header = f"{descriptor.digest} {descriptor.size} {BLOCK} {_boot()}\n".encode()
        self.blocks, current = _load(path, header, -(-descriptor.size // BLOCK))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        if current:
            size = os.fstat(self._file).st_size
            os.ftruncate(self._file, size - (size - len(header)) % _ENTRY.size)
        else:
            os.ftruncate(self._file, 0)
            os.write(self._file, header + b"".join(_ENTRY.pack(block) for block in sorted(self.blocks)))

    @property
    def entries(self) -> int:
        """How many blocks are entered: what a mark, set later, may cover."""
        return len(self.blocks)

    def add(self, block: int) -> None:
        """Enter a block that was written. One small append: whole or, after a crash, absent."""
        self.blocks.add(block)
        os.write(self._file, _ENTRY.pack(block))

    def mark(self, entries: int) -> None:
        """The first ``entries`` blocks that were entered have reached the disk."""
        os.write(self._file, _ENTRY.pack(-entries))

    def close(self) -> None:
        """Keep the map for the next run."""
        os.close(self._file)

    def discard(self) -> None:
        """Remove the map: the file is complete, or not worth keeping."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def _load(path: Path, header: bytes, count: int) -> tuple[set[int], bool]:
    """The blocks that can be trusted (none where the map is of other content), and whether the map can be continued."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return set(), False
    with os.fdopen(file, "rb") as stream:
        first = stream.readline(1024)
        entries = stream.read(_ENTRY.size * _MAX_ENTRIES)
    if first.split()[:3] != header.split()[:3]:
        return set(), False
    usable = len(entries) - len(entries) % _ENTRY.size
    numbers = [number for (number,) in _ENTRY.iter_unpack(entries[:usable])]
    blocks = [number for number in numbers if number >= 0]
    if first != header:  # another boot
        blocks = blocks[: -min(numbers, default=0)] if min(numbers, default=0) < 0 else []
    return {number for number in blocks if number < count}, first == header


def _boot() -> str:
    """Changes when the machine restarts; where the system does not say, every run counts as a restart."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"unknown-{os.getpid()}-{os.urandom(4).hex()}"
