"""The parallel download: what arrives is right, hashed once in order, resumed from the part map, and stopped by errors."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DigestMismatch, SizeMismatch, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.parallel import partmap
from modelpack.store.parallel.board import Board
from modelpack.store.parallel.pace import Pace
from modelpack.store.parallel.partmap import BLOCK, PartMap
from modelpack.store.sources import Stream
from tests.store.ranged import DATA, Ranged, run


def test_arrives_whole_and_is_counted_once(tmp_path: Path) -> None:
    counts: list[int] = []
    assert run(Ranged(DATA), tmp_path, counts=counts) == DATA
    assert sum(counts) == len(DATA)


def test_wrong_content_is_refused_and_uncounted(tmp_path: Path) -> None:
    counts: list[int] = []
    wrong = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(DigestMismatch):
        run(Ranged(wrong), tmp_path, counts=counts)
    assert sum(counts) == 0


def test_what_broke_off_is_taken_up_behind_the_last_whole_block(tmp_path: Path) -> None:
    counts: list[int] = []
    with pytest.raises(Unavailable):
        run(Ranged(DATA, breaks_at=2 * BLOCK + 5), tmp_path, counts=counts)
    assert sum(counts) == 0
    again = Ranged(DATA)
    assert run(again, tmp_path) == DATA
    assert min(offset for offset, _ in again.asked) == 2 * BLOCK
    assert sum(length for _, length in again.asked) == len(DATA) - 2 * BLOCK


def test_a_complete_partial_file_is_hashed_and_nothing_is_fetched(tmp_path: Path) -> None:
    run(Ranged(DATA), tmp_path)
    again = Ranged(DATA)
    assert run(again, tmp_path) == DATA
    assert again.asked == []


def test_what_is_on_disk_is_not_believed(tmp_path: Path) -> None:
    run(Ranged(DATA), tmp_path)
    damaged = bytearray(DATA)
    damaged[BLOCK + 1] ^= 1
    (tmp_path / "blob.partial").write_bytes(damaged)
    with pytest.raises(DigestMismatch):
        run(Ranged(DATA), tmp_path)


def test_a_partial_file_cut_by_somebody_else(tmp_path: Path) -> None:
    run(Ranged(DATA), tmp_path)
    os.truncate(tmp_path / "blob.partial", BLOCK)
    with pytest.raises(SizeMismatch):
        run(Ranged(DATA), tmp_path)


def test_a_stream_that_ends_early(tmp_path: Path) -> None:
    class Short(Ranged):
        def open_range(self, offset: int, length: int) -> Stream:
            return io.BytesIO(b"")

    with pytest.raises(SizeMismatch):
        run(Short(DATA), tmp_path)


def test_many_workers_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.parallel.downloading._SEGMENT", BLOCK)
    monkeypatch.setattr(Pace, "observe", lambda *_: 4)
    names: set[str] = set()

    class Watched(Ranged):
        def open_range(self, offset: int, length: int) -> Stream:
            names.add(threading.current_thread().name)
            return super().open_range(offset, length)

    source = Watched(DATA)
    assert run(source, tmp_path) == DATA
    assert sorted(source.asked) == [(begin, min(BLOCK, len(DATA) - begin)) for begin in range(0, len(DATA), BLOCK)]


def test_workers_that_are_too_many_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.parallel.downloading._SEGMENT", BLOCK)
    calls = 0
    too_many = threading.Event()
    late: list[str] = []

    def observe(*_: object) -> int:
        nonlocal calls
        calls += 1
        if calls > 2:
            too_many.set()
        return 4 if calls == 1 else 1

    class Slow(Ranged):
        def open_range(self, offset: int, length: int) -> Stream:
            if too_many.wait(10) and offset >= 4 * BLOCK:
                late.append(threading.current_thread().name)
            return super().open_range(offset, length)

    monkeypatch.setattr(Pace, "observe", observe)
    assert run(Slow(DATA), tmp_path) == DATA
    assert len(set(late)) == 1


def test_downloads_share_a_bound_on_further_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = threading.BoundedSemaphore(1)
    taken.acquire()
    monkeypatch.setattr("modelpack.store.parallel.downloading._FURTHER", taken)
    monkeypatch.setattr(Pace, "observe", lambda *_: 4)
    names: set[str] = set()

    class Watched(Ranged):
        def open_range(self, offset: int, length: int) -> Stream:
            names.add(threading.current_thread().name)
            return super().open_range(offset, length)

    assert run(Watched(DATA), tmp_path) == DATA
    assert len(names) == 1


def test_a_worker_that_stays_alone_asks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.parallel.downloading.Pace", lambda limit: Pace(limit, settled=True))
    source = Ranged(DATA)
    assert run(source, tmp_path) == DATA
    assert source.asked == [(0, len(DATA))]


def test_flushes_are_marked_in_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[int] = []
    monkeypatch.setattr(PartMap, "mark", lambda _, entries: marks.append(entries))
    monkeypatch.setattr("modelpack.store.parallel.downloading._FLUSH_INTERVAL", 0.0)
    monkeypatch.setattr("modelpack.store.parallel.downloading._LOOK", 0.0)
    assert run(Ranged(DATA), tmp_path) == DATA
    assert marks == sorted(marks)
    assert marks


DESCRIPTOR = Descriptor.of("x", DATA)


def test_map_survives_a_process(tmp_path: Path) -> None:
    first = PartMap(tmp_path / "map", DESCRIPTOR)
    for block in (3, 0, 1):
        first.add(block)
    with (tmp_path / "map").open("ab") as file:
        file.write(b"\x02\0\0")  # an append that a crash cut short
    second = PartMap(tmp_path / "map", DESCRIPTOR)
    assert second.blocks == {0, 1, 3}
    second.add(2)
    assert PartMap(tmp_path / "map", DESCRIPTOR).blocks == {0, 1, 2, 3}
    second.discard()
    second.discard()
    assert PartMap(tmp_path / "map", DESCRIPTOR).blocks == set()


def test_after_a_reboot_only_flushed_blocks_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PartMap(tmp_path / "map", DESCRIPTOR)
    first.add(3)
    first.add(0)
    entries = first.entries
    first.add(1)
    first.mark(entries)
    first.add(2)
    monkeypatch.setattr(partmap, "_boot", lambda: "another")
    assert PartMap(tmp_path / "map", DESCRIPTOR).blocks == {0, 3}


def test_after_a_reboot_without_a_flush_nothing_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PartMap(tmp_path / "map", DESCRIPTOR).add(3)
    monkeypatch.setattr(partmap, "_BOOT_ID", tmp_path / "absent")
    assert PartMap(tmp_path / "map", DESCRIPTOR).blocks == set()


def test_a_map_of_other_content_does_not_count(tmp_path: Path) -> None:
    PartMap(tmp_path / "map", DESCRIPTOR).add(1)
    assert PartMap(tmp_path / "map", Descriptor.of("x", b"other" * BLOCK)).blocks == set()


@given(junk=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_a_damaged_map_names_only_blocks_that_exist(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("map") / "map"
    header = f"{DESCRIPTOR.digest} {DESCRIPTOR.size} {BLOCK} another boot\n".encode()
    path.write_bytes(header + junk)
    assert PartMap(path, DESCRIPTOR).blocks <= set(range(6))


@given(
    size=st.integers(1, 9 * BLOCK), done=st.sets(st.integers(0, 8)), length=st.integers(1, 4).map(lambda n: n * BLOCK)
)
@settings(max_examples=60, deadline=None)
def test_segments_cover_exactly_what_is_missing(size: int, done: set[int], length: int) -> None:
    arrived: list[int] = []
    board = Board(size, done, arrived.append)
    covered: set[int] = set()
    while segment := board.take(length):
        assert segment.position % BLOCK == 0
        covered |= set(range(segment.position // BLOCK, -(-segment.end // BLOCK)))
        while segment.position < segment.end:
            board.advance(segment, min(BLOCK // 3 + 1, segment.end - segment.position))
    blocks = set(range(-(-size // BLOCK)))
    assert covered == blocks - done
    assert set(arrived) == covered
    assert len(arrived) == len(covered)
    assert board.wait(0, 0.0) == size


def test_board_waits_for_the_front(tmp_path: Path) -> None:
    board = Board(3 * BLOCK, (), lambda _: None)
    first, second = board.take(BLOCK), board.take(BLOCK)
    assert first
    assert second
    board.advance(second, BLOCK)
    assert board.wait(0, 0.01) == 0
    board.advance(first, BLOCK)
    assert board.wait(0, 1.0) == 2 * BLOCK
    board.fail(Unavailable("first"))
    board.fail(Unavailable("second"))
    assert board.take(BLOCK) is None
    with pytest.raises(Unavailable, match="first"):
        board.wait(0, 1.0)


def test_board_hands_out_the_front_to_who_is_alone_and_shortens_it() -> None:
    board = Board(5 * BLOCK, {2}, lambda _: None)
    assert board.take_at(BLOCK, BLOCK) is None
    segment = board.take_at(0, 9 * BLOCK)
    assert segment is not None
    assert (segment.position, segment.end) == (0, 2 * BLOCK)
    assert board.take_at(3 * BLOCK, BLOCK) is None  # somebody is at work
    board.advance(segment, 10)
    board.shorten(segment, BLOCK - 11)  # less than a block: as it is
    board.shorten(segment, 2 * BLOCK)
    assert segment.end == 2 * BLOCK
    board.shorten(segment, BLOCK)
    assert segment.end == BLOCK
    other = board.take(9 * BLOCK)
    assert other is not None
    assert (other.position, other.end) == (BLOCK, 2 * BLOCK)
    board.advance(other, BLOCK)
    board.advance(segment, BLOCK - 10)
    assert board.wait(0, 0.0) == 3 * BLOCK


def rates(pace: Pace, per_worker: float, ceiling: float) -> list[int]:
    now, received, seen = 0.0, 0, []
    for _ in range(200):
        now += 0.1
        seen.append(pace.observe(now, received))
        received += int(min(per_worker * seen[-1], ceiling) * 0.1)
    return seen


def test_pace_grows_where_each_connection_is_limited() -> None:
    assert rates(Pace(8), 10e6, 1e9)[-1] == 8


def test_pace_stays_alone_where_one_connection_fills_the_line() -> None:
    seen = rates(Pace(8), 1e9, 1e9)
    assert seen[-1] == 1
    assert max(seen) == 2


def test_pace_keeps_what_helped_a_little() -> None:
    assert rates(Pace(8), 100e6, 115e6)[-1] == 2


def test_pace_obeys_its_limit() -> None:
    assert set(rates(Pace(1), 10e6, 1e9)) == {1}
    assert max(rates(Pace(3), 10e6, 1e9)) == 2
