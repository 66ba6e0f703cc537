from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import DigestMismatch, InputError, NoSpace, NotFound
from modelpack.oci import Kind
from modelpack.stage import Arrangement, Cache, Depth, Form, Receipt, Request, rollback
from modelpack.store import Event, MemoryStore
from modelpack.unpack import Selection
from tests.stage.models import content, staged
from tests.stage.reader import Reader, as_text
from tests.unpack.models import archive, model, raw, simple, tar_of

FILES = {"config.json": b"{}", "model.safetensors": b"w" * 5000, "sub/deep/a.txt": b"a"}
CHANGED = "was changed, added or removed"
LOOPS = 1000


def test_a_model_is_staged_and_found(tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    first = staged(tmp_path, store, manifest)
    assert content(tmp_path / "current") == FILES
    assert (first.hit, first.fetched, first.size, first.files, first.swapped) == (False, 5003, 5003, 3, True)
    assert str((tmp_path / "current").readlink()) == f"snapshots/{manifest.descriptor.digest.hex}"
    second = staged(tmp_path, MemoryStore(), manifest)  # nothing is read: there is nothing to read from
    assert (second.hit, second.fetched, second.swapped, second.reason) == (True, 0, False, "")
    blob = tmp_path / "blobs" / "sha256" / manifest.layers[0].digest.hex
    assert blob.samefile(tmp_path / "current" / "config.json")
    assert blob.stat().st_mode & 0o777 == 0o444
    assert list((tmp_path / ".modelpack" / "work").iterdir()) == []
    assert list((tmp_path / "leases").iterdir()) == []


def test_what_two_versions_share_is_stored_and_fetched_once(tmp_path: Path) -> None:
    store = MemoryStore()
    shared = raw(store, "model.bin", b"w" * 9000)
    one, two = model(store, shared, raw(store, "a", b"1")), model(store, shared, raw(store, "b", b"22"))
    staged(tmp_path, store, one)
    again = staged(tmp_path, store, two)
    assert again.fetched == 2
    snapshots = tmp_path / "snapshots"
    first, second = (snapshots / each.descriptor.digest.hex / "model.bin" for each in (one, two))
    assert first.samefile(second)
    assert rollback(Cache(tmp_path)) == one.descriptor.digest.hex
    assert sorted(content(tmp_path / "current")) == ["a", "model.bin"]
    assert rollback(Cache(tmp_path)) == two.descriptor.digest.hex


def test_executables_and_twins(tmp_path: Path) -> None:
    store = MemoryStore()
    layers = [raw(store, "a", b"same"), raw(store, "b", b"same"), raw(store, "run", b"same", metadata='{"mode": 493}')]
    manifest = model(store, *layers)
    assert staged(tmp_path, store, manifest).fetched == 4
    assert (tmp_path / "current" / "run").stat().st_mode & 0o777 == 0o555
    assert (tmp_path / "current" / "a").samefile(tmp_path / "current" / "b")


def test_selections_have_snapshots_of_their_own(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = model(store, raw(store, "w.bin", b"w"), raw(store, "README.md", b"r", kind="doc"))
    part = staged(tmp_path, store, manifest, Request("part", Selection(include=("*.bin",))))
    docs = staged(tmp_path, store, manifest, Request("docs", Selection(kinds=frozenset({Kind.DOC}))))
    whole = staged(tmp_path, store, manifest)
    assert content(tmp_path / "part") == {"w.bin": b"w"}
    assert content(tmp_path / "docs") == {"README.md": b"r"}
    assert whole.fetched == 0
    assert not whole.hit
    assert len({part.snapshot, docs.snapshot, whole.snapshot}) == 3
    with pytest.raises(InputError, match="no file matches"):
        staged(tmp_path, store, manifest, Request("part", Selection(include=("*.gguf",))))


def test_the_cache_of_the_hub(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    store, manifest = simple(FILES)
    arrangement = Arrangement(Form.HF_CACHE, "ml/tiny")
    staged(tmp_path, store, manifest, Request(arrangement=arrangement))
    found = hub.snapshot_download("ml/tiny", cache_dir=tmp_path / "current", local_files_only=True)
    assert content(Path(found)) == FILES
    assert hub.try_to_load_from_cache("ml/tiny", "config.json", cache_dir=tmp_path / "current")
    assert staged(tmp_path, store, manifest, Request(arrangement=arrangement, depth=Depth.FULL)).hit
    for repo in ("", "tiny", "a/b/c", "../x", "a--b/c"):
        with pytest.raises(InputError, match="not a repository"):
            Arrangement(Form.HF_CACHE, repo)


def _append(root: Path) -> None:
    path = root / "model.safetensors"
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"x")


def _replace(root: Path) -> None:
    (root / "config.json").unlink()
    (root / "config.json").write_bytes(b"{}")


def _same_size(root: Path) -> None:
    path = root / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"x" * 5000)


def _add(root: Path) -> None:
    (root / "sitecustomize.py").write_bytes(b"import os")


def _remove(root: Path) -> None:
    (root / "sub" / "deep" / "a.txt").unlink()


def _link(root: Path) -> None:
    (root / "config.json").unlink()
    (root / "config.json").symlink_to("/etc/hostname")


def _open_up(root: Path) -> None:
    (root / "config.json").chmod(0o666)


def _open_folder(root: Path) -> None:
    (root / "sub").chmod(0o777)


DAMAGE = (_append, _replace, _same_size, _add, _remove, _link, _open_up, _open_folder)


@pytest.mark.parametrize("harm", DAMAGE)
def test_what_was_damaged_is_repaired_and_not_served(harm: Any, tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    root = staged(tmp_path, store, manifest).snapshot
    harm(root)
    repaired = staged(tmp_path, store, manifest)
    assert not repaired.hit
    assert repaired.reason
    assert content(tmp_path / "current") == FILES
    assert not (tmp_path / "current" / "config.json").is_symlink()
    assert staged(tmp_path, store, manifest, Request(depth=Depth.FULL)).hit


@pytest.mark.parametrize(("depth", "notices"), [(Depth.RECEIPT, False), (Depth.SAMPLE, True), (Depth.FULL, True)])
def test_bytes_that_changed_behind_the_file_systems_back(depth: Depth, notices: bool, tmp_path: Path) -> None:
    store, manifest = simple(FILES | {"large.bin": b"l" * (3 << 20)})
    staged(tmp_path, store, manifest)
    path = tmp_path / "current" / "large.bin"
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"!")
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = staged(tmp_path, store, manifest, Request(depth=depth))
    assert again.hit != notices
    assert again.fetched == (3 << 20 if notices else 0)
    assert (content(tmp_path / "current")["large.bin"] == b"l" * (3 << 20)) == notices


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"version": "2"}', None])
def test_a_damaged_receipt_is_no_receipt(text: bytes | None, tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    staged(tmp_path, store, manifest)
    receipt = tmp_path / "receipts" / f"{manifest.descriptor.digest.hex}.json"
    receipt.unlink()
    if text is not None:
        receipt.write_bytes(text)
    again = staged(tmp_path, MemoryStore(), manifest)  # the blobs are here, and are hashed again
    assert (again.hit, again.fetched, again.reason) == (False, 0, "it has no valid receipt")
    assert staged(tmp_path, MemoryStore(), manifest).hit


def test_a_receipt_that_others_can_write_or_that_lies_is_not_believed(tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    staged(tmp_path, store, manifest)
    key = manifest.descriptor.digest.hex
    receipt = tmp_path / "receipts" / f"{key}.json"
    receipt.chmod(0o666)
    assert not staged(tmp_path, store, manifest).hit
    evil = tmp_path / "current" / "config.json"
    evil.unlink()
    evil.write_bytes(b"{evil}")
    evil.chmod(0o444)
    good = Receipt.load(Cache(tmp_path), key)
    assert good
    status = evil.stat()
    text = receipt.read_bytes().replace(str(good.files[0].inode).encode() + b"}", str(status.st_ino).encode() + b"}", 1)
    text = text.replace(str(good.files[0].digest).encode(), b"sha256:" + b"0" * 64, 1)
    receipt.write_bytes(text)
    again = staged(tmp_path, store, manifest)
    assert "as the manifest has it" in again.reason
    assert content(tmp_path / "current") == FILES


def test_a_blob_that_is_damaged_or_wrong_is_fetched_again(tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    cache = Cache(tmp_path)
    cache.prepare()
    cache.blob(manifest.layers[1].digest).write_bytes(b"x" * 5000)
    assert staged(tmp_path, store, manifest).fetched == 5003
    assert content(tmp_path / "current") == FILES


def test_nothing_wrong_gets_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = simple(FILES)
    staged(tmp_path, store, manifest)
    bad = MemoryStore()
    two = model(bad, raw(bad, "config.json", b"{}"), raw(bad, "w", b"good"))
    real, wrong = bad._open, two.layers[1].digest
    monkeypatch.setattr(bad, "_open", lambda one, at: io.BytesIO(b"evil") if one.digest == wrong else real(one, at))
    with pytest.raises(DigestMismatch):
        staged(tmp_path, bad, two)
    assert content(tmp_path / "current") == FILES
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [manifest.descriptor.digest.hex]


def test_readers_of_the_name_never_see_a_mix(tmp_path: Path) -> None:
    store = MemoryStore()
    versions = [{name: f"{name}{number}".encode() for name in ("a", "b", "c")} for number in (1, 2)]
    manifests = [model(store, *(raw(store, name, data) for name, data in files.items())) for files in versions]
    for manifest in manifests:
        staged(tmp_path, store, manifest)
    reader = Reader(tmp_path / "current")
    for number in range(LOOPS):
        if number % 3 == 0:
            staged(tmp_path, store, manifests[number % 2])
        else:
            rollback(Cache(tmp_path))
    seen = reader.seen()
    assert set(seen) == {as_text(files) for files in versions}
    assert sum(seen.values()) > LOOPS


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.EMLINK])
def test_where_there_are_no_links_there_are_copies(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    store = MemoryStore()
    manifest = model(store, raw(store, "a", b"1" * 999), archive(store, tar_of({"b": b"2", "c": b"2"})))
    staged(tmp_path, store, manifest)
    assert content(tmp_path / "current") == {"a": b"1" * 999, "b": b"2", "c": b"2"}
    assert staged(tmp_path, MemoryStore(), manifest, Request(depth=Depth.FULL)).hit
    (tmp_path / "current" / "a").unlink()
    assert staged(tmp_path, store, manifest).fetched < 9999999
    assert content(tmp_path / "current")["a"] == b"1" * 999


def test_without_locks_many_at_once_are_still_right(tmp_path: Path) -> None:
    store, manifest = simple(FILES | {f"{n}.bin": bytes([n]) * 4000 for n in range(20)})
    failures: list[BaseException] = []

    def run() -> None:
        try:
            staged(tmp_path, store, manifest, locks=False)
        except Exception as error:  # noqa: BLE001  # shown below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert content(tmp_path / "current")["7.bin"] == b"\x07" * 4000
    assert staged(tmp_path, store, manifest, Request(depth=Depth.FULL)).hit
    assert list((tmp_path / ".modelpack" / "work").iterdir()) == []


def test_names_offline_and_clock(tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    for name in ("", "..", ".x", "blobs", "a/b", "x" * 101):
        with pytest.raises(InputError, match="cannot be a name"):
            staged(tmp_path, store, manifest, Request(name))
    with pytest.raises(NotFound, match="not staged here"):
        staged(tmp_path, store, manifest, Request(offline=True))
    with pytest.raises(InputError, match="clock"):
        staged(tmp_path, store, manifest, clock=lambda: 0.0)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="not a link of ours"):
        staged(tmp_path, store, manifest, Request("mine"))
    (tmp_path / "theirs").symlink_to("/etc")
    with pytest.raises(InputError, match="not to a snapshot"):
        staged(tmp_path, store, manifest, Request("theirs"))
    with pytest.raises(NotFound, match="nothing to go back to"):
        rollback(Cache(tmp_path))


def test_waiting_is_told_of(tmp_path: Path) -> None:
    from modelpack.stage.cache import locked

    store, manifest = simple(FILES)
    cache = Cache(tmp_path)
    cache.prepare()
    told = threading.Event()
    done: list[bool] = []

    def watch(event: Event) -> None:
        if event.action == "retry" and "waiting" in event.note:
            told.set()

    def run() -> None:
        done.append(staged(tmp_path, store, manifest, observe=watch).hit)

    with locked(cache, manifest.descriptor.digest.hex, lambda _: None):
        waiter = threading.Thread(target=run)
        waiter.start()
        assert told.wait(10)
        staged(tmp_path, store, manifest, locks=False)
    waiter.join()
    assert done == [True]


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = simple(FILES)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(NoSpace):
            staged(tmp_path, store, manifest)
    assert not (tmp_path / "current").exists()
    staged(tmp_path, store, manifest)
    assert content(tmp_path / "current") == FILES
