"""What rarely happens: races that are lost, file systems that cannot, errors in the middle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, InputError, NotFound, Unavailable
from modelpack.oci import Digest, Kind
from modelpack.stage import Cache, Facts, Receipt, Request, collect, renew, rollback
from modelpack.stage.cache import atomic_write, boot, folders, leases, point
from modelpack.stage.snapshots import placing
from modelpack.store import MemoryStore
from modelpack.unpack import Selection
from tests.stage.models import content, staged
from tests.unpack.models import archive, model, raw, simple, tar_of


def refuse(*_: object, **__: object) -> None:
    raise OSError(13, "Permission denied")


def test_blobs_that_vanish_or_change(tmp_path: Path) -> None:
    digest = Digest.of(b"right")
    for executable in (False, True):
        assert not placing.place(tmp_path / "gone", tmp_path / "x", digest, executable=executable)
    (tmp_path / "blob").write_bytes(b"wrong")
    with pytest.raises(DigestMismatch, match="was changed on the disk"):
        placing.file_with(tmp_path / "blob", tmp_path / "x", digest, executable=True)
    assert not (tmp_path / "x").exists()
    (tmp_path / "blob").write_bytes(b"right")
    (tmp_path / "other").write_bytes(b"right")
    assert placing.share(tmp_path / "blob", tmp_path / "other") == tmp_path / "blob"


def test_errors_of_links_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blob").write_bytes(b"x")
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    for call in (
        lambda: placing.share(tmp_path / "blob", tmp_path / "y"),
        lambda: placing.place(tmp_path / "blob", tmp_path / "y", Digest.of(b"x"), executable=False),
    ):
        with pytest.raises(OSError, match="Input/output"):
            call()


def test_publishing_where_nothing_can_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = simple({"a": b"1"})
    root = staged(tmp_path, store, manifest).snapshot
    (root / "b").write_bytes(b"more")
    monkeypatch.setattr(placing, "exchange", lambda *_: False)
    staged(tmp_path, store, manifest)
    assert content(tmp_path / "current") == {"a": b"1"}
    assert list((tmp_path / ".modelpack" / "tmp").iterdir()) == []
    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        placing.publish(Cache(tmp_path), tmp_path / "tree", "0" * 64)


def test_failed_writes_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(InputError):
            atomic_write(cache, tmp_path / "x", b"1")
        with pytest.raises(InputError):
            point(cache, "current", "0" * 64)
    assert list((cache.private / "tmp").iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", refuse)
        with pytest.raises(InputError, match="cannot be renewed"):
            renew(cache, "pod")
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", refuse)
        with pytest.raises(InputError, match="cannot be looked at"):
            Facts.of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", refuse)
        with pytest.raises(InputError, match="cannot be used"):
            cache.check()


def test_a_node_that_does_not_say_when_it_was_booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert boot()
    for text in (None, "../..\n", "\xe9"):
        if text is not None:
            (tmp_path / "boot").write_text(text, encoding="utf-8")
        monkeypatch.setattr(folders, "_BOOT", tmp_path / "boot")
        assert not boot()
    store, manifest = simple({"a": b"1"})
    staged(tmp_path / "cache", store, manifest)
    assert content(tmp_path / "cache" / "current") == {"a": b"1"}


def test_alone_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    with pytest.raises(NotFound):
        staged(tmp_path, MemoryStore(), manifest, locks=False)
    assert list((tmp_path / ".modelpack" / "work").iterdir()) == []
    with pytest.raises(InputError, match="leaves no file"):
        staged(tmp_path, store, manifest, Request(selection=Selection(kinds=frozenset({Kind.DOC}))))


def test_single_archives_that_are_not_wanted_are_not_fetched(tmp_path: Path) -> None:
    store = MemoryStore()
    part = archive(store, tar_of({"x.py": b"x"}), path="x.py")
    from modelpack.oci.mediatypes import FILE_METADATA

    single = part.annotated(**{FILE_METADATA: '{"typeflag": 0}'})
    manifest = model(store, single, raw(store, "w.bin", b"w"))
    result = staged(tmp_path, store, manifest, Request(selection=Selection(include=("*.bin",))))
    assert (content(tmp_path / "current"), result.fetched) == ({"w.bin": b"w"}, 1)


def test_what_others_keep_changing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = simple({"a": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr(Receipt, "save", lambda *_: None)
        with pytest.raises(Unavailable, match="again and again"):
            staged(tmp_path, store, manifest)
    staged(tmp_path, store, manifest)
    receipt = tmp_path / "receipts" / f"{manifest.descriptor.digest.hex}.json"
    receipt.write_bytes(receipt.read_bytes().replace(b'"variant":""', b'"variant":"x"'))
    assert staged(tmp_path, store, manifest).reason == "its receipt is for something else"
    receipt.write_bytes(receipt.read_bytes().replace(b'"signers":[]', b'"signers":[' + b'"x",' * 1000 + b'"x"]'))
    assert staged(tmp_path, store, manifest).reason == "it has no valid receipt"


def test_going_back_to_what_was_cleared_away(tmp_path: Path) -> None:
    one, two = simple({"a": b"1"}), simple({"a": b"2"})
    first = staged(tmp_path, *one)
    staged(tmp_path, *two)
    (tmp_path / "receipts" / f"{first.digest.hex}.json").unlink()
    with pytest.raises(NotFound, match=r"not in .* any more"):
        rollback(Cache(tmp_path))
    assert content(tmp_path / "current") == {"a": b"2"}
    assert leases(Cache(tmp_path)) == ()
    assert collect(Cache(tmp_path), max_bytes=10, dry_run=True) == ()
