"""The bandwidth cap, by a clock that only moves when somebody waits."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.oci import Descriptor
from modelpack.store import CHUNK, BytesSource, HttpOptions
from modelpack.store.http.throttle import Throttle
from tests.faults import FaultyRegistry
from tests.store.clients import connect, held, stored
from tests.store.content import WEIGHTS


@dataclass
class Clock:
    """Seconds since the beginning; ``slept`` are those that somebody waited."""

    now: float = 0.0
    slept: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds
            self.slept += seconds


def throttle(rate: int) -> tuple[Throttle, Clock]:
    clock = Clock()
    return Throttle(rate, clock=clock, sleep=clock.sleep), clock


@pytest.mark.parametrize(("rate", "piece"), [(1, 1024), (100_000, 10_000), (1_000_000, 100_000), (100_000_000, CHUNK)])
def test_pieces_are_a_tenth_of_a_second_within_reason(rate: int, piece: int) -> None:
    assert throttle(rate)[0].piece == piece


def test_a_first_piece_passes_at_once() -> None:
    limited, clock = throttle(1_000_000)
    limited.take(limited.piece)
    assert clock.slept == 0
    limited.take(50_000)
    assert clock.slept == pytest.approx(0.05)


def test_a_pause_is_not_made_up_for() -> None:
    limited, clock = throttle(1_000_000)
    clock.now = 3600
    limited.take(1_100_000)
    assert clock.slept == pytest.approx(1.0)


@settings(deadline=None, max_examples=50)
@given(rate=st.integers(1000, 10**9), counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_the_rate_holds_whatever_the_pieces(rate: int, counts: list[int]) -> None:
    limited, clock = throttle(rate)
    for count in counts:
        limited.take(count)
    assert clock.now == pytest.approx(max(0, sum(counts) - limited.piece) / rate, abs=1e-6)


def test_threads_share_one_rate() -> None:
    waits: list[float] = []
    limited = Throttle(1_000_000, clock=lambda: 0.0, sleep=waits.append)
    threads = [threading.Thread(target=limited.take, args=(100_000,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The first is free, and each of the others waits for all before it.
    assert sorted(waits) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_options_make_one_and_hand_it_on() -> None:
    limited = HttpOptions(limit_rate=1000)
    assert HttpOptions().throttle is None
    assert limited.throttle is not None
    assert replace(limited, retries=1).throttle is limited.throttle
    assert replace(limited, limit_rate=0).throttle is None
    assert replace(limited, limit_rate=5).throttle != limited.throttle
    assert HttpOptions(limit_rate=-1).throttle is None
    assert limited == HttpOptions(limit_rate=1000)


class _Counting(Throttle):
    def __init__(self) -> None:
        super().__init__(100_000, sleep=lambda _: None)
        self.counts: list[int] = []

    def take(self, count: int) -> None:
        self.counts.append(count)


@pytest.fixture
def counting() -> dict[str, Any]:
    return {"limit_rate": 100_000, "throttle": _Counting()}


def test_all_bytes_that_arrive_are_counted(faulty: FaultyRegistry, counting: dict[str, Any]) -> None:
    descriptor = stored(faulty, bytes(35_000))
    with connect(faulty, **counting) as store, store.open(descriptor) as reader:
        assert reader.read() == bytes(35_000)
    assert counting["throttle"].counts == [10_000, 10_000, 10_000, 5_000]


def test_all_bytes_that_leave_are_counted(faulty: FaultyRegistry, counting: dict[str, Any]) -> None:
    data = bytes(25_000)
    descriptor = Descriptor.of(WEIGHTS, data)
    with connect(faulty, **counting) as store:
        store.push(descriptor, BytesSource(data))
    assert held(faulty, descriptor) == data
    assert counting["throttle"].counts == [10_000, 10_000, 5_000]


def test_the_real_clock(faulty: FaultyRegistry) -> None:
    """No more than a lower bound: a transfer of twice a piece takes at least what the second one needs."""
    descriptor = stored(faulty, bytes(20_000))
    begun = time.monotonic()
    with connect(faulty, limit_rate=100_000) as store:
        store.read(descriptor)
    assert time.monotonic() - begun >= 0.1
