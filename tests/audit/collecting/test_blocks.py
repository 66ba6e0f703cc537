"""Reading here and there in a large blob, in blocks of which some are kept."""

from __future__ import annotations

import random

from modelpack.audit.collecting.watching import BLOCK, KEPT, Watched
from modelpack.store import BytesSource, MemoryStore


def test_every_part_is_what_it_is_whatever_was_kept() -> None:
    """Also where some blocks of a part are kept, and fetching the others drives them out."""
    data = random.Random(7).randbytes(KEPT + 20 * BLOCK + 17)
    inner = MemoryStore()
    descriptor = inner.ingest("application/octet-stream", BytesSource(data))
    store = Watched(inner)
    for offset in range(0, len(data), BLOCK * 3):  # fill what is kept, with gaps
        assert store.read_at(descriptor, offset, 1) == data[offset : offset + 1]
    chance = random.Random(8)
    for _ in range(200):
        offset, length = chance.randrange(len(data)), chance.randrange(1, 8 * BLOCK)
        assert store.read_at(descriptor, offset, length) == data[offset : offset + length]
    assert len(store._blocks) <= KEPT // BLOCK
    assert store.read_at(descriptor, len(data), 5) == b""
