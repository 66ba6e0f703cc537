"""What is wrong with documents is found: by schemas, and where these are blind by our own rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelpack.attest import PROVENANCE, SVR, VSA, problems, statement
from modelpack.attest.expressions import is_listed, licenses_in
from modelpack.attest.statement import CYCLONEDX_BOM, SPDX_DOCUMENT
from modelpack.attest.validation.bom import is_purl
from modelpack.attest.validation.values import value_problem
from modelpack.oci import Digest, dumps
from tests.attest.samples import Sample

Change = Callable[[Any], object]


def found(data: bytes) -> list[str]:
    return [f"{problem.path}: {problem.reason}" for problem in problems(data)]


def model(document: Any) -> Any:
    return document["metadata"]["component"]


def put(*path: str | int, value: object) -> Change:
    def change(document: Any) -> None:
        *parents, last = path
        for step in parents:
            document = document[step]
        if value is ...:
            del document[last]
        else:
            document[last] = value

    return change


HERE = ("metadata", "component")
BOMS: list[tuple[Change, str]] = [
    # what the schema sees
    (put("version", value=0), "version: 0 is out of range"),
    (
        put("metadata", "timestamp", value="yesterday"),
        "metadata.timestamp: 'yesterday' is not a date and time of RFC 3339",
    ),
    (put(*HERE, "type", value="model"), "metadata.component.type: 'model' is none of application, framework"),
    (put(*HERE, "hashes", 0, "alg", value="sha256"), "metadata.component.hashes[0].alg: 'sha256' is none of MD5"),
    (put(*HERE, "licenses", value=[{"license": {"id": "apache-2.0"}}]), "license"),
    (put(*HERE, "externalReferences", 0, "url", value="a b"), "url: 'a b' is not of the form iri-reference"),
    (put("serialNumber", value="1"), "serialNumber: '1' does not have the form"),
    (put("extra", value=1), "extra: is not in the specification"),
    (put("components", value={}), "components: an array is required"),
    (put("components", 0, "name", value=...), "components[0].name: is missing"),
    (lambda d: d["dependencies"].append(d["dependencies"][0]), "dependencies: an entry stands twice"),
    # what it does not
    (put("specVersion", value="1.5"), "specVersion: 1.6 or 1.7 is required"),
    (put("$schema", value="http://cyclonedx.org/schema/bom-1.7.schema.json"), "$schema: it is not that of version 1.6"),
    (put("components", 0, "modelCard", value={}), "components[0].modelCard: only a machine-learning-model has one"),
    (put("components", 0, "data", value=[]), "components[0].data: only a component of type data has it"),
    (
        put(*HERE, "hashes", 0, "content", value="a" * 32),
        "metadata.component.hashes[0].content: SHA-256 has 64 hexadecimal",
    ),
    (put("components", 1, "bom-ref", value="model"), "components[1].bom-ref: 'model' stands twice"),
    (put("dependencies", 0, "ref", value="nobody"), "dependencies[0].ref: nothing has the bom-ref 'nobody'"),
    (
        put("dependencies", 0, "dependsOn", value=["nobody"]),
        "dependencies[0].dependsOn: nothing has the bom-ref 'nobody'",
    ),
    (put("compositions", 0, "assemblies", value=["nobody"]), "compositions[0].assemblies: nothing has"),
    (
        put(*HERE, "modelCard", "modelParameters", "datasets", 0, "ref", value="nobody"),
        "metadata.component.modelCard.modelParameters.datasets[0].ref: nothing has",
    ),
    (put(*HERE, "licenses", value=[{"expression": "MIT ANDD Apache-2.0"}]), "expression: 'ANDD' does not belong"),
    (put(*HERE, "purl", value="not a purl"), "metadata.component.purl: 'not a purl' is not a package URL"),
]


@pytest.mark.parametrize(("change", "expected"), BOMS, ids=[str(n) for n in range(len(BOMS))])
def test_cyclonedx(change: Change, expected: str, tiny: Sample) -> None:
    document = tiny.json("cyclonedx")
    change(document)
    reported = found(dumps(document))
    assert any(expected in line for line in reported), reported
    if expected.partition(":")[0] != "specVersion":
        assert found(statement(CYCLONEDX_BOM, document, Digest.of(b""))) == reported


def test_references_to_other_documents(tiny: Sample) -> None:
    document = tiny.json("cyclonedx")
    document["dependencies"][0]["dependsOn"].append("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#x")
    assert found(dumps(document)) == []


def first(document: Any, kind: str) -> Any:
    return next(node for node in document["@graph"] if node["type"] == kind)


def node(kind: str, key: str, value: object) -> Change:
    def change(document: Any) -> None:
        if value is ...:
            del first(document, kind)[key]
        else:
            first(document, kind)[key] = value

    return change


def drop(kind: str) -> Change:
    def change(document: Any) -> None:
        kept = [one for one in document["@graph"] if kind not in (one["type"], one.get("relationshipType"))]
        document["@graph"] = kept

    return change


AI = "ai_AIPackage"
DATA = "dataset_DatasetPackage"
SPDX: list[tuple[Change, str]] = [
    (put("@context", value="x"), "@context: https://spdx.org"),
    (put("@graph", value=[]), "@graph: a list of 1 to"),
    (put("@graph", value={}), "@graph: a list of 1 to"),
    (put("@graph", 1, value=3), "@graph[1]: an object is required"),
    (put("@graph", 1, "type", value="Element"), "@graph[1].type: 'Element' is no class"),
    (put("@graph", 1, "type", value=["x"]), "is no class"),
    (put("@graph", 1, "spdxId", value=...), "@graph[1].spdxId: is missing"),
    (put("@graph", 1, "nickname", value="x"), "@graph[1].nickname: is not in the specification"),
    (put("@graph", 1, "name", value=3), "@graph[1].name: a string is required"),
    (put("@graph", 0, "created", value=...), "@graph[0].created: is missing"),
    (put("@graph", 0, "created", value="2026-01-01T00:00:00.5Z"), "does not have the form"),
    (put("@graph", 0, "created", value="2026-13-01T00:00:00Z"), "is not a date and time"),
    (put("@graph", 0, "createdBy", value=[]), "@graph[0].createdBy: must not be empty"),
    (put("@graph", 0, "createdBy", value="x"), "@graph[0].createdBy: an array is required"),
    (put("@graph", 0, "specVersion", value="three"), "@graph[0].specVersion: 'three' does not have the form"),
    (node(AI, "software_primaryPurpose", "toy"), "software_primaryPurpose: 'toy' is not one of its values"),
    (node(AI, "software_downloadLocation", "no uri"), "software_downloadLocation: 'no uri' is not a URI"),
    (node(AI, "software_packageUrl", "pkg:"), "software_packageUrl: 'pkg:' is not"),
    (
        node(AI, "verifiedUsing", [{"type": "Hash", "algorithm": "sha256", "hashValue": "zz"}]),
        "hashValue: 64 lower-case",
    ),
    (node(AI, "verifiedUsing", [{"type": "DictionaryEntry", "key": "x"}]), "is no class that belongs here"),
    (node(AI, "ai_energyConsumption", {"type": "ai_EnergyConsumption", "x": 1}), "ai_energyConsumption.x: is not in"),
    *((node(AI, key, ...), f"{key}: the ai profile requires it") for key in ("suppliedBy", "releaseTime")),
    (node(AI, "software_packageVersion", ...), "software_packageVersion: the ai profile requires it"),
    (node(DATA, "originatedBy", ...), "originatedBy: the dataset profile requires it"),
    (node(DATA, "dataset_datasetType", ...), "dataset_datasetType: is missing"),
    (node(DATA, "dataset_datasetSize", -1), "dataset_datasetSize: at least 0 is required"),
    (node(DATA, "dataset_datasetSize", 1.5), "dataset_datasetSize: an integer is required"),
    (node(DATA, "dataset_datasetSize", True), "dataset_datasetSize: a number is required"),
    (node(DATA, "dataset_datasetSize", "many"), "dataset_datasetSize: a number is required"),
    (node("simplelicensing_LicenseExpression", "simplelicensing_licenseExpression", "MIT OR"), "ends early"),
    (node("Relationship", "to", ["urn:nobody"]), "nothing has the name 'urn:nobody'"),
    (node("SpdxDocument", "profileConformance", ["core"]), "the document does not claim the profile ai"),
    (put("@graph", 2, "spdxId", value="_:creation"), "'_:creation' stands twice"),
    (drop("SpdxDocument"), "one SpdxDocument is required, not 0"),
    (drop("hasConcludedLicense"), "one relationship hasConcludedLicense is required, not 0"),
]


@pytest.mark.parametrize(("change", "expected"), SPDX, ids=[str(n) for n in range(len(SPDX))])
def test_spdx(change: Change, expected: str, tiny: Sample) -> None:
    document = tiny.json("spdx")
    change(document)
    reported = found(dumps(document))
    assert any(expected in line for line in reported), reported
    assert found(statement(SPDX_DOCUMENT, document, Digest.of(b""))) == reported


def test_what_spdx_allows(tiny: Sample) -> None:
    document = tiny.json("spdx")
    package = first(document, AI)
    package["suppliedBy"] = "urn:elsewhere"
    energy = {"type": "ai_EnergyConsumptionDescription", "ai_energyQuantity": "1.5", "ai_energyUnit": "kilowattHour"}
    package["ai_energyConsumption"] = {"type": "ai_EnergyConsumption", "ai_trainingEnergyConsumption": [energy]}
    package["ai_useSensitivePersonalInformation"] = "noAssertion"
    first(document, "SpdxDocument")["import"] = [{"type": "ExternalMap", "externalSpdxId": "urn:elsewhere"}]
    first(document, "Relationship")["to"].append("https://spdx.org/rdf/3.0.1/terms/Core/NoneElement")
    snippet = {
        "type": "software_Snippet",
        "spdxId": "urn:s",
        "creationInfo": "_:creation",
        "software_snippetFromFile": first(document, "software_File")["spdxId"],
        "software_byteRange": {"type": "PositiveIntegerRange", "beginIntegerRange": 1, "endIntegerRange": 2},
    }
    document["@graph"].append(snippet)
    assert found(dumps(document)) == []
    snippet["software_byteRange"]["beginIntegerRange"] = 0
    assert found(dumps(document))[0].endswith("beginIntegerRange: at least 1 is required")
    energy["ai_energyQuantity"] = "nan"
    assert any("ai_energyQuantity: a number is required" in line for line in found(dumps(document)))
    package["isCustom"] = 1
    document["@graph"].append({"type": "Annotation", "spdxId": "urn:a", "creationInfo": "_:creation"})
    assert any("annotationType: is missing" in line for line in found(dumps(document)))


METADATA = ("predicate", "runDetails", "metadata")
STATEMENTS: list[tuple[str, Change, str]] = [
    ("provenance", put("subject", value=[]), "subject: must not be empty"),
    ("provenance", put("subject", 0, "digest", value={}), "subject[0].digest"),
    (
        "provenance",
        put("subject", 0, "digest", value={"sha256": "abc"}),
        "subject[0].digest.sha256: 'abc' does not have",
    ),
    ("provenance", put("predicateType", value=...), "predicateType: is missing"),
    ("provenance", put("predicate", value=[]), "predicate: an object is required"),
    (
        "provenance",
        put("predicate", "buildDefinition", "buildType", value="no uri"),
        "buildType: 'no uri' does not have",
    ),
    (
        "provenance",
        put("predicate", "buildDefinition", "externalParameters", value=...),
        "externalParameters: is missing",
    ),
    ("provenance", put("predicate", "buildDefinition", "resolvedDependencies", 0, value={"name": "x"}), "is missing"),
    ("provenance", put("predicate", "runDetails", "builder", value={}), "predicate.runDetails.builder.id: is missing"),
    ("provenance", put(*METADATA, "finishedOn", value="soon"), "finishedOn: 'soon' is not a date and time"),
    ("provenance", put(*METADATA, "finishedOn", value="2020-01-01T00:00:00Z"), "finishedOn: it is before startedOn"),
    (
        "vsa",
        put("predicate", "verificationResult", value="MAYBE"),
        "verificationResult: 'MAYBE' is none of PASSED, FAILED",
    ),
    ("vsa", put("predicate", "policy", value=...), "predicate.policy: is missing"),
    ("svr", put("predicate", "properties", value=[]), "predicate.properties: must not be empty"),
    ("svr", put("predicate", "verifier", "policies", value=...), "predicate.verifier.policies: is missing"),
]


@pytest.mark.parametrize(("name", "change", "expected"), STATEMENTS, ids=[str(n) for n in range(len(STATEMENTS))])
def test_statements(name: str, change: Change, expected: str, tiny: Sample) -> None:
    document = tiny.json(name)
    change(document)
    reported = found(dumps(document))
    assert any(expected in line for line in reported), reported


@pytest.mark.parametrize("kind", [PROVENANCE, VSA, SVR])
def test_an_empty_predicate(kind: str) -> None:
    assert len(found(statement(kind, {}, Digest.of(b"")))) >= 2
    assert found(statement("https://example.org/unknown", {}, Digest.of(b""))) == []


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[" * 99, b'{"a":1,"a":2}', b"\xff", b" " * ((32 << 20) + 1)])
def test_what_is_no_document(data: bytes) -> None:
    assert len(problems(data)) == 1


def test_there_is_an_end_to_it(tiny: Sample) -> None:
    document = tiny.json("spdx")
    document["@graph"] += [1] * 1000
    assert len(problems(dumps(document))) == 100


def test_flags() -> None:
    rule = {"kind": "flag"}
    assert (value_problem(True, rule), value_problem(1, rule)) == ("", "true or false is required")


def test_leap_seconds_are_times_too(tiny: Sample) -> None:
    document = tiny.json("provenance")
    document["predicate"]["runDetails"]["metadata"]["finishedOn"] = "2026-06-30T23:59:60Z"
    assert found(json.dumps(document).encode()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("MIT", {"MIT"}),
        ("MIT AND (Apache-2.0 OR LicenseRef-x.1)", {"MIT", "Apache-2.0", "LicenseRef-x.1"}),
        ("GPL-2.0-only WITH Classpath-exception-2.0", {"GPL-2.0-only"}),
        ("GPL-2.0-only WITH AdditionRef-mine", {"GPL-2.0-only"}),
        ("Apache-2.0+", {"Apache-2.0+"}),
        ("DocumentRef-a:LicenseRef-b", {"DocumentRef-a:LicenseRef-b"}),
        ("NOASSERTION", set()),
        (" NONE ", set()),
    ],
)
def test_expressions(text: str, names: set[str]) -> None:
    assert licenses_in(text) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends early"),
        ("MIT OR", "ends early"),
        ("OR MIT", "a licence is missing before OR"),
        ("MIT MIT", "does not belong"),
        ("mit", "neither an identifier"),
        ("(MIT", "not closed"),
        ("MIT)", "does not belong"),
        ("MIT WITH MIT-exception", "no licence exception"),
        ("(" * 40 + "MIT" + ")" * 40, "nested deeper"),
        ("MIT OR " * 1000, "characters"),
    ],
)
def test_broken_expressions(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        licenses_in(text)
    assert not is_listed(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("pkg:huggingface/acme/base@0123", True),
        ("pkg:oci/a@sha256%3Aabc?repository_url=r.example/a&tag=v1", True),
        ("pkg:pypi/x", True),
        ("pkg:golang/a/b@v1#sub/path", True),
        ("pkg:pypi", False),
        ("pypi/x@1", False),
        ("pkg:pypi/x y", False),
        ("pkg:pypi/x?=1", False),
    ],
)
def test_package_urls(text: str, good: bool) -> None:
    assert is_purl(text) == good
