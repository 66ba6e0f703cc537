from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DigestMismatch, NoSpace, NotFound, SizeMismatch, StoreError, Unavailable, UnsafePath
from modelpack.oci import Descriptor
from modelpack.store import BytesSource, VerifiedSource, receive
from modelpack.store.receive import os_errors, write_all
from tests.store.content import WEIGHTS, Flaky, verified

DATA = os.urandom(700_000)


def partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_content_arrives(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "weights"
    receive(verified(data), path)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"older and longer than the new content")
    receive(verified(b"new"), path)
    assert path.read_bytes() == b"new"


def test_a_link_under_the_final_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "weights", tmp_path / "other"
    other.write_bytes(b"untouched")
    path.symlink_to(other)
    receive(verified(b"new"), path)
    assert (path.is_symlink(), path.read_bytes(), other.read_bytes()) == (False, b"new", b"untouched")


def test_a_broken_transfer_is_resumed_where_it_stopped(tmp_path: Path) -> None:
    path, seen = tmp_path / "weights", [0]

    def count(bytes_: int) -> None:
        seen[0] += bytes_

    flaky = Flaky(DATA, [300_000])
    source = VerifiedSource(flaky, Descriptor.of(WEIGHTS, DATA), count)
    with pytest.raises(Unavailable):
        receive(source, path)
    assert partial(path).read_bytes() == DATA[:300_000]
    assert not path.exists()
    assert seen == [0]
    receive(source, path)
    assert path.read_bytes() == DATA
    assert flaky.offsets == [0, 300_000]
    assert seen == [len(DATA)]
    assert not partial(path).exists()


@given(breaks=st.lists(st.integers(0, 5000), max_size=6), size=st.integers(0, 9000))
@settings(max_examples=60, deadline=None)
def test_any_number_of_breaks_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, breaks: list[int], size: int
) -> None:
    path = tmp_path_factory.mktemp("breaks") / "weights"
    data = DATA[:size]
    source = VerifiedSource(Flaky(data, list(breaks)), Descriptor.of(WEIGHTS, data))
    for _ in range(len(breaks) + 1):
        try:
            receive(source, path)
            break
        except Unavailable:
            assert not path.exists()
    assert path.read_bytes() == data


def test_a_complete_partial_file_needs_no_source(tmp_path: Path) -> None:
    path, seen = tmp_path / "weights", [0]
    partial(path).write_bytes(DATA)
    flaky = Flaky(DATA, [])

    def count(bytes_: int) -> None:
        seen[0] += bytes_

    receive(VerifiedSource(flaky, Descriptor.of(WEIGHTS, DATA), count), path)
    assert (path.read_bytes() == DATA, flaky.offsets, seen) == (True, [], [len(DATA)])


@pytest.mark.parametrize(
    "left", [b"something else", DATA[:1000] + b"?", DATA[:-1] + b"\0", b"\0" * len(DATA), DATA + b"more", b"?" + DATA]
)
def test_a_partial_file_of_something_else_costs_one_more_try(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "weights"
    partial(path).write_bytes(left)
    receive(verified(DATA), path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("left", [b"", DATA[:100]])
@pytest.mark.parametrize(
    ("data", "problem"),
    [(DATA[:-1] + b"!!"[:1], DigestMismatch), (DATA[:-1], SizeMismatch), (DATA + b"x", SizeMismatch)],
)
def test_wrong_content_leaves_nothing(tmp_path: Path, data: bytes, problem: type[Exception], left: bytes) -> None:
    path = tmp_path / "weights"
    if left:
        partial(path).write_bytes(left)
    promised = DATA if data[-1:] != DATA[-1:] or len(data) != len(DATA) else b"0" * len(DATA)
    with pytest.raises(problem):
        receive(verified(data, promised), path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_what_has_arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    written = os.pwrite
    room = [400_000]

    def pwrite(file: int, data: memoryview, offset: int) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        length = written(file, data[: room[0]], offset)
        room[0] -= length
        return length

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(NoSpace, match="no space left") as caught:
        receive(verified(DATA), path)
    assert "free some space" in caught.value.hint
    assert partial(path).read_bytes() == DATA[:400_000]
    room[0] = len(DATA)
    receive(verified(DATA), path)
    assert path.read_bytes() == DATA
    assert room[0] == 400_000


def test_a_link_under_the_partial_name_is_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "weights", tmp_path / "other"
    other.write_bytes(b"untouched")
    partial(path).symlink_to(other)
    with pytest.raises(UnsafePath, match="symbolic link"):
        receive(verified(DATA), path)
    assert other.read_bytes() == b"untouched"


def test_a_pipe_under_the_partial_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    os.mkfifo(partial(path))
    with pytest.raises(UnsafePath, match="not a regular file"):
        receive(verified(DATA), path)


def test_errors_of_the_system_are_ours(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        receive(verified(b"x"), tmp_path / "absent" / "weights")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder"):
        receive(verified(b"x"), tmp_path / "folder")
    with pytest.raises(NoSpace), os_errors(tmp_path):
        raise OSError(errno.EDQUOT, "quota")
    with pytest.raises(StoreError, match="OSError"), os_errors(tmp_path):
        raise OSError


def held(path: Path) -> int:
    """The partial file, locked as another process would."""
    file = os.open(partial(path), os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def receiving(source: VerifiedSource, path: Path) -> threading.Thread:
    thread = threading.Thread(target=receive, args=(source, path), daemon=True)
    thread.start()
    time.sleep(0.1)
    assert thread.is_alive()
    return thread


def test_who_waits_takes_what_the_first_made(tmp_path: Path) -> None:
    path, seen = tmp_path / "weights", [0]
    file = held(path)
    flaky = Flaky(DATA, [])

    def count(bytes_: int) -> None:
        seen[0] += bytes_

    thread = receiving(VerifiedSource(flaky, Descriptor.of(WEIGHTS, DATA), count), path)
    write_all(file, memoryview(DATA), 0)
    partial(path).rename(path)
    os.close(file)
    thread.join(10)
    assert (path.read_bytes() == DATA, flaky.offsets, seen[0]) == (True, [], len(DATA))


@pytest.mark.parametrize("made", [b"short", b"0" * len(DATA), None])
def test_who_waits_goes_on_if_the_first_made_something_else_or_nothing(tmp_path: Path, made: bytes | None) -> None:
    path = tmp_path / "weights"
    file = held(path)
    thread = receiving(verified(DATA), path)
    if made is None:
        partial(path).unlink()
    else:
        write_all(file, memoryview(made), 0)
        partial(path).rename(path)
    os.close(file)
    thread.join(10)
    assert path.read_bytes() == DATA


def test_who_waits_resumes_what_the_first_left(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    file = held(path)
    flaky = Flaky(DATA, [])
    thread = receiving(VerifiedSource(flaky, Descriptor.of(WEIGHTS, DATA)), path)
    write_all(file, memoryview(DATA)[:1234], 0)
    os.close(file)
    thread.join(10)
    assert (path.read_bytes() == DATA, flaky.offsets) == (True, [1234])


def test_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    threads = [threading.Thread(target=receive, args=(verified(DATA), path)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]


def test_memory_stays_flat(tmp_path: Path) -> None:
    data = bytes(16 << 20)
    source = VerifiedSource(BytesSource(data), Descriptor.of(WEIGHTS, data))
    partial(tmp_path / "weights").write_bytes(data[: 8 << 20])
    tracemalloc.start()
    try:
        receive(source, tmp_path / "weights")
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_the_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        receive(verified(b"x"), tmp_path / "weights")
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == 0o640
