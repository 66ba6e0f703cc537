from __future__ import annotations

import hashlib
import threading

import pytest

from modelpack.oci import Descriptor, new_hasher
from modelpack.store import BytesSource, MemoryStore, hashing
from modelpack.store.hashing import AHEAD, WORTH_A_THREAD, BesideHasher, Crowd, InlineHasher, beside, ring

DATA = bytes(range(256)) * (WORTH_A_THREAD // 256) + b"end"


@pytest.fixture(autouse=True, name="crowd")
def _crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Cores enough for a thread each, whatever the machine has."""
    crowd = Crowd(64)
    monkeypatch.setattr(hashing, "CROWD", crowd)
    return crowd


class Waiting:
    """A hasher that does not begin before it is told to."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []

    def update(self, _: bytes | bytearray | memoryview, /) -> None:
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go.wait(10)

    def hexdigest(self) -> str:
        return "done"

    def copy(self) -> Waiting:
        raise AssertionError("not asked for")


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
    waiting = Waiting()
    hasher = BesideHasher(waiting)
    hasher.update(memoryview(b"piece"))
    assert waiting.begun.wait(10)
    waiting.go.set()
    assert hasher.hexdigest() == "done"
    hasher.close()
    assert threading.current_thread() not in waiting.threads


def test_a_buffer_is_released_when_its_own_pieces_are_hashed() -> None:
    waiting = Waiting()
    hasher = BesideHasher(waiting)
    first, other = memoryview(bytearray(10)), memoryview(bytearray(10))
    hasher.update(first[:5])
    hasher.release(other)  # would wait for ever, were it to wait for the first
    threading.Timer(0.05, waiting.go.set).start()
    hasher.release(first[5:])
    assert waiting.go.is_set()
    hasher.close()


def test_no_more_waits_than_is_allowed() -> None:
    waiting = Waiting()
    hasher = BesideHasher(waiting)
    hasher.update(memoryview(bytearray(AHEAD)))
    threading.Timer(0.05, waiting.go.set).start()
    hasher.update(memoryview(bytearray(1)))
    assert waiting.go.is_set()
    hasher.settle()
    hasher.close()


def test_in_a_crowd_the_caller_hashes_and_in_order(crowd: Crowd) -> None:
    hasher = BesideHasher(new_hasher("sha256"))
    hasher.update(memoryview(DATA[:1000]))
    for _ in range(crowd.cores):
        crowd.enter()
    before = set(threading.enumerate())
    hasher.update(memoryview(DATA[1000:2000]))
    other = BesideHasher(waiting := Waiting())
    waiting.go.set()
    other.update(memoryview(b"piece"))
    assert waiting.threads == [threading.current_thread()]
    assert set(threading.enumerate()) <= before
    for _ in range(crowd.cores):
        crowd.leave()
    hasher.update(memoryview(DATA[2000:3000]))
    assert hasher.hexdigest() == hashlib.sha256(DATA[:3000]).hexdigest()
    hasher.close()
    other.close()


def test_who_leaves_twice_is_counted_once() -> None:
    crowd = hashing.CROWD
    hashers = [BesideHasher(new_hasher("sha256")) for _ in range(crowd.cores)]
    assert crowd.full
    hashers[0].close()
    hashers[0].close()
    assert not crowd.full
    crowd.enter()
    assert crowd.full
    for hasher in hashers[1:]:
        hasher.close()


def test_a_ring_has_as_many_buffers_as_may_wait_and_one_in_a_crowd(crowd: Crowd) -> None:
    buffers = ring(1 << 20, None)
    assert len({id(next(buffers)) for _ in range(20)}) == AHEAD >> 20
    for _ in range(crowd.cores):
        crowd.enter()
    next(buffers)
    assert len({id(next(buffers)) for _ in range(20)}) == 1
    small = ring(1000, 5000)
    assert len({id(next(small)) for _ in range(20)}) == 1


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
