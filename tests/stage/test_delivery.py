from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

import modelpack
from modelpack import Packed
from modelpack.errors import DigestMismatch, InputError
from modelpack.oci import Kind
from modelpack.paths import MARKER
from modelpack.stage import deliver
from modelpack.stage.delivery import _WORK
from modelpack.store import Event
from modelpack.unpack import Selection, Unpacked
from tests.stage.models import content


def packed(folder: Path, text: str = "{}") -> Packed:
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(text)
    (folder / "sub" / "model.bin").write_bytes(b"w" * 1000)
    return modelpack.pack(folder, name="m")


def put(model: Packed, folder: Path, **options: object) -> Unpacked:
    return deliver(model.store, model.manifest, folder, **options)  # type: ignore[arg-type]  # as the test wants


def files(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in content(folder).items() if path != MARKER}


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> Packed:
    return packed(tmp_path / "model")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    return tmp_path / "volume"


def test_the_folder_stays_and_nothing_is_left_beside_the_files(model: Packed, folder: Path, tmp_path: Path) -> None:
    before = folder.stat().st_ino
    done = put(model, folder)
    assert (done.path, done.unchanged) == (folder, False)
    assert files(folder) == content(tmp_path / "model")
    assert folder.stat().st_ino == before
    assert sorted(path.name for path in folder.iterdir()) == [MARKER, "config.json", "lost+found", "sub"]
    inodes = {path: path.stat().st_ino for path in folder.rglob("*")}
    again = put(model, folder)
    assert (again.unchanged, again.files) == (True, done.files)
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == inodes


def test_a_missing_folder_is_made(model: Packed, tmp_path: Path) -> None:
    assert put(model, tmp_path / "a" / "b").files == ("config.json", "sub/model.bin")


def test_another_version_replaces_what_is_ours(model: Packed, folder: Path, tmp_path: Path) -> None:
    put(model, folder)
    kept = (folder / "sub" / "model.bin").stat().st_mtime_ns
    next_one = packed(tmp_path / "next", "[1]")
    put(next_one, folder)
    assert files(folder) == content(tmp_path / "next")
    assert (folder / "sub" / "model.bin").stat().st_mtime_ns == kept, "it was fetched again"
    put(model, folder, selection=Selection(kinds=frozenset({Kind.CONFIG})))
    assert "config.json" in files(folder)


def test_what_is_not_ours_is_in_the_way(model: Packed, folder: Path) -> None:
    (folder / "mine").touch()
    with pytest.raises(InputError, match="is not empty"):
        put(model, folder)
    (folder / "mine").unlink()
    put(model, folder)
    (folder / "mine").touch()
    with pytest.raises(InputError, match="holds 'mine'"):
        put(model, folder)
    (folder / "mine").unlink()
    (folder / "sub" / "mine").touch()
    put(packed(folder.parent / "next", "[2]"), folder)
    assert (folder / "sub" / "mine").exists()


def test_a_file_that_was_changed_is_refused(model: Packed, folder: Path) -> None:
    put(model, folder)
    (folder / "config.json").chmod(0o644)
    (folder / "config.json").write_text("other")
    with pytest.raises(InputError, match="not as they were unpacked"):
        put(model, folder)


def test_links_lead_nowhere(model: Packed, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / _WORK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="not a folder of ours"):
        put(model, folder)
    (folder / _WORK).unlink()
    (folder / _WORK).touch()
    with pytest.raises(InputError, match="not a folder of ours"):
        put(model, folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("at", range(3))
def test_a_run_that_is_cut_off_between_two_renames_is_gone_on_with(
    at: int, model: Packed, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = Path.rename, iter(range(100))

    def rename(self: Path, target: Path) -> Path:
        if Path(target).parent == folder and next(count) == at:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        put(model, folder)
    monkeypatch.undo()
    assert not (folder / MARKER).exists(), "the record says that all is there"
    fetched: list[Event] = []
    put(model, folder, observe=fetched.append)
    assert files(folder) == content(tmp_path / "model")
    assert not (folder / _WORK).exists()
    assert [event.name for event in fetched if event.action == "bytes"] == [], "fetched again"


def test_what_fails_shows_nothing(model: Packed, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model" / "sub" / "model.bin").write_bytes(b"x" * 1000)  # the store refers to it
    with pytest.raises(DigestMismatch):
        put(model, folder)
    assert sorted(path.name for path in folder.iterdir()) == [_WORK, "lost+found"]


def test_two_runs_wait_for_each_other(model: Packed, folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waiting = threading.Event()
    seen: list[Unpacked] = []

    def observe(event: Event) -> None:
        if event.action == "retry":
            waiting.set()

    thread = threading.Thread(target=lambda: seen.append(put(model, folder, observe=observe)))
    thread.start()
    assert waiting.wait(10)
    assert not seen
    os.close(handle)
    thread.join(10)
    assert seen[0].files


def test_without_locks_it_works_too(model: Packed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, operation: int) -> None:
        if folder.samefile(f"/proc/self/fd/{handle}"):
            raise OSError(38, "not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert put(model, folder).files
