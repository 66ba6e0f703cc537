"""Looks into blobs give what is there, however little of it is kept."""

from __future__ import annotations

import random

import pytest

from modelpack.audit.collecting import watching
from modelpack.audit.collecting.watching import BLOCK, SMALL, Watched
from modelpack.oci import Descriptor
from modelpack.store import BytesSource, MemoryStore


def test_a_look_is_whole_when_what_is_kept_makes_room_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "KEPT", 8 * BLOCK)
    dice = random.Random(5)
    data = dice.randbytes(SMALL + 3 * BLOCK + 17)
    descriptor = Descriptor.of("application/octet-stream", data)
    store = MemoryStore()
    store.push(descriptor, BytesSource(data))
    watched = Watched(store)
    for _ in range(300):
        offset, length = dice.randrange(len(data)), dice.randrange(2 * BLOCK)
        assert watched.read_at(descriptor, offset, length) == data[offset : offset + length]
