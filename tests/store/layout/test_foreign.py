"""What other people's layouts may be like."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from modelpack.errors import (
    DocumentError,
    InputError,
    InvalidReference,
    NotFound,
    StoreError,
    UnsafePath,
    UnsupportedFormat,
)
from modelpack.oci import MAX_DOCUMENT
from modelpack.store import BytesSource, LayoutStore
from tests.store.content import WEIGHTS, push_model
from tests.store.layout.places import blob, index, write_index

DATA = os.urandom(600_000)


def test_what_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        LayoutStore(tmp_path / "absent", create=False)
    with pytest.raises(InputError, match="no file oci-layout") as caught:
        LayoutStore(tmp_path, create=False)
    assert caught.value.hint
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"not empty \('holiday.jpg'"):
        LayoutStore(tmp_path)
    with pytest.raises(StoreError):
        LayoutStore(tmp_path / "holiday.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ('{"imageLayoutVersion":"2.0.0"}', UnsupportedFormat),
        ("{}", DocumentError),
        ("[]", DocumentError),
        ("{" * 100_000, DocumentError),
        ('{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"1.0.0"}', DocumentError),
    ],
)
def test_a_bad_marker(store: LayoutStore, marker: str, problem: type[Exception]) -> None:
    (store.path / "oci-layout").write_text(marker)
    with pytest.raises(problem):
        LayoutStore(store.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schemaVersion":1,"manifests":[]}',
        '{"schemaVersion":2,"manifests":{}}',
        '{"schemaVersion":2,"mediaType":"text/html","manifests":[]}',
        '{"schemaVersion":2,"manifests":[],"manifests":[]}',
        '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../etc/passwd","size":1}]}',
        '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:%s","size":-1}]}' % ("0" * 64),
        '{"schemaVersion":2,"manifests":[{"mediaType":1}]}',
        '{"schemaVersion":2,"manifests":[null]}',
        '{"schemaVersion":2,"manifests":[' + ",".join(["{}"] * 20_001) + "]}",
        '{"schemaVersion":2,"manifests":[],"x":"' + "x" * MAX_DOCUMENT + '"}',
    ],
)
def test_a_bad_index(store: LayoutStore, text: str) -> None:
    model = push_model(store)
    (store.path / "index.json").write_text(text)
    with pytest.raises(DocumentError):
        store.resolve("v1")
    with pytest.raises(DocumentError):
        store.tag(model.descriptor, "v1")
    assert (store.path / "index.json").read_text() == text


def test_an_absent_index(store: LayoutStore) -> None:
    (store.path / "index.json").unlink()
    with pytest.raises(NotFound, match=r"index\.json"):
        store.tags()


def test_links_instead_of_files_are_refused(store: LayoutStore, tmp_path: Path) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    (tmp_path / "elsewhere").write_bytes(b"weights")
    path = blob(store, descriptor.digest)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert not store.exists(descriptor)
    with pytest.raises(UnsafePath):
        store.read(descriptor)
    (store.path / "index.json").unlink()
    (store.path / "index.json").symlink_to("/dev/zero")
    with pytest.raises(UnsafePath):
        store.tags()


def test_devices_and_pipes_are_refused(store: LayoutStore) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    path.unlink()
    os.mkfifo(path)
    assert not store.exists(descriptor)
    with pytest.raises(UnsafePath, match="not a regular file"):
        store.read(descriptor)


def test_our_own_folder_must_not_lead_elsewhere(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    private = store.path / ".modelpack"
    private.rename(tmp_path / "aside")
    private.symlink_to(tmp_path / "precious")
    with pytest.raises(UnsafePath, match="symbolic link"):
        store.ingest(WEIGHTS, BytesSource(b"x"))
    with pytest.raises(UnsafePath, match="symbolic link"):
        push_model(store)
    assert list((tmp_path / "precious").iterdir()) == []


def test_ambiguous_names_of_other_tools(store: LayoutStore) -> None:
    named = [
        push_model(store, data).descriptor.annotated(**{"org.opencontainers.image.ref.name": "latest"}).to_json()
        for data in (b"1", b"2")
    ]
    write_index(store, manifests=named)
    with pytest.raises(InvalidReference, match="2 manifests are named 'latest'"):
        store.resolve("latest")
    write_index(store, manifests=named[:1] * 2)
    assert str(store.resolve("latest").digest) == named[0]["digest"]


def test_what_others_wrote_survives(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    theirs = {
        **model.descriptor.to_json(),
        "platform": {"os": "linux", "architecture": "arm64"},
        "annotations": {"org.opencontainers.image.ref.name": "theirs", "example": "kept"},
        "x": [1],
    }
    odd = {"mediaType": "application/x", "digest": "sha512:" + "0" * 128, "size": 5, "annotations": {"a b": "odd"}}
    write_index(store, manifests=[theirs, odd], annotations={"by": "them"}, extra=1.5)
    store.tag(other.descriptor, "ours")
    after = index(store)
    assert (after["annotations"], after["extra"]) == ({"by": "them"}, 1.5)
    manifests = after["manifests"]
    assert isinstance(manifests, list)
    assert manifests[:2] == [theirs, odd]
    store.tag(other.descriptor, "theirs")
    manifests = index(store)["manifests"]
    assert isinstance(manifests, list)
    assert {**theirs, "annotations": {"example": "kept"}} in manifests


def test_an_index_that_would_become_unreadable_is_not_written(store: LayoutStore) -> None:
    model = push_model(store)
    write_index(store, manifests=[], x="x" * (MAX_DOCUMENT - 150))
    before = (store.path / "index.json").read_bytes()
    with pytest.raises(StoreError, match="too long"):
        store.tag(model.descriptor, "v1")
    assert (store.path / "index.json").read_bytes() == before


def test_a_layout_on_a_read_only_disk_can_be_read(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    model = push_model(store)
    store.tag(model.descriptor, "v1")
    now, opened = time.time(), os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert LayoutStore(store.path).document(store.resolve("v1")).raw == model.raw
    assert store.exists(model.descriptor)
    assert store.prune(dry_run=True) == store.garbage() == ()
    with pytest.raises(StoreError, match="Read-only"):
        store.tag(model.descriptor, "v2")
