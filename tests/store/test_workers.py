from __future__ import annotations

import threading
import time

import pytest

from modelpack.store import each, workers
from modelpack.store.workers import CROWD, FIRST, FIRST_LARGE, SMALL


@pytest.mark.parametrize("jobs", [0, 1, 2, 50])
def test_results_keep_the_order(jobs: int) -> None:
    assert each(lambda number: number * number, range(20), jobs) == [number * number for number in range(20)]


def test_nothing_to_do() -> None:
    assert each(lambda number: number, [], 4) == []


def test_jobs_run_at_the_same_time_and_not_more() -> None:
    together = threading.Barrier(3)
    running: list[int] = []
    most: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        most.append(len(running))
        together.wait(10)
        running.remove(number)
        return number

    assert each(work, range(6), 3) == list(range(6))
    assert max(most) <= 3


def test_the_first_error_ends_it() -> None:
    begun: list[int] = []
    release = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise KeyError(number)
        release.wait(10)

    with pytest.raises(KeyError):
        each(work, range(100), 2)
    release.set()
    time.sleep(0.05)
    assert len(begun) <= 3


def test_an_error_in_the_only_job() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda number: 1 // number, [0], 8)


def test_even_an_exit_is_handed_over() -> None:
    def work(_: int) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        each(work, [1, 2], 2)


def test_small_items_go_first_and_many_at_a_time() -> None:
    running: list[int] = []
    most: dict[bool, int] = {True: 0, False: 0}
    order: list[bool] = []
    lock = threading.Lock()

    def work(size: int) -> int:
        small = size <= SMALL
        with lock:
            order.append(small)
            running.append(size)
            most[small] = max(most[small], sum((one <= SMALL) == small for one in running))
        time.sleep(0.02)
        with lock:
            running.remove(size)
        return size

    sizes = [SMALL + 1 + number if number % 2 else number for number in range(64)]
    assert each(work, sizes, 2, size=lambda size: size) == sizes
    assert most[False] == 2
    assert 2 < most[True] <= 2 * CROWD
    assert order[:16] == [True] * 16


@pytest.mark.parametrize("large", [False, True])
def test_a_crowd_that_does_not_wait_stays_small(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    monkeypatch.setattr(workers, "_BUSY", 0.0)  # no process is idler than that
    running: set[int] = set()
    most: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        with lock:
            running.add(number)
            most.append(len(running))
        time.sleep(0.01)
        with lock:
            running.remove(number)

    each(work, range(50), 8, size=lambda _: SMALL + 1 if large else 0)
    assert max(most) == min(8, FIRST_LARGE if large else FIRST)


def test_a_crowd_that_waits_grows_to_its_full_size() -> None:
    together = threading.Barrier(4 * CROWD)
    assert each(lambda _: together.wait(10) >= 0, range(4 * CROWD), 4, size=lambda _: 0) == [True] * 4 * CROWD
