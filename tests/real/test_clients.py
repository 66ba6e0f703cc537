"""What we write is read by other people's clients, and what they write is read by us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.oci import Manifest
from modelpack.oci.mediatypes import MODEL_MANIFEST, OCI_EMPTY
from modelpack.store import BytesSource, LayoutStore, RegistryStore, copy
from modelpack.store.memory import MemoryStore
from tests.real.graphs import push_graph
from tests.real.registries import Registry
from tests.real.test_round_trips import connect
from tests.real.tools import run

SIGNATURE = "application/vnd.example.signature+json"
SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Pushed:
    """A model of ours in a repository of its own."""

    def __init__(self, registry: Registry) -> None:
        self.name = registry.repository("interop/tiny")
        self.store: RegistryStore = connect(registry, self.name)
        self.model = push_graph(self.store, self.name, large=300_000)
        self.store.tag(self.model.descriptor, "v1")
        self.reference = f"{self.name}:v1"
        self.pinned = f"{self.name}@{self.model.descriptor.digest}"


@pytest.fixture
def pushed(registry: Registry) -> Iterator[Pushed]:
    made = Pushed(registry)
    with made.store:
        yield made


def attach(pushed: Pushed, text: bytes = b"signed") -> Manifest:
    """Something of ours, attached to the model."""
    config, layer = pushed.store.push_bytes(OCI_EMPTY, b"{}"), pushed.store.push_bytes("text/plain", text)
    subject = pushed.model.descriptor.plain()
    manifest = Manifest.build(artifact_type=SIGNATURE, config=config, layers=(layer,), subject=subject)
    pushed.store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest


def test_oras_reads_our_manifest(pushed: Pushed) -> None:
    for reference in (pushed.reference, pushed.pinned):
        said = run("oras", "manifest", "fetch", "--plain-http", reference)
        assert said.stdout.encode() == pushed.model.raw
    described = json.loads(run("oras", "manifest", "fetch", "--plain-http", "--descriptor", pushed.reference).stdout)
    assert described["digest"] == str(pushed.model.descriptor.digest)
    assert run("oras", "repo", "tags", "--plain-http", pushed.name).stdout.split() == ["v1"]


def test_oras_pulls_our_files(pushed: Pushed, tmp_path: Path) -> None:
    run("oras", "pull", "--plain-http", "--output", tmp_path, pushed.reference)
    large = pushed.store.read(pushed.model.layers[1], limit=300_000)
    assert (tmp_path / "model.safetensors").read_bytes() == large
    assert (tmp_path / "空.txt").read_bytes() == b""


def test_oras_copies_our_model_into_a_layout(pushed: Pushed, tmp_path: Path) -> None:
    attach(pushed)
    layout = tmp_path / "layout"
    run("oras", "cp", "--from-plain-http", "--to-oci-layout", "--recursive", pushed.reference, f"{layout}:v1")
    with LayoutStore(layout) as store:
        assert store.document(store.resolve("v1")) == pushed.model
        assert len(store.referrers(pushed.model.descriptor, SIGNATURE)) == 1


def test_oras_discovers_what_we_attached(pushed: Pushed) -> None:
    ours = {str(attach(pushed, text).descriptor.digest) for text in (b"one", b"two")}
    said = run("oras", "discover", "--plain-http", "--format", "json", pushed.reference)
    document = json.loads(said.stdout)
    found = document.get("referrers", document.get("manifests"))
    assert {entry["digest"] for entry in found} == ours
    assert {entry["artifactType"] for entry in found} == {SIGNATURE}


def test_we_find_what_oras_attached_beside_our_own(pushed: Pushed, tmp_path: Path) -> None:
    ours = attach(pushed)
    (tmp_path / "sbom.json").write_text("{}")
    kind = "application/vnd.example.sbom"
    run("oras", "attach", "--plain-http", "--artifact-type", kind, pushed.reference, "sbom.json", cwd=tmp_path)
    again = attach(pushed, b"later")
    (theirs,) = pushed.store.referrers(pushed.model.descriptor, kind)
    everything = {entry.digest for entry in pushed.store.referrers(pushed.model.descriptor)}
    assert everything == {ours.descriptor.digest, theirs.digest, again.descriptor.digest}
    document = pushed.store.document(theirs)
    assert isinstance(document, Manifest)
    assert document.subject is not None
    assert document.subject.digest == pushed.model.descriptor.digest
    assert pushed.store.read(document.layers[0]) == b"{}"


def test_we_read_what_oras_pushed(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"weights")
    name = registry.repository("interop/oras")
    run("oras", "push", "--plain-http", "--artifact-type", MODEL_MANIFEST, f"{name}:v1", "weights.bin", cwd=tmp_path)
    back = MemoryStore()
    with connect(registry, name) as store:
        copy(store, store.resolve("v1"), back, names=("v1",))
    document = back.document(back.resolve("v1"))
    assert isinstance(document, Manifest)
    assert document.is_model
    assert back.read(document.layers[0]) == b"weights"


def test_crane_reads_our_model(pushed: Pushed) -> None:
    assert run("crane", "manifest", "--insecure", pushed.reference).stdout.encode() == pushed.model.raw
    assert run("crane", "digest", "--insecure", pushed.reference).stdout.strip() == str(pushed.model.descriptor.digest)
    layer = pushed.model.layers[-1]
    said = run("crane", "blob", "--insecure", f"{pushed.name}@{layer.digest}")
    assert said.stdout.encode() == pushed.store.read(layer)
    assert run("crane", "ls", "--insecure", pushed.name).stdout.split() == ["v1"]


def test_crane_copies_our_model(pushed: Pushed, registry: Registry) -> None:
    name = registry.repository("interop/crane")
    run("crane", "copy", "--insecure", pushed.reference, f"{name}:v2")
    with connect(registry, name) as store:
        assert store.document(store.resolve("v2")) == pushed.model
        assert all(store.exists(blob) for blob in pushed.model.blobs)


def test_skopeo_copies_our_model(pushed: Pushed, registry: Registry, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    name = registry.repository("interop/skopeo")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "--policy", policy, "copy", *plain, f"docker://{pushed.reference}", f"docker://{name}:v3")
    with connect(registry, name) as store:
        assert store.document(store.resolve("v3")) == pushed.model
    layout = tmp_path / "layout"
    run("skopeo", "--policy", policy, "copy", *plain, f"docker://{pushed.reference}", f"oci:{layout}:v1")
    with LayoutStore(layout) as local:
        assert local.document(local.resolve("v1")) == pushed.model


def test_we_find_what_cosign_signed(pushed: Pushed, tmp_path: Path) -> None:
    ours = attach(pushed)
    quiet = {"COSIGN_PASSWORD": "", "HOME": str(tmp_path)}
    run("cosign", "generate-key-pair", cwd=tmp_path, env=quiet)
    offline = ("--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "--yes")
    run("cosign", "sign", "--key", "cosign.key", *offline, pushed.pinned, cwd=tmp_path, env=quiet)
    checked = ("--insecure-ignore-tlog=true", "--allow-http-registry")
    run("cosign", "verify", "--key", "cosign.pub", *checked, pushed.pinned, cwd=tmp_path, env=quiet)
    found = {entry.digest for entry in pushed.store.referrers(pushed.model.descriptor)}
    assert ours.descriptor.digest in found
    (theirs,) = pushed.store.referrers(pushed.model.descriptor, SIGSTORE)
    document = pushed.store.document(theirs)
    assert isinstance(document, Manifest)
    assert json.loads(pushed.store.read(document.layers[0]))["mediaType"] == SIGSTORE
