from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelpack.errors import InputError, NoSpace
from modelpack.oci import Descriptor, loads_object
from modelpack.paths import MARKER
from modelpack.store import Event, MemoryStore, Stream
from modelpack.unpack import Selection, unpack, unpacking
from modelpack.unpack.destination import Place, disk, place, remove
from tests.unpack.models import archive, leftovers, model, raw, simple, tar_of, tree

ROOT = os.geteuid() == 0


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    put(tmp_path / "m", {"mine": b"!"})
    with pytest.raises(InputError, match="is not empty and was not made by modelpack") as caught:
        unpack(store, manifest, tmp_path / "m")
    assert "force" in caught.value.hint
    assert tree(tmp_path / "m") == {"mine": b"!"}
    assert leftovers(tmp_path / "m") == []


def test_force_adds_to_a_folder_of_somebody_else(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1", "d/x": b"2"})
    put(tmp_path / "m", {"mine": b"!", "a": b"old", "d/y": b"?"})
    unpack(store, manifest, tmp_path / "m", force=True)
    assert tree(tmp_path / "m") == {"a": b"1", "d/x": b"2", "d/y": b"?", "mine": b"!"}


def test_the_users_files_go_along(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    store, manifest = simple({"a": b"1", "d/x": b"2"})
    unpack(store, manifest, folder)
    put(folder, {"notes.txt": b"n", "d/mine": b"m", "own/deep/z": b"z"})
    (folder / "own" / "empty").mkdir()
    (folder / "own" / "deep").chmod(0o500)
    (folder / "link").symlink_to("/nowhere")
    (folder / "own" / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    inode = (folder / "notes.txt").stat().st_ino
    with (folder / "notes.txt").open("ab") as still_open:
        unpack(*simple({"a": b"3", "new": b"4"}), folder)
        still_open.write(b" and more")
    assert (folder / "notes.txt").read_bytes() == b"n and more"
    assert (folder / "notes.txt").stat().st_ino == inode
    assert (folder / "own" / "empty").is_dir()
    assert stat.S_IMODE((folder / "own" / "deep").stat().st_mode) == 0o500
    assert (folder / "link").readlink() == Path("/nowhere")
    assert (folder / "own" / "loop").is_symlink()
    assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
    remove(folder / "pipe")
    (folder / "own" / "deep").chmod(0o700)
    assert {name for name in tree(folder) if "loop" not in name} == {"a", "d/mine", "new", "notes.txt", "own/deep/z"}
    assert leftovers(folder) == []


def test_a_changed_file_is_not_overwritten_without_force(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    store, manifest = simple({"a": b"1", "b": b"2"})
    unpack(store, manifest, folder)
    (folder / "a").write_bytes(b"edited")
    for next_store, next_manifest in ((store, manifest), simple({"a": b"3"})):
        with pytest.raises(InputError, match=r"not as they were unpacked.*'a'"):
            unpack(next_store, next_manifest, folder)
        assert tree(folder) == {"a": b"edited", "b": b"2"}
    unpack(store, manifest, folder, force=True)
    assert tree(folder) == {"a": b"1", "b": b"2"}


def test_a_changed_file_that_is_in_nobodys_way_becomes_the_users(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1", "b": b"2"}), folder)
    (folder / "a").write_bytes(b"edited")
    unpack(*simple({"b": b"2", "c": b"3"}), folder)
    assert tree(folder) == {"a": b"edited", "b": b"2", "c": b"3"}
    with pytest.raises(InputError):
        unpack(*simple({"a": b"1"}), folder)


def test_same_size_but_touched_counts_as_changed(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, folder)
    os.utime(folder / "a", ns=(1, 1))
    with pytest.raises(InputError):
        unpack(store, manifest, folder)


def test_a_lost_file_comes_back(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = model(store, raw(store, "a", b"1"), archive(store, tar_of({"x": b"x", "y": b"y"})))
    unpack(store, manifest, tmp_path / "m")
    for name in ("a", "x"):
        (tmp_path / "m" / name).unlink()
        # A pull of something else in between must not make the record believe that the archive is whole.
        unpack(store, manifest, tmp_path / "m", selection=Selection(include=("y",)))
        result = unpack(store, manifest, tmp_path / "m")
        assert not result.unchanged
        assert tree(tmp_path / "m") == {"a": b"1", "x": b"x", "y": b"y"}


def test_a_users_file_under_a_new_files_name(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    put(folder, {"b": b"mine", "c/d": b"mine"})
    (folder / "e").symlink_to(tmp_path)
    with pytest.raises(InputError, match="'b'"):
        unpack(*simple({"b": b"2"}), folder)
    with pytest.raises(InputError, match="folder where the model has a file: 'c'"):
        unpack(*simple({"c": b"2"}), folder, force=True)
    with pytest.raises(InputError, match="'e'"):
        unpack(*simple({"e/evil": b"2"}), folder)
    unpack(*simple({"b": b"2", "e/x": b"3", "c/d": b"4"}), folder, force=True)
    assert tree(folder) == {"b": b"2", "c/d": b"4", "e/x": b"3"}
    assert not (folder / "e").is_symlink()
    assert not (tmp_path / "x").exists()


def test_names_from_an_archive_collide_with_the_users_too(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    put(folder, {"b": b"mine"})
    manifest = model(store, archive(store, tar_of({"b": b"2"})))
    with pytest.raises(InputError, match="'b'"):
        unpack(store, manifest, folder)
    assert tree(folder) == {"a": b"1", "b": b"mine"}
    unpack(store, manifest, folder, force=True)
    assert tree(folder) == {"b": b"2"}


def test_many_files_in_the_way_are_counted(tmp_path: Path) -> None:
    names = {f"{number:02}": b"x" for number in range(12)}
    put(tmp_path / "m", names)
    unpack(*simple({"a": b"1"}), tmp_path / "m", force=True)
    with pytest.raises(InputError, match=r"'04' and 7 more"):
        unpack(*simple(names), tmp_path / "m")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"version":"2"}',
        b'{"version":"1","reference":"","digest":"sha256:0"}',
        b'{"version":"1","reference":"","digest":"sha256:' + b"0" * 64 + b'","files":[{"path":"../x"}]}',
        b'{"version":"1","reference":"","digest":"sha256:' + b"0" * 64 + b'","selection":{"include":[""]}}',
    ],
)
def test_a_damaged_record(text: bytes, tmp_path: Path) -> None:
    put(tmp_path / "m", {MARKER: text})
    with pytest.raises(InputError, match="is damaged"):
        unpack(*simple({"a": b"1"}), tmp_path / "m", force=True)


def test_a_record_that_is_no_file(tmp_path: Path) -> None:
    put(tmp_path, {"elsewhere": b"{}"})
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / MARKER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="not a plain file"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")


def test_the_record_says_what_was_selected(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("a",), exclude=("b",)))
    marker = loads_object((tmp_path / "m" / MARKER).read_bytes(), "marker")
    assert marker["selection"] == {"include": ["a"], "exclude": ["b"], "kinds": []}


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


def test_a_staging_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    staging = tmp_path / ".m.modelpack-partial"
    (tmp_path / "elsewhere").mkdir()
    staging.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        unpack(store, manifest, tmp_path / "m")
    staging.unlink()
    staging.mkdir()
    staging.chmod(0o777)
    with pytest.raises(InputError, match="not this user's own"):
        unpack(store, manifest, tmp_path / "m")
    staging.chmod(0o700)
    if ROOT:
        os.chown(staging, 12345, 12345)
        with pytest.raises(InputError, match="not this user's own"):
            unpack(store, manifest, tmp_path / "m")
        os.chown(staging, 0, 0)
    unpack(store, manifest, tmp_path / "m")
    assert leftovers(tmp_path / "m") == []


def test_an_old_tree_in_somebody_elses_staging_folder_does_not_come_back(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m")
    staging = tmp_path / ".m.modelpack-partial"
    staging.mkdir()
    staging.chmod(0o777)
    (tmp_path / "m").rename(staging / "previous")
    with pytest.raises(InputError, match="not this user's own"):
        unpack(store, manifest, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_links_in_a_staging_folder_are_not_followed(tmp_path: Path) -> None:
    store = MemoryStore()
    layer = raw(store, "a", b"1")
    tarred = archive(store, tar_of({"b": b"2"}))
    manifest = model(store, layer, tarred)
    staging = tmp_path / ".m.modelpack-partial"
    put(tmp_path, {"victim": b"1", "folder/x": b"x"})
    (staging / "blobs").mkdir(parents=True)
    staging.chmod(0o700)
    (staging / "blobs" / f"sha256-{layer.digest.hex}").symlink_to(tmp_path / "victim")
    (staging / "blobs" / f"sha256-{layer.digest.hex}.partial").symlink_to(tmp_path / "victim")
    (staging / "members").symlink_to(tmp_path / "folder")
    (staging / "tree").symlink_to(tmp_path / "folder")
    (staging / "previous").write_bytes(b"")
    unpack(store, manifest, tmp_path / "m")
    assert tree(tmp_path / "m") == {"a": b"1", "b": b"2"}
    assert (tmp_path / "m" / "a").stat().st_ino != (tmp_path / "victim").stat().st_ino
    assert tree(tmp_path / "folder") == {"x": b"x"}
    assert (tmp_path / "victim").read_bytes() == b"1"


def test_what_is_left_behind_is_hashed_before_it_is_used(tmp_path: Path) -> None:
    store = MemoryStore()
    layers = [raw(store, name, name.encode() * 1000) for name in "abc"]
    tarred = archive(store, tar_of({"t": b"t" * 100}))
    lost = Descriptor(layers[0].media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, *layers, tarred, lost), tmp_path / "m", jobs=1)
    staging = tmp_path / ".m.modelpack-partial"
    blob = staging / "blobs" / f"sha256-{layers[0].digest.hex}"
    assert blob.read_bytes() == b"a" * 1000
    blob.write_bytes(b"A" * 1000)
    (staging / "blobs" / f"sha256-{layers[1].digest.hex}").write_bytes(b"b" * 999)
    other = staging / "blobs" / ("sha256-" + "0" * 64)
    other.write_bytes(b"of another model")
    (member,) = (staging / "members").glob("*/0")
    member.write_bytes(b"T" * 100)
    store.push_bytes("x", b"lost")
    unpack(store, model(store, *layers, tarred, lost), tmp_path / "m")
    assert tree(tmp_path / "m") == {name: name.encode() * 1000 for name in "abc"} | {"t": b"t" * 100, "lost": b"lost"}
    assert leftovers(tmp_path / "m") == []


@pytest.mark.parametrize(
    "record", [b"", b"{}", b'{"files":[{"path":"../x","digest":"y"}]}', b'{"files":7}', b'{"count":1}', None]
)
def test_damaged_records_in_the_staging_folder(record: bytes | None, tmp_path: Path) -> None:
    store = MemoryStore()
    tarred = archive(store, tar_of({"t": b"t"}))
    lost = Descriptor(tarred.media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, tarred, lost), tmp_path / "m", jobs=1)
    (path,) = (tmp_path / ".m.modelpack-partial" / "members").glob("*/record.json")
    path.unlink()
    if record is None:
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(record)
    unpack(store, model(store, tarred), tmp_path / "m")
    # An empty record is a record of nothing; that is no reason to believe that the archive is empty.
    assert tree(tmp_path / "m") == {"t": b"t"}


def test_after_a_run_that_was_killed_in_its_last_step(tmp_path: Path) -> None:
    """The new tree is live and shares its files with what waits in the staging folder."""
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m")
    staging = tmp_path / ".m.modelpack-partial"
    put(staging, {"tree/old": b"old", "blobs/x": b""})
    staging.chmod(0o700)
    os.link(tmp_path / "m" / "a", staging / "blobs" / f"sha256-{manifest.layers[0].digest.hex}")
    (tmp_path / "m" / MARKER).unlink()
    (tmp_path / "m" / "a").chmod(0o640)
    events: list[int] = []

    def look(event: Event) -> None:
        events.append(stat.S_IMODE((tmp_path / "m" / "a").stat().st_mode))

    unpack(store, manifest, tmp_path / "m", force=True, observe=look)
    assert set(events) == {0o640}
    assert (tmp_path / "m" / "a").stat().st_nlink == 1
    assert leftovers(tmp_path / "m") == []


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "exchange", lambda *_: False)


@pytest.mark.usefixtures("no_exchange")
def test_without_exchange(tmp_path: Path) -> None:
    for number in (b"1", b"2", b"3"):
        unpack(*simple({"a": number}), tmp_path / "m")
        assert tree(tmp_path / "m") == {"a": number}
        assert leftovers(tmp_path / "m") == []


@pytest.mark.usefixtures("no_exchange")
def test_without_exchange_the_old_tree_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    here = Place.of(folder)
    here.staging.mkdir()
    with pytest.raises(FileNotFoundError):
        here.replace(tmp_path / "missing")
    assert tree(folder) == {"a": b"1"}
    folder.rename(here.previous)  # killed between the two renames
    store, manifest = simple({"a": b"1"})
    assert unpack(store, manifest, folder).unchanged
    assert leftovers(folder) == []


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL])
def test_exchange_says_if_it_is_not_there(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    assert disk.exchange(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        disk.exchange(tmp_path / "a", tmp_path / "missing")

    class Library:
        def renameat2(self, *_: object) -> int:
            ctypes.set_errno(code)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    assert not disk.exchange(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert not disk.exchange(tmp_path / "a", tmp_path / "b")


def test_two_files_never_become_one(tmp_path: Path) -> None:
    put(tmp_path, {"a": b"1", "b": b"2"})
    with pytest.raises(FileExistsError):
        disk.link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"2"


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store, manifest = simple({"a": b"1", "b": b"2"})
    unpack(store, manifest, tmp_path / "m")
    put(tmp_path / "m", {"mine": b"!"})
    (tmp_path / "m" / "link").symlink_to("/nowhere")
    result = unpack(*simple({"a": b"1", "b": b"3"}), tmp_path / "m")
    assert result.reused == 1
    assert (tmp_path / "m" / "link").readlink() == Path("/nowhere")
    (tmp_path / "m" / "link").unlink()
    assert tree(tmp_path / "m") == {"a": b"1", "b": b"3", "mine": b"!"}
    assert unpack(*simple({"a": b"1", "b": b"3"}), tmp_path / "m").unchanged


def test_a_file_that_changes_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1", "b": b"2"}), folder)

    def edit(event: Event) -> None:
        if event.action == "begin":
            (folder / "a").write_bytes(b"edited")

    with pytest.raises(InputError, match="was changed during this run"):
        unpack(*simple({"a": b"1", "b": b"3"}), folder, observe=edit)
    assert tree(folder) == {"a": b"edited", "b": b"2"}
    assert unpack(*simple({"a": b"1", "b": b"3"}), folder, force=True).reused == 0


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="No locks available"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")


def test_too_little_space_is_known_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 2 << 20)
    events: list[Event] = []
    store = MemoryStore()
    manifest = model(store, raw(store, "a", b"a" * (3 << 20)), raw(store, "small", b"s"))
    with pytest.raises(NoSpace, match=f"{(3 << 20) + 1} bytes are still to be written .* only {2 << 20} are free"):
        unpack(store, manifest, tmp_path / "m", observe=events.append)
    assert events == []
    assert list(tmp_path.iterdir()) == []
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("small",)))


def test_what_is_here_already_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    layers = [raw(store, "a", b"a" * (3 << 20)), archive(store, tar_of({"b": b"b" * (3 << 20)}))]
    manifest = model(store, *layers)
    lost = Descriptor(layers[0].media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, *layers, lost), tmp_path / "m", jobs=1)
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 0)
    unpack(store, manifest, tmp_path / "m")
    assert sorted(tree(tmp_path / "m")) == ["a", "b"]


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir()
    return (
        subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=False, capture_output=True).returncode
        == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    if not mounted(folder, "-o", "size=8m"):
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("form", ["raw", "tar"])
def test_a_disk_that_fills_up(form: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    first = raw(store, "first", b"1" * (3 << 20))
    data = os.urandom(6 << 20)
    second = raw(store, "second", data) if form == "raw" else archive(store, tar_of({"second": data}))
    manifest = model(store, first, second)
    with pytest.raises(NoSpace, match="still to be written"):
        unpack(store, manifest, small_disk / "m", jobs=1)
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 1 << 40)
    with pytest.raises(NoSpace) as caught:
        unpack(store, manifest, small_disk / "m", jobs=1)
    assert "kept" in caught.value.hint
    assert (small_disk / ".m.modelpack-partial" / "blobs" / f"sha256-{first.digest.hex}").exists()
    assert not (small_disk / "m").exists()
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    unpack(store, manifest, small_disk / "m", jobs=1)
    assert tree(small_disk / "m")["second"] == data


def test_mount_points(small_disk: Path) -> None:
    store, manifest = simple({"a": b"1"})
    with pytest.raises(InputError, match="mount point"):
        unpack(store, manifest, small_disk)
    unpack(store, manifest, small_disk.parent / "m")
    inner = small_disk.parent / "m" / "inner"
    if mounted(inner):
        try:
            with pytest.raises(InputError, match="is a mount point"):
                unpack(*simple({"a": b"2"}), small_disk.parent / "m")
        finally:
            subprocess.run(["umount", "-l", inner], check=True)


def test_deep_folders_of_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    deep = folder
    for _ in range(1050):
        deep = deep / "d"
        deep.mkdir()
    unpack(*simple({"a": b"2"}), folder)
    assert deep.is_dir()
    remove(folder)
    assert not folder.exists()


def test_removing_follows_no_links(tmp_path: Path) -> None:
    put(tmp_path, {"keep/x": b"1", "gone/y": b"2"})
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "gone").chmod(0o500)
    (tmp_path / "direct").symlink_to(tmp_path / "keep")
    for name in ("gone", "direct", "missing"):
        remove(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep"]
    assert tree(tmp_path / "keep") == {"x": b"1"}


def test_a_socket_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("m/s")
        unpack(*simple({"a": b"2"}), folder)
        assert stat.S_ISSOCK((folder / "s").lstat().st_mode)
