"""What an SPDX 3 document claims, ours or another tool's."""

from __future__ import annotations

import re
from urllib.parse import unquote

from modelpack.attest.crosscheck.claims import Claims, FileClaim, OriginClaim
from modelpack.attest.validation.walk import items, texts
from modelpack.oci import JSONObject

_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})")
_MEASURES = ("config.", "tensors.")
_TEMPLATE = "chat-template "


def spdx_claims(value: JSONObject) -> Claims:
    """Read one; what is of the wrong type counts as not said."""
    graph = _Graph(items(value, "@graph"))
    model = graph.model()
    name = _text(model, "spdxId")
    contained, complete = graph.related(name, "contains")
    files = [node for node in contained if node.get("type") == "software_File"]
    pairs = {_text(item, "key"): _text(item, "value") for item in items(model, "ai_hyperparameter")}
    return Claims(
        "SPDX",
        40,
        subjects=_subjects(model),
        files=tuple(_file(node) for node in files),
        complete=complete,
        license=_license(graph.related(name, "hasDeclaredLicense")[0]),
        base_models=tuple(map(_origin, graph.related(name, "descendantOf")[0])),
        datasets=tuple(map(_origin, graph.related(name, "trainedOn")[0])),
        name=_text(model, "name"),
        version=_text(model, "software_packageVersion"),
        measures={key: text for key, text in pairs.items() if key.startswith(_MEASURES)},
        templates={key.removeprefix(_TEMPLATE): text for key, text in pairs.items() if key.startswith(_TEMPLATE)},
    )


class _Graph:
    def __init__(self, nodes: list[JSONObject]) -> None:
        self.nodes = nodes
        self.by_name = {_text(node, "spdxId"): node for node in nodes if _text(node, "spdxId")}

    def model(self) -> JSONObject:
        """The package that the bill is about: the root of the SBOM, else the first AI package."""
        roots = (name for node in self.nodes if node.get("type") == "software_Sbom" for name in _names(node))
        found = [self.by_name[name] for name in roots if name in self.by_name]
        packages = [node for node in (*found, *self.nodes) if node.get("type") == "ai_AIPackage"]
        return packages[0] if packages else {}

    def related(self, start: str, kind: str) -> tuple[list[JSONObject], bool]:
        """The elements that a relationship leads to, and whether they are said to be all."""
        found: list[JSONObject] = []
        complete = False
        for node in self.nodes:
            if node.get("relationshipType") == kind and node.get("from") == start:
                found += [self.by_name[name] for name in texts(node.get("to")) if name in self.by_name]
                complete = complete or node.get("completeness") == "complete"
        return found, complete


def _names(node: JSONObject) -> list[str]:
    return texts(node.get("rootElement"))


def _subjects(model: JSONObject) -> dict[str, str]:
    found = {"verifiedUsing": digest} if (digest := _hash(model, "sha256")) else {}
    for key in ("software_packageUrl", "software_downloadLocation"):
        if match := _DIGEST.search(unquote(_text(model, key))):
            found[key] = match[1]
    return found


def _file(node: JSONObject) -> FileClaim:
    path = _text(node, "name")
    return FileClaim(
        path, f"file {path[:80]!a}", _hash(node, "sha256"), _hash(node, "sha512"), _text(node, "contentType")
    )


def _origin(node: JSONObject) -> OriginClaim:
    version = _text(node, "software_packageVersion")
    names = {_text(node, "name"), _text(node, "software_downloadLocation")}
    names.add(_text(node, "software_packageUrl").partition("@")[0])
    return OriginClaim(frozenset(names - {""}), "" if version == "NOASSERTION" else version)


def _license(nodes: list[JSONObject]) -> str:
    found = [_text(node, "simplelicensing_licenseExpression") for node in nodes]
    return " AND ".join(one for one in found if one not in ("", "NOASSERTION", "NONE"))


def _hash(node: JSONObject, algorithm: str) -> str:
    found = (_text(item, "hashValue") for item in items(node, "verifiedUsing") if item.get("algorithm") == algorithm)
    return next(found, "")


def _text(value: JSONObject, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
