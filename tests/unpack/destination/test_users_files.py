from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.store import Event, MemoryStore
from modelpack.unpack import Selection, unpack
from modelpack.unpack.destination import remove
from tests.unpack.models import archive, leftovers, model, put, raw, simple, tar_of, tree


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


def test_a_socket_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m"
    unpack(*simple({"a": b"1"}), folder)
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("m/s")
        unpack(*simple({"a": b"2"}), folder)
        assert stat.S_ISSOCK((folder / "s").lstat().st_mode)
