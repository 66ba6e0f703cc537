"""diff and lineage, as people call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attest.samples import COMMIT, enrich
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


@pytest.fixture
def family(folder: Path, pushed: str, registry: str) -> dict[str, str]:
    """In the registry: a base, something tuned from it, and from that something quantized; and what may be of the base."""
    found = {"base": f"{registry}/ml/tiny@{pushed}"}
    card = folder / "README.md"
    plain = card.read_text()
    for name, made_from, relation in (
        ("tuned", found["base"], "finetune"),
        ("small", "", "quantized"),
        ("maybe", f"oci://{registry}/ml/tiny:v1", "adapter"),
        ("hub", f"https://huggingface.co/org/base/tree/{COMMIT}", "merge"),
    ):
        source = made_from or found["tuned"]
        card.write_text(plain.replace("language:", f"base_model: {source}\nbase_model_relation: {relation}\nlanguage:"))
        where = f"{registry}/ml/{name}"
        found[name] = f"{where}@{modelpack('pack', folder, '-t', f'{where}:v1', '--push').done().last}"
    return found


def test_lineage_of_ancestors(family: dict[str, str], registry: str) -> None:
    ran = modelpack("lineage", f"{registry}/ml/small:v1").done()
    assert [line.lstrip(" └─│").split("  ")[0] for line in ran.out.splitlines()[1:]] == [
        f"{registry}/ml/tuned",
        f"{registry}/ml/tiny",
    ]
    assert f"└── {registry}/ml/tuned  {family['tuned'].partition('@')[2][:19]}  (quantized, Apache-2.0)" in ran.out
    one = modelpack("lineage", f"{registry}/ml/small:v1", "--depth", "1").done()
    assert "deeper than was asked for" in one.out
    picture = modelpack("lineage", f"{registry}/ml/small:v1", "-f", "dot").done()
    assert picture.out.startswith("digraph lineage {\n")
    assert picture.out.count("->") == 2


def test_lineage_without_a_place_to_look(family: dict[str, str]) -> None:
    modelpack("lineage", family["base"], "--derived").failed(2, "say where to look", "--state FILE")
    modelpack("lineage", family["base"], "--derived", "--state", "none.db").failed(5, "there is no state file none.db")


def test_a_recall(family: dict[str, str], registry: str) -> None:
    places = [f"{registry}/ml/{name}" for name in ("tiny", "tuned", "small", "maybe", "hub")]
    look = [word for place in places for word in ("--in", place)]
    ran = modelpack("lineage", family["base"], "--derived", "--state", "audit.db", *look).done()
    rows = {line[0].partition("@")[0]: line[1:] for line in ran.lines[1:]}
    base = f"{registry}/ml/tiny@{family['base'].partition('@')[2][:19]}"
    assert rows == {
        f"{registry}/ml/tuned:v1": ["finetune", base, "README.md", "yes"],
        f"{registry}/ml/small:v1": ["quantized", f"{registry}/ml/tuned:v1", "README.md", "yes"],
        f"{registry}/ml/maybe:v1": ["adapter", f"{registry}/ml/tiny:v1", "README.md", "maybe"],
    }
    assert ran.err == f"3 artifacts made from {family['base']}, 1 of them maybe\n"
    # the state file remembers; no registry is asked
    again = modelpack("lineage", family["base"], "--derived", "--state", "audit.db", "-f", "json", "-q").done()
    assert again.err == ""
    assert [one["parent"] for one in again.json["derived"]] == [None, 0, None]
    for question in (f"hf:org/base@{COMMIT}", COMMIT, "hf:org/base", "org/base"):
        hub = modelpack("lineage", question, "--derived", "--state", "audit.db").done()
        assert hub.lines[1][1:] == ["merge", f"https://huggingface.co/org/base@{COMMIT[:12]}", "README.md", "yes"]
    picture = modelpack("lineage", family["base"], "--derived", "--state", "audit.db", "-f", "dot").done()
    assert picture.out.count("->") == 3
    short = modelpack("lineage", family["base"], "--derived", "--state", "audit.db", "--depth", "1").done()
    assert "and more than that" in short.err
    nothing = modelpack("lineage", "nobody", "--derived", "--state", "audit.db").done()
    assert (nothing.out, nothing.err) == ("", "0 artifacts made from nobody\n")


def test_ancestors_out_of_a_state(family: dict[str, str], registry: str) -> None:
    look = [word for name in ("tuned", "small") for word in ("--in", f"{registry}/ml/{name}")]
    ran = modelpack("lineage", f"{registry}/ml/small:v1", *look).done()
    assert [line.partition("── ")[2].split("  ")[0] for line in ran.out.splitlines()[1:]] == [
        f"{registry}/ml/tuned:v1",
        f"{registry}/ml/tiny",
    ]
    assert "(finetune, not in the state)" in ran.out
    told = modelpack("lineage", f"{registry}/ml/small:v1", *look, "-f", "json").done().json
    assert told["ancestors"][0]["ancestors"][0]["note"] == "not in the state"


def test_a_registry_that_does_not_answer_makes_a_recall_incomplete(family: dict[str, str], registry: str) -> None:
    look = ["--in", f"{registry}/ml/tuned", "--in", "127.0.0.1:1/ml/none"]
    ran = modelpack("lineage", family["base"], "--derived", *look, "--retries", "1")
    assert ran.code == 2
    assert f"{registry}/ml/tuned:v1" in ran.out
    assert "not everything could be looked at" in ran.err


def test_files_that_cannot_be_read_are_told(folder: Path, registry: str) -> None:
    """A card so large that it is not read whole: nobody knows what it says of its bases."""
    (folder / "README.md").write_bytes(b"---\nlicense: mit\n" + b"x" * (2 << 20))
    modelpack("pack", folder, "-t", f"{registry}/ml/large:v1", "--push").done()
    ran = modelpack("lineage", "nobody", "--derived", "--in", f"{registry}/ml/large")
    assert ran.err.splitlines()[-2:] == [
        "of 1 artifact it is not known, because files could not be read",
        "not everything could be looked at: modelpack audit says what, and why",
    ]
    assert ran.code == 2
