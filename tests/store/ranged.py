"""A source of ranges in memory, and a download from it."""

from __future__ import annotations

import io
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from modelpack.errors import Unavailable
from modelpack.oci import Descriptor
from modelpack.store.parallel import download
from modelpack.store.parallel.partmap import BLOCK, PartMap
from modelpack.store.receive import write_all
from modelpack.store.sources import Stream, VerifiedSource

DATA = random.Random(7).randbytes(5 * BLOCK + 12_345)


@dataclass
class Ranged:
    """A source in memory that remembers what was asked of it."""

    data: bytes
    asked: list[tuple[int, int]] = field(default_factory=list)
    breaks_at: int | None = None

    ranged = True

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self, offset: int = 0) -> Stream:
        raise AssertionError("the whole is not asked for")

    def open_range(self, offset: int, length: int) -> Stream:
        self.asked.append((offset, length))
        if self.breaks_at is not None and offset <= self.breaks_at < offset + length:
            return _Breaking(self.data[offset : self.breaks_at])
        return io.BytesIO(self.data[offset : offset + length])


class _Breaking(io.BytesIO):
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        length = super().readinto(buffer)
        if not length:
            raise Unavailable("broke off")
        return length


def run(source: Ranged, folder: Path, *, expect: bytes = DATA, counts: list[int] | None = None) -> bytes:
    descriptor = Descriptor.of("application/octet-stream", expect)
    path = folder / "blob.partial"
    parts = PartMap(folder / "blob.parts", descriptor)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        verified = VerifiedSource(source, descriptor, counts.append if counts is not None else None)
        download(verified, source, file, parts, write_all)
    finally:
        parts.close()
        os.close(file)
    return path.read_bytes()
