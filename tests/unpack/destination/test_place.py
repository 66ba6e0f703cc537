from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import Descriptor
from modelpack.store import Event, MemoryStore, Stream
from modelpack.unpack import unpack
from tests.unpack.models import leftovers, model, raw, simple, tree

ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b""), lambda path: os.mkfifo(path)])
def test_a_destination_that_is_a_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "m")
    with pytest.raises(InputError, match="is a file"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")
    with pytest.raises(InputError):
        unpack(*simple({"a": b"1"}), tmp_path / "m" / "below")


def test_a_destination_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "m").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    result = unpack(*simple({"a": b"1"}), tmp_path / "link")
    assert result.path == tmp_path / "real" / "m"
    assert (tmp_path / "link").is_symlink()
    assert tree(tmp_path / "link") == {"a": b"1"}
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("dangling", "loop"):
        with pytest.raises(InputError, match="leads nowhere"):
            unpack(*simple({"a": b"1"}), tmp_path / name)


def test_destinations_that_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    store, manifest = simple({"a": b"1"})
    with pytest.raises(InputError, match="root of the file system"):
        unpack(store, manifest, Path("/"))
    with pytest.raises(InputError, match="mount point"):
        unpack(store, manifest, Path("/proc"))
    for path in (Path(), Path(".."), tmp_path / "here"):
        with pytest.raises(InputError, match="current folder"):
            unpack(store, manifest, path)
    with pytest.raises(InputError, match="NUL"):
        unpack(store, manifest, Path("a\0b"))
    with pytest.raises(InputError, match="too long"):
        unpack(store, manifest, tmp_path / ("x" * 300))
    with pytest.raises(InputError, match="too long"):
        unpack(store, manifest, tmp_path / ("x" * 250))
    unpack(store, manifest, Path("new"))
    assert tree(tmp_path / "here" / "below" / "new") == {"a": b"1"}


def test_without_a_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    unpack(*simple({"a": b"1"}), tmp_path / "m")
    assert tree(tmp_path / "m") == {"a": b"1"}
    monkeypatch.chdir(tmp_path)


def test_the_lock_makes_the_second_wait_and_find_it_done(tmp_path: Path) -> None:
    class Slow(MemoryStore):
        started = threading.Event()
        go_on = threading.Event()

        def _open(self, descriptor: Descriptor, offset: int) -> Stream:
            self.started.set()
            self.go_on.wait(10)
            return super()._open(descriptor, offset)

    store = Slow()
    manifest = model(store, raw(store, "a", b"1"))
    results = []
    first = threading.Thread(target=lambda: results.append(unpack(store, manifest, tmp_path / "m")))
    first.start()
    store.started.wait(10)
    events: list[Event] = []
    second = threading.Thread(
        target=lambda: results.append(unpack(store, manifest, tmp_path / "m", observe=events.append))
    )
    second.start()
    deadline = time.monotonic() + 10
    while not events and time.monotonic() < deadline:
        time.sleep(0.01)
    assert events[0].action == "retry"
    assert "waiting" in events[0].note
    store.go_on.set()
    first.join(10)
    second.join(10)
    assert [result.unchanged for result in results] == [False, True]
    assert leftovers(tmp_path / "m") == []


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".m.modelpack-lock").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError):
        unpack(*simple({"a": b"1"}), tmp_path / "m")
    assert not (tmp_path / "victim").exists()


def test_many_at_once(tmp_path: Path) -> None:
    versions = [simple({"a": bytes([number]) * 1000, f"v{number}": b"x"}) for number in range(3)]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(5):
                unpack(*versions[number % 3], tmp_path / "m")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(tree(tmp_path / "m")) in [["a", f"v{number}"] for number in range(3)]
    assert leftovers(tmp_path / "m") == []


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="No locks available"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if ROOT:  # root may write everywhere
        os.seteuid(NOBODY)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            unpack(*simple({"a": b"1"}), tmp_path / "m")
    finally:
        os.seteuid(os.getuid())
