from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from modelpack.unpack import unpack
from modelpack.unpack.destination import Place, disk, place, remove
from tests.unpack.models import leftovers, put, simple, tree


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


def test_removing_follows_no_links(tmp_path: Path) -> None:
    put(tmp_path, {"keep/x": b"1", "gone/y": b"2"})
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "gone").chmod(0o500)
    (tmp_path / "direct").symlink_to(tmp_path / "keep")
    for name in ("gone", "direct", "missing"):
        remove(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep"]
    assert tree(tmp_path / "keep") == {"x": b"1"}
