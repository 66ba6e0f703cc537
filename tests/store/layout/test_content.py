"""Blobs in and out of a layout."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from modelpack.errors import (
    ContentError,
    DigestMismatch,
    NoSpace,
    NotFound,
    SizeMismatch,
    StoreError,
)
from modelpack.oci import Descriptor, Digest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store import BytesSource, FileSource, LayoutStore
from tests.store.content import WEIGHTS, Flaky, push_model
from tests.store.layout.places import blob, index, left_over

DATA = os.urandom(600_000)


def test_a_new_layout_is_what_the_specification_says(store: LayoutStore) -> None:
    assert json.loads((store.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert index(store) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert left_over(store) == []


def test_what_is_pushed_can_be_read(store: LayoutStore) -> None:
    descriptor = Descriptor.of(WEIGHTS, DATA)
    assert not store.exists(descriptor)
    store.push(descriptor, BytesSource(DATA))
    assert store.exists(descriptor)
    assert not store.exists(Descriptor(WEIGHTS, descriptor.digest, 3))
    assert store.read(descriptor) == DATA
    assert store.read_at(descriptor, len(DATA) - 2, 100) == DATA[-2:]
    with store.source(descriptor).source.open(599_990) as stream:  # type: ignore[attr-defined]
        assert stream.read() == DATA[-10:]


def test_blobs_are_read_only_for_everybody_whom_the_umask_lets_read(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"other weights")
    before = os.umask(0o022)
    try:
        pushed = store.push_bytes(WEIGHTS, DATA)
        ingested = store.ingest(WEIGHTS, FileSource.of(tmp_path / "weights"))
    finally:
        os.umask(before)
    assert [blob(store, one.digest).stat().st_mode & 0o777 for one in (pushed, ingested)] == [0o444, 0o444]


def test_sha512(store: LayoutStore) -> None:
    descriptor = Descriptor(WEIGHTS, Digest.of(DATA, "sha512"), len(DATA))
    store.push(descriptor, BytesSource(DATA))
    assert blob(store, descriptor.digest).parent.name == "sha512"
    assert store.read(descriptor) == DATA


def test_a_broken_push_is_resumed(store: LayoutStore) -> None:
    descriptor = Descriptor.of(WEIGHTS, DATA)
    source = Flaky(DATA, [1000])
    with pytest.raises(StoreError):
        store.push(descriptor, source)
    assert not store.exists(descriptor)
    store.push(descriptor, source)
    assert source.offsets == [0, 1000]
    assert store.read(descriptor) == DATA


def test_damage_is_noticed_and_healed_by_a_push(store: LayoutStore) -> None:
    descriptor = store.push_bytes(WEIGHTS, DATA)
    path = blob(store, descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(ContentError):
        store.read(descriptor)
    store.push(descriptor, BytesSource(DATA))
    assert store.read(descriptor) == DATA


@pytest.mark.parametrize("size", [0, 1, 600_000])
def test_ingesting_a_file(store: LayoutStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "weights"
    path.write_bytes(DATA[:size])
    descriptor = store.ingest(WEIGHTS, FileSource.of(path))
    assert descriptor == Descriptor.of(WEIGHTS, DATA[:size])
    path.write_bytes(b"changed")
    assert store.read(descriptor) == DATA[:size]
    assert left_over(store) == []


def test_a_failed_ingest_leaves_nothing(store: LayoutStore) -> None:
    with pytest.raises(StoreError):
        store.ingest(WEIGHTS, Flaky(DATA, [400_000]))
    assert left_over(store) == []
    assert list((store.path / "blobs" / "sha256").iterdir()) == []


def test_a_full_disk_while_ingesting(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(NoSpace):
        store.ingest(WEIGHTS, BytesSource(DATA))
    with pytest.raises(NoSpace):
        LayoutStore(store.path.parent / "other")
    assert left_over(store) == []


def reflink(file: int, request: int, argument: int) -> int:
    """What FICLONE does, on a file system that cannot."""
    assert request == 0x40049409
    os.pwrite(file, os.pread(argument, 1 << 30, 0), 0)
    return 0


def test_a_clone_is_hashed_and_not_the_original(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"as it was")
    source = FileSource.of(path)

    def clone(file: int, request: int, argument: int) -> int:
        reflink(file, request, argument)
        path.write_bytes(b"AS IT IS!")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    descriptor = store.ingest(WEIGHTS, source)
    assert descriptor == Descriptor.of(WEIGHTS, b"as it was")
    assert store.read(descriptor) == b"as it was"


def test_a_clone_of_another_length_is_noticed(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"as it was")
    source = FileSource.of(path)
    path.write_bytes(b"longer than it was")
    monkeypatch.setattr(fcntl, "ioctl", reflink)
    with pytest.raises(SizeMismatch, match="changed while it was read"):
        store.ingest(WEIGHTS, source)
    assert left_over(store) == []


def test_a_file_that_vanished_cannot_be_ingested(store: LayoutStore, tmp_path: Path) -> None:
    for linking in (store, LayoutStore(store.path, link=True)):
        with pytest.raises(NotFound):
            linking.ingest(WEIGHTS, FileSource(tmp_path / "absent", 3))
    assert left_over(store) == []


def test_links_share_the_file(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    path.chmod(0o644)
    (tmp_path / "alias").symlink_to(path)
    descriptor = store.ingest(WEIGHTS, FileSource.of(tmp_path / "alias"))
    assert blob(store, descriptor.digest).samefile(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert store.read(descriptor) == DATA
    path.write_bytes(DATA[::-1])
    with pytest.raises(DigestMismatch):
        store.read(descriptor)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_files_that_others_can_change_are_copied(tmp_path: Path, mode: int) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    path.chmod(mode)
    descriptor = store.ingest(WEIGHTS, FileSource.of(path))
    assert not blob(store, descriptor.digest).samefile(path)
    assert path.stat().st_nlink == 1
    assert store.read(descriptor) == DATA


def test_where_links_are_impossible_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    (tmp_path / "weights").write_bytes(DATA)

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", link)
    descriptor = store.ingest(WEIGHTS, FileSource.of(tmp_path / "weights"))
    assert store.read(descriptor) == DATA
    assert left_over(store) == []


def test_asking_makes_an_old_blob_young_and_changes_nothing_else(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    os.utime(path, (1, 1))
    before = path.stat()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    time.sleep(0.02)
    assert store.exists(descriptor)
    after = path.stat()
    assert (after.st_mtime, after.st_mode) == (before.st_mtime, before.st_mode)
    assert after.st_ctime_ns > before.st_ctime_ns


def test_an_old_blob_of_somebody_else_is_there_all_the_same(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)

    def utime(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", utime)
    assert store.exists(descriptor)

    def pruned(*_: object, **__: object) -> None:
        path.unlink()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "utime", pruned)
    assert not store.exists(descriptor)


def test_what_comes_in_without_a_digest(store: LayoutStore) -> None:
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA)[:1000])
        incoming.write(memoryview(DATA)[1000:])
        assert incoming.size == len(DATA)
        with pytest.raises(DigestMismatch):
            incoming.commit(Digest.of(b"other"))
        with pytest.raises(DigestMismatch):
            incoming.commit(Digest.of(b"other", "sha512"))
        incoming.commit(Digest.of(DATA, "sha512"))
    assert store.read(Descriptor(WEIGHTS, Digest.of(DATA, "sha512"), len(DATA))) == DATA
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA))
        incoming.commit(Digest.of(DATA))
    incoming.close()
    assert store.exists(Descriptor.of(WEIGHTS, DATA))
    assert left_over(store) == []


def test_what_is_not_committed_is_removed(store: LayoutStore) -> None:
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA))
        assert left_over(store) == [incoming.path]
    assert left_over(store) == []


def test_an_error_while_reading_is_ours(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")

    def replace(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.blob(descriptor.digest) as file:
        os.dup2(os.open(store.path, os.O_RDONLY), file.fileno())  # reading a folder fails as a broken disk does
        with pytest.raises(StoreError):
            file.readinto(memoryview(bytearray(10)))
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(StoreError, match="Input/output error"):
        push_model(store)
