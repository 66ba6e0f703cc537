"""Other people's tools on our layouts, and we on theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelpack.oci import Manifest
from modelpack.store import LayoutStore
from tests.real.tools import run
from tests.store.content import push_model


@pytest.fixture
def model(store: LayoutStore) -> Manifest:
    manifest = push_model(store)
    store.tag(manifest.descriptor, "v1")
    return manifest


def test_skopeo_reads_and_writes(store: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    assert run("skopeo", "inspect", "--raw", f"oci:{store.path}:v1").stdout.encode() == model.raw
    run("skopeo", "copy", f"oci:{store.path}:v1", f"dir:{tmp_path / 'dir'}")
    assert (tmp_path / "dir" / "manifest.json").read_bytes() == model.raw
    assert (tmp_path / "dir" / model.layers[0].digest.hex).read_bytes() == b"weights"
    run("skopeo", "copy", f"oci:{store.path}:v1", f"oci:{tmp_path / 'theirs'}:copied")
    theirs = LayoutStore(tmp_path / "theirs", create=False)
    assert theirs.resolve("copied") == theirs.resolve("") == model.descriptor
    assert theirs.read(model.layers[0]) == b"weights"
    theirs.tag(model.descriptor, "ours")
    run("skopeo", "copy", f"oci:{store.path}:v1", f"oci:{tmp_path / 'theirs'}:again")
    assert theirs.tags() == ("again", "copied", "ours")
    assert theirs.garbage() == ()


def test_oras_reads_and_writes(store: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    assert run("oras", "manifest", "fetch", "--oci-layout", f"{store.path}:v1").stdout.encode() == model.raw
    run("oras", "cp", "--from-oci-layout", f"{store.path}:v1", "--to-oci-layout", f"{tmp_path / 'theirs'}:v2")
    theirs = LayoutStore(tmp_path / "theirs", create=False)
    assert theirs.resolve("v2") == model.descriptor
    assert theirs.read(model.layers[0]) == b"weights"
    run("oras", "tag", "--oci-layout", f"{store.path}:v1", "theirs")
    store.tag(model.descriptor, "ours")
    assert run("oras", "repo", "tags", "--oci-layout", store.path).stdout.split() == ["ours", "theirs", "v1"]


def test_attachments_of_oras_and_ours_are_the_same(store: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    ours = push_model(store, b"ours", model.descriptor, "application/x-ours")
    (tmp_path / "note.txt").write_text("theirs")
    reference = f"{store.path}@{model.descriptor.digest}"
    kind = "application/x-theirs"
    run("oras", "attach", "--oci-layout", "--artifact-type", kind, reference, "note.txt", cwd=tmp_path)
    found = {entry.artifact_type: entry for entry in store.referrers(model.descriptor)}
    assert set(found) == {"application/x-ours", kind}
    said = json.loads(run("oras", "discover", "--oci-layout", "--format", "json", reference).stdout)
    listed = said.get("referrers", said.get("manifests", []))
    assert {entry["digest"] for entry in listed} == {str(ours.descriptor.digest), str(found[kind].digest)}
    assert store.garbage() == ()
