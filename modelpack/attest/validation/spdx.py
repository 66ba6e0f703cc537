"""SPDX 3.0.1 in JSON-LD: the model's classes and properties, references, and what the AI and Dataset profiles require.

No validator of the SPDX project checks the last, and its JSON Schema is in no package; the table of classes is made from the
bindings that the project generates (see schemas/README.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from modelpack.attest.expressions import licenses_in
from modelpack.attest.validation.bom import is_purl
from modelpack.attest.validation.values import value_problem
from modelpack.attest.validation.walk import items, texts
from modelpack.errors import DocumentError
from modelpack.oci import JSON, JSONObject
from modelpack.oci.fields import member
from modelpack.oci.schema import schema_document

_NAME = "SPDX"
_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_MAX_NODES = 200_000
_HEX = {"sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "md5": 32, "blake3": 64}
_REQUIRED = {
    "ai_AIPackage": (
        "suppliedBy",
        "releaseTime",
        "software_downloadLocation",
        "software_packageVersion",
        "software_primaryPurpose",
    ),
    "dataset_DatasetPackage": (
        "originatedBy",
        "builtTime",
        "releaseTime",
        "software_downloadLocation",
        "software_primaryPurpose",
    ),
}
"""What the texts of the profiles require (SPDX 3.0.1, "AI" and "Dataset")."""


@cache
def _classes() -> dict[str, Any]:
    """Each class with the properties that it has from the classes above it."""
    classes: Any = schema_document("spdx-3.0.1.model.json")["classes"]
    merged: dict[str, Any] = {}
    for name, class_ in classes.items():
        line = [class_, *(classes[base] for base in class_["is"])]
        properties = {key: rule for one in reversed(line) for key, rule in one["properties"].items()}
        identified = any("id" in one for one in line)
        merged[name] = {**class_, "properties": properties, "identified": identified}
    return merged


def spdx_problems(value: JSONObject) -> Iterator[DocumentError]:
    """What is wrong with an SPDX document."""
    if value.get("@context") != _CONTEXT:
        yield DocumentError(_NAME, "@context", f"{_CONTEXT} is required")
    nodes = value.get("@graph")
    if not isinstance(nodes, list) or not nodes or len(nodes) > _MAX_NODES:
        yield DocumentError(_NAME, "@graph", f"a list of 1 to {_MAX_NODES} objects is required")
        return
    for index, node in enumerate(nodes):
        yield from _node(node, f"@graph[{index}]")
    good = [node for node in nodes if isinstance(node, dict)]
    yield from _references(good)
    yield from _profiles(good)


def _fault(path: str, reason: str) -> DocumentError:
    return DocumentError(_NAME, path, reason)


def _node(node: JSON, path: str, *, of: str = "") -> Iterator[DocumentError]:
    """One object, and those inside it."""
    if not isinstance(node, dict):
        yield _fault(path, "an object is required")
        return
    kind = node.get("type")
    class_ = _classes().get(kind) if isinstance(kind, str) else None
    if class_ is None or class_.get("abstract") or (of and of not in (kind, *class_["is"])):
        yield _fault(member(path, "type"), f"{str(kind)[:80]!a} is no class that belongs here")
        return
    name = "spdxId" if class_["identified"] else "@id"
    if name == "spdxId" and not isinstance(node.get("spdxId"), str):
        yield _fault(member(path, "spdxId"), "is missing")
    yield from _properties(node, path, class_["properties"], {"type", name})
    yield from _forms(node, path)


def _properties(node: JSONObject, path: str, rules: dict[str, Any], known: set[str]) -> Iterator[DocumentError]:
    for key in node:
        if key not in rules and key not in known:
            yield _fault(member(path, key), "is not in the specification")
    for key, rule in rules.items():
        place = member(path, key)
        if key not in node:
            if rule.get("min"):
                yield _fault(place, "is missing")
            continue
        value = node[key]
        if rule.get("many") and not isinstance(value, list):
            yield _fault(place, "an array is required")
            continue
        members = value if isinstance(value, list) and rule.get("many") else [value]
        if len(members) < rule.get("min", 0):
            yield _fault(place, "must not be empty")
        for number, one in enumerate(members):
            yield from _value(one, member(place, number) if rule.get("many") else place, rule)


def _value(value: JSON, path: str, rule: dict[str, Any]) -> Iterator[DocumentError]:
    if rule["kind"] == "object" and not isinstance(value, str):
        yield from _node(value, path, of=rule["of"])
    elif reason := value_problem(value, rule):
        yield _fault(path, reason)


def _forms(node: JSONObject, path: str) -> Iterator[DocumentError]:
    """What a text must look like, beyond being one."""
    algorithm, content = node.get("algorithm"), node.get("hashValue")
    if isinstance(algorithm, str) and isinstance(content, str):
        length = _HEX.get(algorithm, len(content))
        if not re.fullmatch(r"[0-9a-f]+", content) or len(content) != length:
            yield _fault(member(path, "hashValue"), f"{length} lower-case hexadecimal digits are required")
    for expression in texts(node.get("simplelicensing_licenseExpression")):
        try:
            licenses_in(expression)
        except ValueError as error:
            yield _fault(member(path, "simplelicensing_licenseExpression"), str(error))
    for purl in texts(node.get("software_packageUrl")):
        if not is_purl(purl):
            yield _fault(member(path, "software_packageUrl"), f"{purl[:80]!a} is not a package URL")


def _references(nodes: list[JSONObject]) -> Iterator[DocumentError]:
    """Each name once, and no name that nothing has, unless another document is said to have it."""
    known: set[str] = set()
    for index, node in enumerate(nodes):
        for name in (*texts(node.get("spdxId")), *texts(node.get("@id"))):
            if name in known:
                yield _fault(f"@graph[{index}]", f"{name[:120]!a} stands twice")
            known.add(name)
        known.update(name for item in items(node, "import") for name in texts(item.get("externalSpdxId")))
    for index, node in enumerate(nodes):
        rules = _classes().get(str(node.get("type")), {}).get("properties", {})
        for key, rule in rules.items():
            for name in texts(node.get(key)) if rule["kind"] == "object" else ():
                if name not in known and name not in rule.get("values", ()) and not name.startswith(_TERMS):
                    yield _fault(f"@graph[{index}].{key}", f"nothing has the name {name[:120]!a}")


_TERMS = "https://spdx.org/rdf/3.0.1/terms/"


def _profiles(nodes: list[JSONObject]) -> Iterator[DocumentError]:
    documents = [node for node in nodes if node.get("type") == "SpdxDocument"]
    if len(documents) != 1:
        yield _fault("@graph", f"one SpdxDocument is required, not {len(documents)}")
    profiles = {name for node in documents for name in texts(node.get("profileConformance"))}
    links = Counter((str(node.get("from")), str(node.get("relationshipType"))) for node in nodes)
    for kind, profile in (("ai_AIPackage", "ai"), ("dataset_DatasetPackage", "dataset")):
        packages = [(index, node) for index, node in enumerate(nodes) if node.get("type") == kind]
        if packages and profile not in profiles:
            yield _fault("@graph", f"there is a {kind}, but the document does not claim the profile {profile}")
        for index, node in packages:
            for key in _REQUIRED[kind]:
                if not node.get(key):
                    yield _fault(f"@graph[{index}].{key}", f"the {profile} profile requires it")
            yield from _licensed(links, index, node)


def _licensed(links: Counter[tuple[str, str]], index: int, node: JSONObject) -> Iterator[DocumentError]:
    for kind in ("hasDeclaredLicense", "hasConcludedLicense"):
        count = links[str(node.get("spdxId")), kind]
        if count != 1:
            yield _fault(f"@graph[{index}]", f"one relationship {kind} is required, not {count}")
