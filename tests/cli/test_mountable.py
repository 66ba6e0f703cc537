"""pack --mountable: the twin is an image to container tools, a model to us, and shares its blobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import modelpack as library
from modelpack.errors import InputError
from modelpack.oci import Codec, Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import IMAGE_CONFIG, IMAGE_LAYER, MODEL_MANIFEST, OCI_EMPTY, TITLE
from modelpack.pack import check_mountable, mountable
from modelpack.serve import Server
from modelpack.store import LayoutStore, MemoryStore
from modelpack.unpack import contents
from tests.cli.models import FILES, content, model
from tests.cli.program import modelpack


def document(store: Path, reference: str) -> Manifest:
    layout = LayoutStore(store)
    found = layout.document(layout.resolve(reference))
    assert isinstance(found, Manifest)
    return found


def test_the_twin_shares_all_blobs(folder: Path, reference: str, tmp_path: Path) -> None:
    ran = modelpack("pack", folder, "-t", reference, "--mountable").done()
    assert f"{reference}-image: sha256:" in ran.err
    one, twin = (document(tmp_path / "store", name) for name in (reference, f"{reference}-image"))
    assert [layer.digest for layer in twin.layers] == [layer.digest for layer in one.layers]
    assert {layer.media_type for layer in twin.layers} == {"application/vnd.oci.image.layer.v1.tar"}
    assert (twin.artifact_type, one.artifact_type) == (one.artifact_type, "application/vnd.cncf.model.manifest.v1+json")
    assert twin.config.media_type == "application/vnd.oci.image.config.v1+json"
    config = json.loads(LayoutStore(tmp_path / "store").read(twin.config, limit=1 << 20))
    assert config["rootfs"]["diff_ids"] == [str(layer.digest) for layer in one.layers]
    again = modelpack("pack", folder, "-t", reference, "--mountable", "-f", "json").done().json
    assert again["image"] == str(twin.descriptor.digest), "not the same every time"


@pytest.mark.parametrize("codec", ["tar", "tar+gzip", "tar+zstd"])
def test_we_read_the_twin_as_a_model(
    codec: str, folder: Path, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "")
    modelpack("key", "generate", "--out", tmp_path / "signer").done()
    modelpack("pack", folder, "-t", reference, "--mountable", "--layer", codec, "--bundle", "--push").done()
    twin = f"{reference}-image"
    modelpack("pull", twin, "-o", tmp_path / "x", "--key", tmp_path / "signer.pub").failed(1)
    modelpack("sign", twin, "--key", tmp_path / "signer.key").done()
    modelpack("pull", twin, "-o", tmp_path / "x", "--key", tmp_path / "signer.pub").done()
    assert content(tmp_path / "x") == content(folder)
    modelpack("stage", twin, "--to", tmp_path / "node", "--key", tmp_path / "signer.pub").done()
    assert content(tmp_path / "node" / "current") == content(folder)


def test_what_cannot_be_mounted_is_refused_before_it_is_read(folder: Path, reference: str, tmp_path: Path) -> None:
    options = ("pack", folder, "-t", reference, "--mountable")
    modelpack(*options, "--layer", "weight=raw").failed(2, "no archive")
    for number in range(130):
        (folder / f"{number}.json").write_text("{}")
    modelpack(*options).failed(2, "--bundle")
    modelpack(*options, "--bundle").done()
    (folder / "sub").mkdir()
    (folder / "sub" / "note.wh.txt").touch()
    layout = library.Layout(dict.fromkeys(library.Kind, Codec.TAR), bundle=True)
    check_mountable(library.prepare(folder, layout=layout).plan)
    plain = library.pack(model(tmp_path / "raw"), into=MemoryStore())
    with pytest.raises(InputError, match="cannot be mounted"):
        mountable(plain)


def test_a_name_that_would_delete_a_file(folder: Path, reference: str) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / ".wh.model").write_text("x")
    modelpack("pack", folder, "-t", reference, "--mountable", "--include", "sub/.wh.model").failed(2, "is deleted")


def test_layers_that_oras_pushed_as_files_stay_files(tmp_path: Path) -> None:
    layer = Descriptor(f"{IMAGE_LAYER}tar", Digest.of(b"x"), 1, {TITLE: "model.bin"})
    for config, is_file in ((OCI_EMPTY, True), (IMAGE_CONFIG, False)):
        config_of = Descriptor(config, Digest.of(b"{}"), 2)
        manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config_of, layers=(layer,))
        assert [entry.is_file for entry in contents(manifest)] == [is_file]


def test_container_tools_mount_it(folder: Path, tmp_path: Path) -> None:
    """buildah, with the library that podman and CRI-O use, pulls the twin from a registry and mounts it."""
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("needs buildah, and root for mounting")
    home = ["buildah", "--root", str(tmp_path / "st"), "--runroot", str(tmp_path / "rr"), "--storage-driver", "vfs"]

    def run(*arguments: str) -> str:
        done = subprocess.run([*home, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text("{}")  # buildah insists on one
    with Server(LayoutStore(tmp_path / "open")) as server:
        reference = f"{server.host}/ml/tiny:v1"
        modelpack("pack", folder, "-t", reference, "--push", "--mountable").done()
        container = run(
            "from", "--pull", "--tls-verify=false", "--signature-policy", str(policy), f"docker://{reference}-image"
        )
        try:
            found = content(Path(run("mount", container)))
            assert sorted(found) == FILES
            assert found == content(folder)
        finally:
            run("umount", container)
            run("rm", container)
