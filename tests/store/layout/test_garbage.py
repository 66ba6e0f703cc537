from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, DocumentError, StoreError
from modelpack.oci import Descriptor, Digest, Index
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store import BytesSource, LayoutStore
from tests.store.content import WEIGHTS, push_model
from tests.store.layout.places import blob, write_index


def test_all_that_an_entry_leads_to_is_needed(store: LayoutStore) -> None:
    model = push_model(store)
    inner = Index.build((push_model(store, b"part").descriptor,))
    outer = Index.build((inner.descriptor, model.descriptor))
    for document in (inner, outer):
        store.push(document.descriptor, BytesSource(document.raw))
    write_index(store, manifests=[outer.descriptor.to_json()])
    assert store.garbage() == ()
    write_index(store, manifests=[inner.descriptor.to_json()])
    lost = (outer.descriptor, model.descriptor, model.layers[0])
    assert {item.path for item in store.garbage()} == {blob(store, one.digest) for one in lost}


def test_pruning_removes_what_no_manifest_needs(store: LayoutStore) -> None:
    model, gone = push_model(store), push_model(store, b"gone")
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    store.tag(model.descriptor, "v1")
    store.delete(gone.descriptor)
    layer = gone.layers[0]
    (found,) = store.garbage()
    assert (found.path, found.size, found.kind) == (blob(store, layer.digest), layer.size, "unreachable")
    assert store.prune() == ()  # it is young
    assert store.prune(dry_run=True, grace=0) == (found,)
    assert store.exists(layer)
    assert store.prune(grace=0) == (found,)
    assert not store.exists(layer)
    for manifest in (model, signature):
        assert all(store.exists(part) for part in (manifest.descriptor, *manifest.blobs))
    assert store.prune(grace=0) == ()


def test_nameless_manifests_can_be_forgotten(store: LayoutStore) -> None:
    model, old = push_model(store), push_model(store, b"old")
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    countersigned = push_model(store, b"counter", signature.descriptor, "application/x-signature")
    orphan = push_model(store, b"orphan", old.descriptor, "application/x-signature")
    part = push_model(store, b"part")
    whole = Index.build((part.descriptor,))
    store.push(whole.descriptor, BytesSource(whole.raw))
    store.tag(model.descriptor, "v1")
    store.tag(whole.descriptor, "all")
    kept = (model, signature, countersigned, part)
    assert store.prune(grace=0) == ()
    lost = {item.path.name for item in store.prune(dry_run=True, grace=0, untagged=True)}
    assert lost == {
        document.digest.hex for document in (old.descriptor, old.layers[0], orphan.descriptor, orphan.layers[0])
    }
    assert {item.path.name for item in store.prune(grace=0, untagged=True)} == lost
    assert all(store.exists(blob_) for manifest in kept for blob_ in (manifest.descriptor, *manifest.blobs))
    assert len(store.referrers(model.descriptor)) == 1
    assert not store.exists(old.descriptor)
    assert store.tags() == ("all", "v1")


def test_unfinished_files_go_unless_somebody_writes_to_them(store: LayoutStore) -> None:
    left = store.path / "blobs" / "sha256" / ("0" * 64 + ".partial")
    left.write_bytes(b"half")
    abandoned = store.path / ".modelpack" / "incoming" / ("a" * 32)
    abandoned.write_bytes(b"a third")
    with store.incoming() as incoming:
        incoming.write(memoryview(b"coming"))
        found = store.garbage()
        assert {(item.path, item.kind) for item in found} == {
            (path, "unfinished") for path in (left, abandoned, incoming.path)
        }
        assert {item.path for item in store.prune(grace=0)} == {left, abandoned}
        incoming.commit(Digest.of(b"coming"))
    assert store.read(Descriptor.of(WEIGHTS, b"coming")) == b"coming"


def test_files_of_others_stay(store: LayoutStore, tmp_path: Path) -> None:
    other = LayoutStore(tmp_path / "other")
    theirs = other.push_bytes(WEIGHTS, b"theirs")
    (store.path / "blobs" / "sha512").symlink_to(other.path / "blobs" / "sha256")
    (store.path / "blobs" / "md5").mkdir()
    for name in ("README", "md5/" + "0" * 32, "sha256/notes.txt", "sha256/" + "A" * 64, "sha256/short.partial"):
        (store.path / "blobs" / name).touch()
    (store.path / ".modelpack" / "incoming" / "note").touch()
    (store.path / "blobs" / "sha256" / ("1" * 64)).mkdir()
    (store.path / "blobs" / "sha256" / ("2" * 64)).symlink_to(tmp_path)
    assert store.prune(grace=0) == ()
    assert other.exists(theirs)


def test_a_folder_that_leads_elsewhere_is_not_tidied(store: LayoutStore, tmp_path: Path) -> None:
    incoming = store.path / ".modelpack" / "incoming"
    incoming.rename(tmp_path / "precious")
    (tmp_path / "precious" / ("a" * 32)).touch()
    incoming.symlink_to(tmp_path / "precious")
    assert store.prune(grace=0) == ()
    assert (tmp_path / "precious" / ("a" * 32)).exists()


def test_a_damaged_manifest_stops_pruning(store: LayoutStore) -> None:
    model = push_model(store)
    lost = store.push_bytes(WEIGHTS, b"lost")
    path = blob(store, model.descriptor.digest)
    path.unlink()
    path.write_bytes(b"{}")
    with pytest.raises(DigestMismatch, match="damaged"):
        store.prune(grace=0)
    entry = {**model.descriptor.to_json(), "digest": str(store.push_bytes(WEIGHTS, b"[]").digest)}
    write_index(store, manifests=[entry])
    with pytest.raises(DocumentError):
        store.prune(grace=0)
    assert store.exists(lost)


def test_a_manifest_that_is_too_long_stops_pruning(store: LayoutStore) -> None:
    long = store.push_bytes(WEIGHTS, b"{" + b" " * (4 << 20) + b"}")
    write_index(store, manifests=[{**long.to_json(), "mediaType": OCI_INDEX}])
    with pytest.raises(DocumentError):
        store.garbage()


def test_absent_manifests_and_unknown_documents(store: LayoutStore) -> None:
    absent = Descriptor.of(OCI_INDEX, b"absent")
    layer = store.push_bytes(WEIGHTS, b"in an older kind of manifest")
    older = store.push_bytes(
        "application/vnd.oci.artifact.manifest.v1+json", json.dumps({"blobs": [layer.to_json()]}).encode()
    )
    opaque = store.push_bytes("application/x-opaque", b"no JSON")
    write_index(store, manifests=[entry.to_json() for entry in (absent, older, opaque)])
    assert store.garbage() == ()


def test_who_may_not_delete_is_told(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.push_bytes(WEIGHTS, b"lost")

    def unlink(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(StoreError, match="Permission denied"):
        store.prune(grace=0)


def test_what_vanishes_meanwhile_is_nobodys_concern(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = store.push_bytes(WEIGHTS, b"lost")
    found = store.garbage()
    blob(store, lost.digest).unlink()
    monkeypatch.setattr(store, "_sweepable", lambda *_: found)
    assert store.prune(grace=0) == ()


WRITER = """
import sys
from modelpack.store import LayoutStore
with LayoutStore(sys.argv[1]).incoming() as incoming:
    incoming.write(memoryview(b"coming"))
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_files_of_a_running_process_stay_and_those_of_a_killed_one_go(store: LayoutStore) -> None:
    command = [sys.executable, "-c", WRITER, str(store.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"ready\n"
        assert len(store.garbage()) == 1
        assert store.prune(grace=0) == ()
        writer.kill()
        writer.wait()
    assert len(store.prune(grace=0)) == 1
