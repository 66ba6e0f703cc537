"""diff and lineage, as people call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attest.samples import enrich
from tests.cli.models import model, safetensors
from tests.cli.program import modelpack


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing keys are not asked for on a terminal."""
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "x")


@pytest.fixture
def second(folder: Path, pushed: str, reference: str) -> str:
    """Another version, in the registry."""
    model(folder, rows=50)
    enrich(folder)
    (folder / "tokenizer.json").rename(folder / "tokens.json")
    other = reference.replace("v1", "v2")
    modelpack("pack", folder, "-t", other, "--push").done()
    assert pushed
    return other


def test_diff(pushed: str, reference: str, second: str) -> None:
    ran = modelpack("diff", reference, second, "--remote").done()
    assert ran.out.startswith(f"- {reference}  {pushed}\n+ {second}  sha256:")
    lines = [" ".join(line) for line in ran.lines]
    assert "tensor changed embeddings.weight F16 [100, 40] F16 [50, 40]" in lines
    assert "parameters changed 4,040 2,040" in lines
    assert any(line.startswith("file renamed tokens.json tokenizer.json sha256:") for line in lines)
    assert any(line.startswith("file added chat_template.jinja - sha256:") for line in lines)
    assert "made from added base model acme/base - 0123456789abcdef0123456789abcdef01234567 finetune" in lines
    assert ran.last.startswith("an update moves ")
    assert ran.last.endswith("3 others with 103 B stay")
    assert ran.err == ""


def test_diff_for_programs(pushed: str, reference: str, second: str) -> None:
    told = modelpack("diff", reference, second, "-f", "json").done().json
    assert (told["references"], told["same"], told["before"]) == ([reference, second], False, pushed)
    assert told["tensors"]["parameters"] == {"before": 4040, "after": 2040}
    assert told["transfer"]["sharedLayers"] == 3


def test_exit_codes_of_diff(reference: str, second: str) -> None:
    assert modelpack("diff", reference, reference, "--exit-code").done().out.startswith("the same: sha256:")
    assert modelpack("diff", reference, second, "--exit-code").code == 1
    modelpack("diff", reference, reference.replace("v1", "v3")).failed(5, "there is no v3 in")
    modelpack("diff", reference, "not a reference").failed(2)


def test_diff_says_who_signed(pushed: str, reference: str, registry: str) -> None:
    assert pushed
    modelpack("key", "generate", "-o", "signer").done()
    copy = f"{registry}/ml/copy:v1"
    modelpack("copy", reference, copy).done()
    modelpack("sign", copy, "--key", "signer.key").done()
    ran = modelpack("diff", reference, copy, "--key", "signer.pub", "--remote").done()
    # the embedded registry tells all repositories of one layout what is attached to a digest; cosign's tags are each one's own
    assert "signature (tag), verified, key " in ran.out
    assert "an update moves 0 B in 0 blobs" in ran.out
    assert "the same: " in modelpack("diff", reference, copy, "--remote", "--no-attached").done().out


def test_tensors_are_cut_off_in_tables_only(folder: Path, registry: str) -> None:
    first, second = (f"{registry}/ml/many:{name}" for name in ("v1", "v2"))
    modelpack("pack", folder, "-t", first, "--push").done()
    many: dict[str, tuple[str, tuple[int, ...]]] = {f"layer.{number}.weight": ("F32", (1,)) for number in range(60)}
    (folder / "model.safetensors").write_bytes(safetensors(many))
    modelpack("pack", folder, "-t", second, "--push").done()
    ran = modelpack("diff", first, second, "--no-attached").done()
    assert ran.out.count("\ntensor ") == 50
    assert ran.err == "12 more tensors differ: --format json lists all\n"
    assert modelpack("diff", first, second, "--no-attached", "-q").done().err == ""
    assert len(modelpack("diff", first, second, "-f", "json").done().json["tensors"]["changes"]) == 62


def test_diff_of_manifests_that_say_the_same(folder: Path) -> None:
    """The same layers in another order: nothing to list, and yet not the same."""
    from modelpack import LayoutStore
    from modelpack.oci import Manifest
    from modelpack.store import BytesSource

    modelpack("pack", folder, "-t", "oci:layout:v1").done()
    with LayoutStore(Path("layout")) as store:
        known = store.document(store.resolve("v1"))
        assert isinstance(known, Manifest)
        other = Manifest.build(
            artifact_type=known.artifact_type,
            config=known.config,
            layers=known.layers[::-1],
            annotations=known.annotations,
        )
        store.push(other.descriptor, BytesSource(other.raw))
        store.tag(other.descriptor, "v2")
    ran = modelpack("diff", "oci:layout:v1", "oci:layout:v2").done()
    assert "the manifests differ only in how they are written" in ran.err


def test_diff_of_weights_without_a_header(folder: Path, pushed: str, reference: str) -> None:
    assert pushed
    (folder / "model.safetensors").write_bytes(b"\xff" * 10)
    other = reference.replace("v1", "v2")
    modelpack("pack", folder, "-t", other, "--push").done()
    ran = modelpack("diff", reference, other).done()
    assert "model.safetensors: has no header that could be read" in ran.err


def test_diff_of_other_numbers(folder: Path, pushed: str, reference: str) -> None:
    assert pushed
    model(folder, fill=b"\x3d")
    modelpack("pack", folder, "-t", reference.replace("v1", "v2"), "--push").done()
    ran = modelpack("diff", reference, reference.replace("v1", "v2")).done()
    assert ["weights", "changed", "model.safetensors", "the", "same", "tensors", "other", "numbers"] in ran.lines
