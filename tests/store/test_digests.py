from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from modelpack.oci import Digest
from modelpack.store import digests
from modelpack.store.digests import DigestCache, FileState

DIGEST = Digest.of(b"content")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "state" / "digests.sqlite")


@pytest.fixture(autouse=True)
def _settle_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED", 0.0)


def state_now(path: Path) -> FileState:
    state = FileState.of(path)
    assert state
    return state


def state_of(path: Path) -> FileState:
    time.sleep(0.02)  # more than a tick of the file system's clock
    return state_now(path)


def test_a_file_that_is_not_there(file: Path, cache: DigestCache) -> None:
    before = state_of(file)
    file.unlink()
    assert FileState.of(file) is None
    cache.put(before, DIGEST)
    assert cache.get(before) is None


def test_an_unchanged_file_is_known(file: Path, cache: DigestCache) -> None:
    assert cache.get(state_of(file)) is None
    cache.put(state_of(file), DIGEST)
    assert cache.get(state_now(file)) == DIGEST
    again = DigestCache(cache._path)
    assert again.get(state_now(file)) == DIGEST


def test_every_part_of_the_state_counts(file: Path, cache: DigestCache) -> None:
    cache.put(state_of(file), DIGEST)
    times = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)  # same size, same mtime, another inode
    assert cache.get(state_now(file)) is None


def test_a_change_that_resets_the_mtime_is_seen_by_the_ctime(file: Path, cache: DigestCache) -> None:
    before = state_of(file)
    cache.put(before, DIGEST)
    time.sleep(0.02)
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(before.mtime, before.mtime))
    assert state_now(file).mtime == before.mtime
    assert cache.get(state_now(file)) is None


def test_what_changed_just_now_is_not_entered(file: Path, cache: DigestCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED", 3600.0)
    cache.put(state_now(file), DIGEST)
    assert cache.get(state_now(file)) is None


def test_what_changed_while_it_was_read_is_not_entered(file: Path, cache: DigestCache) -> None:
    before = state_of(file)
    file.write_bytes(b"other content")
    cache.put(before, DIGEST)
    assert cache.get(before) is None


def test_a_link_and_its_file_are_one(file: Path, cache: DigestCache) -> None:
    cache.put(state_of(file), DIGEST)
    link = file.with_name("link")
    link.symlink_to(file)
    assert cache.get(state_now(link)) == DIGEST


def test_a_damaged_database_is_begun_anew(file: Path, cache: DigestCache) -> None:
    cache._path.parent.mkdir()
    cache._path.write_bytes(b"no database at all, but longer than a header" * 100)
    cache.put(state_of(file), DIGEST)
    assert cache.get(state_now(file)) == DIGEST


def test_a_damaged_entry_does_not_count(file: Path, cache: DigestCache) -> None:
    cache.put(state_of(file), DIGEST)
    with sqlite3.connect(cache._path) as database:
        database.execute("UPDATE digests SET digest = 'sha256:nonsense'")
    database.close()
    assert cache.get(state_now(file)) is None


def test_a_cache_that_cannot_be_written_is_no_cache(file: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    cache = DigestCache(tmp_path / "state" / "digests.sqlite")
    cache.put(state_of(file), DIGEST)
    assert cache.get(state_now(file)) is None


def test_a_cache_that_is_busy_or_unusable_is_not_removed(file: Path, cache: DigestCache) -> None:
    (cache._path / "something").mkdir(parents=True)
    cache.put(state_of(file), DIGEST)
    assert cache.get(state_now(file)) is None
    assert (cache._path / "something").is_dir()


def test_threads_share_it(file: Path, cache: DigestCache) -> None:
    state = state_of(file)
    threads = [threading.Thread(target=cache.put, args=(state, DIGEST)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get(state_now(file)) == DIGEST
