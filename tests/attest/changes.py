"""One thing in a document is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.attest.samples import Sample

ZEROS = "0" * 64
Change = Callable[[Any, Sample], None]


def set_in(*path: str | int, value: object) -> Change:
    def change(document: Any, _: Sample) -> None:
        *parents, last = path
        for step in parents:
            document = document[step]
        document[last] = value

    return change


def bom_property(place: Callable[[Any], Any], name: str, value: str) -> Change:
    def change(document: Any, _: Sample) -> None:
        found = [item for item in place(document)["properties"] if item["name"] == f"modelpack:{name}"]
        assert found, name
        found[0]["value"] = value

    return change


def weights(document: Any) -> Any:
    return next(one for one in document["components"] if one["name"] == "model.safetensors")


def card(document: Any) -> Any:
    return document["metadata"]["component"]["modelCard"]


def model_of(document: Any) -> Any:
    return document["metadata"]["component"]


def drop_file(document: Any, _: Sample) -> None:
    document["components"] = [one for one in document["components"] if one["name"] != "config.json"]


def add_file(document: Any, _: Sample) -> None:
    document["components"].append({"type": "file", "name": "backdoor.py", "bom-ref": "x"})


def wrong_hash(document: Any, _: Sample) -> None:
    weights(document)["hashes"][0]["content"] = ZEROS


def wrong_sha512(document: Any, _: Sample) -> None:
    readme = next(one for one in document["components"] if one["name"] == "README.md")
    readme["hashes"][1]["content"] = ZEROS * 2


def other_manifest(document: Any, _: Sample) -> None:
    model_of(document)["hashes"][0]["content"] = ZEROS


def other_purl(document: Any, _: Sample) -> None:
    model_of(document)["purl"] = f"pkg:oci/sample@sha256%3A{ZEROS}"


def other_mime(document: Any, _: Sample) -> None:
    weights(document)["mime-type"] = "text/plain"


def node(document: Any, kind: str, name: str) -> Any:
    return next(one for one in document["@graph"] if one["type"] == kind and one.get("name") == name)


def link(document: Any, kind: str) -> Any:
    found = (one for one in document["@graph"] if one.get("relationshipType") == kind)
    return next(one for one in found if one["from"].endswith("#model"))


def spdx_model(key: str, value: object) -> Change:
    def change(document: Any, _: Sample) -> None:
        node(document, "ai_AIPackage", "sample")[key] = value

    return change


def spdx_file(key: str, value: object) -> Change:
    def change(document: Any, _: Sample) -> None:
        node(document, "software_File", "model.safetensors")[key] = value

    return change


def spdx_measure(key: str, value: str) -> Change:
    def change(document: Any, _: Sample) -> None:
        pairs = node(document, "ai_AIPackage", "sample")["ai_hyperparameter"]
        next(item for item in pairs if item["key"] == key)["value"] = value

    return change


def spdx_add_file(document: Any, _: Sample) -> None:
    document["@graph"].append({"type": "software_File", "spdxId": "urn:x", "name": "backdoor.py"})
    link(document, "contains")["to"].append("urn:x")


def spdx_drop_file(document: Any, _: Sample) -> None:
    link(document, "contains")["to"].pop()


def spdx_license(document: Any, _: Sample) -> None:
    name = link(document, "hasDeclaredLicense")["to"][0]
    for one in document["@graph"]:
        if one.get("spdxId") == name:
            one["simplelicensing_licenseExpression"] = "MIT"


def spdx_unlink(kind: str) -> Change:
    def change(document: Any, _: Sample) -> None:
        document["@graph"] = [one for one in document["@graph"] if one.get("relationshipType") != kind]

    return change


def dependency(name: str, key: str, value: object) -> Change:
    def change(document: Any, _: Sample) -> None:
        found = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        next(one for one in found if one["name"] == name)[key] = value

    return change


def scan_drop(document: Any, _: Sample) -> None:
    report = document["predicate"]
    report["files"] = [one for one in report["files"] if one["path"] != "model.safetensors"]


def scan_add(document: Any, _: Sample) -> None:
    document["predicate"]["files"].append({"path": "backdoor.py"})


def scan_hash(document: Any, _: Sample) -> None:
    for one in document["predicate"]["files"]:
        one["sha256"] = ZEROS
