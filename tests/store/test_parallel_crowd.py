"""Downloads in a crowd: one thread receives, hashes and writes, until the network is what holds it up."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.hashing import Crowd
from modelpack.store.parallel import downloading
from modelpack.store.parallel.partmap import BLOCK, PartMap
from modelpack.store.sources import Stream
from tests.store.ranged import DATA, Ranged, run

DESCRIPTOR = Descriptor.of("x", DATA)


@dataclass
class Threads(Ranged):
    """Remembers which threads asked."""

    names: list[str] = field(default_factory=list)

    def open_range(self, offset: int, length: int) -> Stream:
        self.names.append(threading.current_thread().name)
        return super().open_range(offset, length)


@pytest.fixture(name="crowded")
def _crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many downloads as cores, and the cores are what holds them up."""
    monkeypatch.setattr(downloading, "CROWD", Crowd(1))
    monkeypatch.setattr(downloading, "_LOOK", 0.0)
    monkeypatch.setattr(downloading, "_BUSY", 0.0)


def begins(source: Ranged) -> list[int]:
    return [begin for begin, _ in source.asked]


@pytest.mark.usefixtures("crowded")
def test_in_a_crowd_one_thread_does_it_all_with_one_request(tmp_path: Path) -> None:
    source, counts = Threads(DATA), list[int]()
    assert run(source, tmp_path, counts=counts) == DATA
    assert source.names == [threading.current_thread().name]
    assert source.asked == [(0, len(DATA))]
    assert sum(counts) == len(DATA)


@pytest.mark.usefixtures("crowded")
def test_in_a_crowd_wrong_content_is_refused_and_uncounted(tmp_path: Path) -> None:
    counts: list[int] = []
    with pytest.raises(DigestMismatch):
        run(Threads(DATA[:-1] + bytes([DATA[-1] ^ 1])), tmp_path, counts=counts)
    assert sum(counts) == 0


@pytest.mark.usefixtures("crowded")
def test_in_a_crowd_what_broke_off_is_taken_up_from_the_part_map(tmp_path: Path) -> None:
    counts: list[int] = []
    with pytest.raises(Unavailable):
        run(Threads(DATA, breaks_at=2 * BLOCK + 5), tmp_path, counts=counts)
    assert sum(counts) == 0
    assert PartMap(tmp_path / "blob.parts", DESCRIPTOR).blocks == {0, 1}
    again = Threads(DATA)
    assert run(again, tmp_path) == DATA
    assert again.asked == [(2 * BLOCK, len(DATA) - 2 * BLOCK)]
    assert again.names == [threading.current_thread().name]


@pytest.mark.usefixtures("crowded")
def test_in_a_crowd_gaps_are_filled_in_order_between_what_is_there(tmp_path: Path) -> None:
    run(Ranged(DATA), tmp_path)
    (tmp_path / "blob.parts").unlink()
    parts = PartMap(tmp_path / "blob.parts", DESCRIPTOR)
    for block in (1, 4):
        parts.add(block)
    parts.close()
    source = Threads(DATA)
    assert run(source, tmp_path) == DATA
    assert begins(source) == [0, 2 * BLOCK, 5 * BLOCK]


@pytest.mark.usefixtures("crowded")
def test_alone_it_asks_for_all_once_it_knows_that_this_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "_FIRST", 2 * BLOCK)
    source = Threads(DATA)
    assert run(source, tmp_path) == DATA
    assert source.asked == [(0, 2 * BLOCK), (2 * BLOCK, len(DATA) - 2 * BLOCK)]
    assert set(source.names) == {threading.current_thread().name}


@pytest.mark.usefixtures("crowded")
def test_where_the_network_holds_it_up_a_worker_takes_over_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: set[str] = set()

    class Watched(io.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            monkeypatch.setattr(downloading, "_BUSY", 1e9)  # nobody is that busy: it is the network
            readers.add(threading.current_thread().name)
            return super().readinto(buffer[:1000])

    class Slow(Threads):
        def open_range(self, offset: int, length: int) -> Stream:
            super().open_range(offset, length)
            return Watched(self.data[offset : offset + length])

    source, here, counts = Slow(DATA), threading.current_thread().name, list[int]()
    assert run(source, tmp_path, counts=counts) == DATA
    assert source.asked == [(0, len(DATA))]  # it began to come, and nobody asked for it again
    assert len(readers) == 2
    assert here in readers
    assert sum(counts) == len(DATA)


@pytest.mark.usefixtures("crowded")
def test_what_a_worker_took_over_and_could_not_finish_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Threads):
        def open_range(self, offset: int, length: int) -> Stream:
            monkeypatch.setattr(downloading, "_BUSY", 1e9)
            return super().open_range(offset, length)

    counts: list[int] = []
    with pytest.raises(Unavailable):
        run(Slow(DATA, breaks_at=2 * BLOCK + 5), tmp_path, counts=counts)
    assert sum(counts) == 0
    again = Ranged(DATA)
    assert run(again, tmp_path) == DATA
    assert min(begins(again)) == 2 * BLOCK
