from __future__ import annotations

import hashlib
import threading

import pytest

from modelpack.oci import Descriptor, new_hasher
from modelpack.store import BytesSource, MemoryStore
from modelpack.store.hashing import WORTH_A_THREAD, BesideHasher, InlineHasher, beside

DATA = bytes(range(256)) * (WORTH_A_THREAD // 256) + b"end"


def test_small_content_needs_no_thread() -> None:
    assert isinstance(beside(new_hasher("sha256"), WORTH_A_THREAD - 1), InlineHasher)
    for size in (WORTH_A_THREAD, None):
        hasher = beside(new_hasher("sha256"), size)
        assert isinstance(hasher, BesideHasher)
        hasher.close()


@pytest.mark.parametrize("size", [0, None])
def test_hashes_pieces_in_order_out_of_one_buffer(size: int | None) -> None:
    hasher = beside(new_hasher("sha256"), size)
    buffer = memoryview(bytearray(1000))
    for begin in range(0, 100_000, 1000):
        hasher.settle()
        buffer[:] = DATA[begin : begin + 1000]
        hasher.update(buffer)
    assert hasher.hexdigest() == hashlib.sha256(DATA[:100_000]).hexdigest()
    hasher.close()
    hasher.close()


def test_works_beside_the_caller() -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting:
        def update(self, _: bytes | bytearray | memoryview, /) -> None:
            begun.set()
            go.wait(10)

        def hexdigest(self) -> str:
            return "done"

        def copy(self) -> Waiting:
            raise AssertionError("not asked for")

    hasher = BesideHasher(Waiting())
    hasher.update(memoryview(b"piece"))
    assert begun.wait(10)
    go.set()
    assert hasher.hexdigest() == "done"
    hasher.close()


def test_readers_end_their_threads() -> None:
    store = MemoryStore()
    descriptor = store.ingest("x", BytesSource(DATA))
    assert descriptor.digest == Descriptor.of("x", DATA).digest
    before = set(threading.enumerate())
    for _ in range(5):
        with store.open(descriptor) as reader:
            assert reader.read() == DATA
        with store.open(descriptor) as reader:
            reader.read(10)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
