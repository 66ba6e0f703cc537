"""Other people's clients, and our own, at our registry."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modelpack.oci import Manifest
from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.real.certificates import Authority
from tests.real.tools import run
from tests.store.content import push_model

WEIGHTS = os.urandom(3 << 20)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "model.bin").write_bytes(WEIGHTS)
    (folder / "note.txt").write_text("a note")
    return folder


@pytest.fixture
def model(layout: LayoutStore) -> Manifest:
    manifest = push_model(layout, WEIGHTS)
    layout.tag(manifest.descriptor, "ml/x:v1")
    return manifest


def test_oras(server: Server, layout: LayoutStore, files: Path) -> None:
    place = f"{server.host}/ml/x"
    run("oras", "push", "--plain-http", f"{place}:v1,latest", "model.bin:application/x-weights", cwd=files)
    run("oras", "pull", "--plain-http", f"{place}:v1", "--output", files / "back")
    assert (files / "back" / "model.bin").read_bytes() == WEIGHTS
    run("oras", "attach", "--plain-http", "--artifact-type", "application/x-note", f"{place}:v1", "note.txt", cwd=files)
    assert run("oras", "repo", "tags", "--plain-http", place).stdout.split() == ["latest", "v1"]
    assert run("oras", "repo", "ls", "--plain-http", server.host).stdout.split() == ["ml/x"]
    said = json.loads(run("oras", "discover", "--plain-http", "--format", "json", f"{place}:v1").stdout)
    (entry,) = said.get("referrers", said.get("manifests", []))
    assert entry["artifactType"] == "application/x-note"
    assert layout.tags() == ("ml/x:latest", "ml/x:v1")  # no fallback tag: it saw that we list referrers
    run("oras", "manifest", "delete", "--plain-http", "--force", f"{place}@{entry['digest']}")
    assert layout.referrers(layout.resolve("ml/x:v1")) == ()
    run("oras", "blob", "fetch", "--plain-http", "--output", files / "blob", f"{place}@{_layer(layout)}")
    assert (files / "blob").read_bytes() == WEIGHTS


def _layer(layout: LayoutStore) -> str:
    document = layout.document(layout.resolve("ml/x:v1"))
    assert isinstance(document, Manifest)
    return str(document.layers[0].digest)


def test_oras_with_a_password_over_tls(layout: LayoutStore, authority: Authority, files: Path) -> None:
    tls = (authority.server, authority.server_key)
    with Server(layout, tls=tls, credentials={"robot": "s3cret"}) as server:
        login = ("--username", "robot", "--password", "s3cret", "--ca-file", authority.ca)
        run("oras", "push", *login, f"{server.host}/ml/x:v1", "model.bin", cwd=files)
        run("oras", "pull", *login, f"{server.host}/ml/x:v1", "--output", files / "back")
        wrong = ("--username", "robot", "--password", "other", "--ca-file", authority.ca)
        assert run("oras", "pull", *wrong, f"{server.host}/ml/x:v1", check=False).returncode
    assert (files / "back" / "model.bin").read_bytes() == WEIGHTS


def test_crane(server: Server, layout: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    place = f"{server.host}/ml/x"
    assert run("crane", "manifest", f"{place}:v1").stdout.encode() == model.raw
    assert run("crane", "digest", f"{place}:v1").stdout.strip() == str(model.descriptor.digest)
    run("crane", "copy", f"{place}:v1", f"{server.host}/other/y:v2")
    assert layout.resolve("other/y:v2") == model.descriptor
    assert run("crane", "catalog", server.host).stdout.split() == ["ml/x", "other/y"]
    run("crane", "tag", f"{place}:v1", "v3")
    assert run("crane", "ls", place).stdout.split() == ["v1", "v3"]
    run("crane", "delete", f"{place}:v3")
    assert run("crane", "ls", place).stdout.split() == ["v1"]
    run("crane", "pull", "--format", "oci", f"{place}:v1", tmp_path / "pulled")
    run("crane", "push", tmp_path / "pulled", f"{server.host}/third:v1")
    assert "third:v1" in layout.tags()
    assert run("crane", "validate", "--remote", f"{place}:v1", check=False).stderr.count("500") == 0


def test_crane_between_registries(server: Server, model: Manifest, tmp_path: Path) -> None:
    """Every byte travels, with chunks whose length is not announced."""
    other = LayoutStore(tmp_path / "other")
    with Server(other) as target:
        run("crane", "copy", f"{server.host}/ml/x:v1", f"{target.host}/ml/x:v1")
    assert other.read(model.layers[0], limit=len(WEIGHTS)) == WEIGHTS
    assert other.resolve("ml/x:v1") == model.descriptor
    assert other.garbage() == ()


def test_skopeo(server: Server, layout: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{server.host}/ml/x:v1", f"oci:{tmp_path / 'there'}:v1")
    there = LayoutStore(tmp_path / "there", create=False)
    assert there.read(model.layers[0], limit=len(WEIGHTS)) == WEIGHTS
    other = LayoutStore(tmp_path / "other")
    with Server(other) as target:
        run("skopeo", "copy", *plain, f"docker://{server.host}/ml/x:v1", f"docker://{target.host}/a/b:v9")
    assert other.resolve("a/b:v9") == model.descriptor
    said = run("skopeo", "list-tags", "--tls-verify=false", f"docker://{server.host}/ml/x").stdout
    assert json.loads(said)["Tags"] == ["v1"]


def test_cosign(server: Server, layout: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    place = f"{server.host}/ml/x@{model.descriptor.digest}"
    env = {"COSIGN_PASSWORD": ""}
    run("cosign", "generate-key-pair", cwd=tmp_path, env=env)
    offline = ("--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "-y")
    run("cosign", "sign", "--key", "cosign.key", *offline, place, cwd=tmp_path, env=env)
    check = ("--insecure-ignore-tlog=true", "--allow-http-registry")
    run("cosign", "verify", "--key", "cosign.pub", *check, place, cwd=tmp_path)
    (signature,) = layout.referrers(model.descriptor)
    assert signature.artifact_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert layout.tags() == ("ml/x:v1",)
    layout.delete(signature)
    assert run("cosign", "verify", "--key", "cosign.pub", *check, place, cwd=tmp_path, check=False).returncode


def test_notation(server: Server, layout: LayoutStore, model: Manifest, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    place = f"{server.host}/ml/x@{model.descriptor.digest}"
    run("notation", "cert", "generate-test", "--default", "tests.example", env=env)
    run("notation", "sign", "--insecure-registry", place, env=env)
    (signature,) = layout.referrers(model.descriptor)
    assert signature.artifact_type == "application/vnd.cncf.notary.signature"
    assert str(signature.digest) in run("notation", "list", "--insecure-registry", place, env=env).stdout
