from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.pack.files import Folder, IgnoreFile, Selection, walk

ALL = Selection()


def _paths(root: Path, selection: Selection = ALL, *, follow_links: bool = False) -> list[str]:
    return [found.path for found in Folder.at(root, follow_links=follow_links).files(selection)]


def _write(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    _write(folder / "config.json")
    _write(folder / "sub" / "weights.bin", "12345")
    return folder


def test_finds_files(root: Path) -> None:
    found = list(Folder.at(root).files(ALL))
    assert [(file.path, file.size, file.mode) for file in found] == [
        ("config.json", 1, 0o644),
        ("sub/weights.bin", 5, 0o644),
    ]
    assert found[0].file == root / "config.json"


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o600, 0o644), (0o664, 0o644), (0o700, 0o755), (0o711, 0o755), (0o645, 0o644)]
)
def test_modes_are_normal(root: Path, mode: int, expected: int) -> None:
    (root / "config.json").chmod(mode)
    assert next(Folder.at(root).files(ALL)).mode == expected


def test_notes_what_it_leaves_out(root: Path) -> None:
    _write(root / ".git" / "HEAD")
    _write(root / "sub" / "a.pyc")
    folder = Folder.at(root)
    assert [file.path for file in folder.files(Selection.of([], ["config.*"], IgnoreFile()))] == ["sub/weights.bin"]
    assert folder.skipped == [".git: hidden", "config.json: excluded", "sub/a.pyc: compiled Python"]


def test_follows_links_inside(root: Path) -> None:
    (root / "link.json").symlink_to("config.json")
    (root / "folder").symlink_to("sub")
    found = {file.path: file.file for file in Folder.at(root).files(ALL)}
    assert list(found) == ["config.json", "folder/weights.bin", "link.json", "sub/weights.bin"]
    assert found["folder/weights.bin"] == root / "sub" / "weights.bin"


def test_the_folder_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "alias").symlink_to(root)
    assert _paths(root.parent / "alias") == ["config.json", "sub/weights.bin"]


@pytest.mark.parametrize("target", ["../secret", "../other", "../other/file", "/etc/passwd"])
def test_refuses_links_that_escape(root: Path, target: str) -> None:
    _write(root.parent / "secret")
    _write(root.parent / "other" / "file")
    (root / "evil").symlink_to(target)
    with pytest.raises(InputError, match="'evil' is a link to") as caught:
        _paths(root)
    assert "exclude" in caught.value.hint
    if not target.startswith("/"):
        assert _paths(root, follow_links=True)


def test_a_link_that_is_excluded_may_lead_anywhere(root: Path) -> None:
    (root / "evil").symlink_to("/etc/passwd")
    assert _paths(root, Selection.of([], ["evil"], IgnoreFile())) == ["config.json", "sub/weights.bin"]


def test_a_neighbour_with_the_same_beginning_is_outside(root: Path) -> None:
    _write(root.parent / "model-secret" / "file")
    (root / "evil").symlink_to("../model-secret/file")
    with pytest.raises(InputError, match="outside"):
        _paths(root)


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("target", [".", "sub/..", "../model"])
def test_refuses_folders_that_contain_themselves(root: Path, target: str, follow_links: bool) -> None:
    (root / "loop").symlink_to(target)
    with pytest.raises(InputError, match="a link to a folder that it is in"):
        _paths(root, follow_links=follow_links)


@pytest.mark.parametrize("target", ["missing", "self"])
def test_refuses_links_that_lead_nowhere(root: Path, target: str) -> None:
    (root / "self").symlink_to(target)
    with pytest.raises(InputError, match="cannot read 'self'"):
        _paths(root)


def test_refuses_special_files(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(InputError, match=r"'pipe' in .* is a named pipe"):
        _paths(root)
    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        with pytest.raises(InputError, match=r"'socket' in .* is a socket"):
            _paths(root)


def test_refuses_devices_behind_links(root: Path) -> None:
    (root / "null").symlink_to("/dev/null")
    with pytest.raises(InputError, match="is a device"):
        _paths(root, follow_links=True)


@pytest.mark.parametrize("name", [b"a\nb", b"a\\b", b"\xff\xfe"])
def test_refuses_names_that_cannot_be_unpacked(root: Path, name: bytes) -> None:
    (root / os.fsdecode(name)).write_text("x")
    with pytest.raises(InputError, match="file name"):
        _paths(root)


def test_refuses_what_is_not_a_folder(root: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        Folder.at(root / "config.json")
    with pytest.raises(InputError, match="No such file"):
        Folder.at(root / "missing")


def test_limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_FILES", 1)
    with pytest.raises(InputError, match="more than 1 files"):
        _paths(root)
    monkeypatch.setattr(walk, "MAX_SEEN", 1)
    with pytest.raises(InputError, match="more than 1 names"):
        _paths(root)
    monkeypatch.setattr(walk, "MAX_DEPTH", 1)
    monkeypatch.setattr(walk, "MAX_SEEN", 100)
    with pytest.raises(InputError, match="nested deeper"):
        _paths(root)


def test_links_cannot_multiply_a_small_tree_without_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_SEEN", 2000)
    for level in range(20):
        folder = root / f"d{level}"
        folder.mkdir()
        for name in "ab":
            (folder / name).symlink_to(f"../d{level + 1}")
    (root / "d20").mkdir()
    with pytest.raises(InputError, match="more than 2000 names"):
        _paths(root)


def test_unreadable_folders_and_files_are_errors(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.iterdir

    def refuse(self: Path) -> object:
        if self.name == "sub":
            raise PermissionError(13, "Permission denied")
        return original(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"cannot read 'sub' in .*: Permission denied"):
        _paths(root)


def test_what_cannot_be_looked_at_is_no_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert not walk.is_folder(root)


def test_a_file_that_goes_away_is_an_error(root: Path) -> None:
    folder = Folder.at(root)
    real = folder.resolve("config.json")
    real.unlink()
    with pytest.raises(InputError, match=r"cannot read 'config.json'"):
        folder.found("config.json", real)


class TestHuggingFaceCache:
    @pytest.fixture
    def snapshot(self, tmp_path: Path) -> Path:
        repository = tmp_path / "hub" / "models--org--name"
        snapshot = repository / "snapshots" / ("0" * 40)
        _write(repository / "blobs" / "aaaa", "config")
        _write(repository / "blobs" / "bbbb", "weights")
        (snapshot / "sub").mkdir(parents=True)
        (snapshot / "config.json").symlink_to("../../blobs/aaaa")
        (snapshot / "sub" / "model.bin").symlink_to("../../../blobs/bbbb")
        return snapshot

    def test_finds_the_blobs(self, snapshot: Path) -> None:
        found = {file.path: file.file.name for file in Folder.at(snapshot).files(ALL)}
        assert found == {"config.json": "aaaa", "sub/model.bin": "bbbb"}

    def test_only_of_its_own_repository(self, snapshot: Path) -> None:
        other = _write(snapshot.parents[2] / "models--org--other" / "blobs" / "cccc")
        (snapshot / "evil").symlink_to(other)
        with pytest.raises(InputError, match="outside"):
            _paths(snapshot)

    def test_not_refs(self, snapshot: Path) -> None:
        _write(snapshot.parents[1] / "refs" / "main")
        (snapshot / "evil").symlink_to("../../refs/main")
        with pytest.raises(InputError, match="outside"):
            _paths(snapshot)

    def test_blobs_that_are_a_link_do_not_count(self, snapshot: Path) -> None:
        blobs = snapshot.parents[1] / "blobs"
        blobs.rename(snapshot.parents[3] / "elsewhere")
        blobs.symlink_to(snapshot.parents[3] / "elsewhere")
        with pytest.raises(InputError, match="outside"):
            _paths(snapshot)

    @pytest.mark.parametrize("rename", ["versions", "snapshots"])
    def test_other_folders_beside_blobs_are_not_caches(self, snapshot: Path, rename: str) -> None:
        repository = snapshot.parents[1]
        if rename == "versions":
            (repository / "snapshots").rename(repository / "versions")
            moved = repository / "versions" / snapshot.name
        else:
            repository.rename(repository.with_name("plain"))
            moved = repository.with_name("plain") / "snapshots" / snapshot.name
        with pytest.raises(InputError, match="outside"):
            _paths(moved)
