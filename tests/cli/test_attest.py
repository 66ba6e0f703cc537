"""attest, and verify --deep: what is said about a model, and whether it agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelpack as library
from tests.cli.models import model
from tests.cli.program import modelpack
from tests.real.tools import run

SCAN = "https://modelpack.dev/attestation/scan/v1"
TYPES = [
    "https://cyclonedx.org/bom",
    "https://spdx.dev/Document/v3",
    "https://slsa.dev/provenance/v1",
    SCAN,
]
PROVENANCE = """version: 1
build: {type: https://acme.example/buildtypes/finetune/v1, builder: https://acme.example/builders/cluster}
source: {uri: git+https://git.example/acme/train, commit: 0123456789abcdef0123456789abcdef01234567}
"""


@pytest.fixture
def attested(pushed: str, reference: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A signed and attested model's digest; ``signer.key`` and ``signer.pub`` are in the working folder."""
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    modelpack("key", "generate", "-o", "signer", "-q").done()
    modelpack("sign", reference, "--key", "signer.key", "-q").done()
    Path("prov.yaml").write_text(PROVENANCE)
    documents = ("--sbom", "cyclonedx", "--sbom", "spdx", "--provenance", "prov.yaml", "--scan", folder, "--tag")
    told = modelpack("attest", reference, "--key", "signer.key", *documents, "-f", "json").done().json
    assert [one["predicateType"] for one in told] == TYPES
    assert [one["document"] is not None for one in told] == [True, True, False, False]
    return pushed


def test_attestations_are_verified(attested: str, reference: str) -> None:
    told = modelpack("verify", reference, "--key", "signer.pub", "-f", "json").done().json
    found = {one["predicateType"] for one in told["signatures"] if one["kind"] == "attestation"}
    assert found == set(TYPES)
    assert {one["status"] for one in told["signatures"]} == {"verified"}


def test_a_policy_that_asks_for_them(attested: str, reference: str) -> None:
    policy = Path("policy.yaml")
    text = """version: 1
identities: {release: {key: {file: signer.pub}}}
rules:
- scope: '*'
  require:
    all:
    - signed: {by: release}
    - attested: {type: provenance, by: release, where: {runDetails.builder.id: "https://acme.example/builders/cluster"}}
    - attested: {type: cyclonedx, by: release}
    - attested: {type: SCAN, by: release, where: {verdict: clean}}
""".replace("SCAN", SCAN)
    policy.write_text(text)
    modelpack("verify", reference, "--policy", policy).done()
    policy.write_text(text.replace("builders/cluster", "builders/laptop"))
    ran = modelpack("verify", reference, "--policy", policy)
    assert ran.code == 1
    assert "whose runDetails.builder.id is 'https://acme.example/builders/laptop'" in ran.err
    policy.write_text(text.replace("cyclonedx", "openvex"))
    assert "an attestation of the type https://openvex.dev/ns" in modelpack("verify", reference, "--policy", policy).err


@pytest.mark.parametrize("layout", ["bundle", "tag"])
def test_cosign_accepts_each(attested: str, reference: str, layout: str) -> None:
    flags = (
        "--insecure-ignore-tlog=true",
        "--allow-http-registry",
        f"--new-bundle-format={str(layout == 'bundle').lower()}",
    )
    for kind in TYPES:
        run("cosign", "verify-attestation", "--key", "signer.pub", *flags, "--type", kind, reference)


def test_oras_shows_the_documents(attested: str, reference: str) -> None:
    shown = run("oras", "discover", "--plain-http", reference).stdout
    assert "application/vnd.cyclonedx+json" in shown
    assert "application/spdx+json" in shown
    assert all(kind in shown for kind in TYPES)


def test_all_that_is_said_agrees(attested: str, reference: str) -> None:
    ran = modelpack("verify", reference, "--key", "signer.pub", "--deep").done()
    assert ran.last == attested
    assert "10 documents, manifest, configuration and headers agree" in ran.err
    told = modelpack("verify", reference, "--key", "signer.pub", "--deep", "-f", "json").done().json["documents"]
    assert (len(told["compared"]), told["contradictions"], told["problems"]) == (10, [], [])


def test_another_models_document_is_found(attested: str, reference: str, registry: str, tmp_path: Path) -> None:
    other = model(tmp_path / "other", fill=b"\x01")
    modelpack("pack", other, "-t", f"{registry}/ml/other:v1", "--push").done()
    bill = modelpack("sbom", f"{registry}/ml/other:v1", "-q").done().out
    access = library.Access()
    from modelpack.attest import attach_document

    with access.open(reference) as store:
        attach_document(store, store.resolve("v1"), "application/vnd.cyclonedx+json", bill.encode())
    ran = modelpack("verify", reference, "--key", "signer.pub", "--deep")
    assert ran.code == 1
    assert "contradictions in what is said about it" in ran.err
    assert any(line[0].startswith("XC") for line in ran.lines if line)


def test_a_document_with_another_licence_is_found(attested: str, reference: str) -> None:
    bill = modelpack("sbom", reference, "-q").done().out.replace("Apache-2.0", "MIT")
    Path("bill.json").write_text(bill)
    ran = modelpack("attest", reference, "--key", "signer.key", "--type", "cyclonedx", "--predicate", "bill.json")
    ran.done()
    told = modelpack("verify", reference, "--key", "signer.pub", "--deep", "-f", "json")
    assert told.code == 1
    assert "XC25" in {one["code"] for one in told.json["documents"]["contradictions"]}


def test_twice_is_the_same_document(attested: str, reference: str) -> None:
    first = modelpack("attest", reference, "--key", "signer.key", "--sbom", "cyclonedx", "-f", "json").done().json
    again = modelpack("attest", reference, "--key", "signer.key", "--sbom", "cyclonedx", "-f", "json").done().json
    assert first[0]["document"] == again[0]["document"]
    assert json.dumps(again)


def test_a_long_provenance_is_read_whole(pushed: str, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a key file may have: what comes last counts as well."""
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    modelpack("key", "generate", "-o", "signer", "-q").done()
    entries = "".join(f"- {{uri: 'https://data.example/{number}', sha256: {'ab' * 32}}}\n" for number in range(900))
    Path("long.yaml").write_text(f"{PROVENANCE}datasets:\n{entries}")
    assert Path("long.yaml").stat().st_size > 64 << 10
    modelpack("attest", reference, "--key", "signer.key", "--provenance", "long.yaml").done()
    verified = library.verify(
        reference, policy=library.Attested(TYPES[2], library.PublicKey.load(Path("signer.pub").read_bytes()))
    )
    statement = verified.evidence.signatures[0].statement
    assert statement is not None
    assert b"https://data.example/899" in statement.raw


def test_lineage(registry: str, reference: str, folder: Path) -> None:
    base = modelpack("pack", folder, "-t", f"{registry}/base/tiny:v1", "--push").done().last
    card = folder / "README.md"
    names = f"[{registry}/base/tiny@{base}, org/elsewhere, 'other.example/x/y@{base}']"
    card.write_text(
        card.read_text().replace("language:", f"base_model: {names}\nbase_model_relation: finetune\nlanguage:")
    )
    modelpack("pack", folder, "-t", reference, "--push").done()
    ran = modelpack("lineage", reference).done()
    assert [line.partition("── ")[2].split()[0] for line in ran.out.splitlines()[1:]] == [
        f"{registry}/base/tiny",
        "https://huggingface.co/org/elsewhere",
        "other.example/x/y",
    ]
    assert "finetune" in ran.out
    assert "in another registry, which is not asked" in ran.out
    told = modelpack("lineage", reference, "-f", "json").done().json
    assert told["ancestors"][0]["digest"] == base


def test_a_training_script(reference: str, folder: Path, home: Path) -> None:
    """Pack, push, sign and record in one call each, as a pipeline does."""
    signer = library.PrivateKey.generate()
    with library.provenance("https://acme.example/buildtypes/train/v1") as run_:
        run_.uses("https://data.example/words.csv", role="dataset", sha256="ab" * 32)
    packed = library.pack(folder, provenance=run_)
    library.push(packed, reference, signer=signer)
    policy = library.AllOf(
        library.SignedBy(signer.public_key),
        library.Attested("https://slsa.dev/provenance/v1", signer.public_key),
    )
    verified = library.verify(reference, policy=policy)
    assert verified.descriptor.digest == packed.digest
    assert library.agreement(verified).contradictions == ()
    with pytest.raises(library.InputError, match="provenance that nobody signs"):
        library.push(packed, reference)


def test_the_wrong_way(pushed: str, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    modelpack("key", "generate", "-o", "signer", "-q").done()
    attest = ("attest", reference, "--key", "signer.key")
    modelpack(*attest).failed(2, "say what to attest", "--sbom cyclonedx")
    other = model(tmp_path / "other", fill=b"\x01")
    ran = modelpack(*attest, "--scan", other)
    ran.failed(2, "does not hold this model's files: 'model.safetensors' is not what was signed", "pull the model")
    modelpack(*attest, "--predicate", "x.json").failed(2, "--predicate and --type go together")
    modelpack(*attest, "--predicate", "x.json", "--type", "vsa").failed(2, "x.json cannot be read")
    modelpack(*attest, "--provenance", "none.yaml").failed(2, "none.yaml cannot be read")
    Path("long.yaml").write_text(PROVENANCE + "#" * (1 << 20))
    modelpack(*attest, "--provenance", "long.yaml").failed(2, "long.yaml is longer than the 1048576 bytes allowed")
    modelpack(*attest[:3], "-", "--sbom", "spdx", input="x" * (1 << 20) + "y").failed(2, "standard input is longer")
    with pytest.raises(library.InputError, match="no bill of materials"):
        library.attest_model(reference, library.PrivateKey.generate(), sboms=["swid"])
    modelpack("pack", other, "-t", f"{reference}-tar", "--layer", "tar", "--push").done()
    modelpack("attest", f"{reference}-tar", "--key", "signer.key", "--scan", other).failed(
        2, "does not list the model's files"
    )
    assert modelpack("tree", reference, "-f", "json").json["attached"] == []
