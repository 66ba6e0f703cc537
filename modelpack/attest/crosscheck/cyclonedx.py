"""What a CycloneDX document claims, ours or another tool's."""

from __future__ import annotations

import re
from urllib.parse import unquote

from modelpack.attest.crosscheck.claims import Claims, FileClaim, OriginClaim
from modelpack.attest.validation.walk import inner, items, texts
from modelpack.oci import JSONObject

_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})")
_PREFIX = "modelpack:"


def cyclonedx_claims(value: JSONObject) -> Claims:
    """Read one; what is of the wrong type counts as not said."""
    model = inner(value, "metadata", "component")
    components = items(value, "components")
    files = [one for one in components if one.get("type") == "file"]
    card = {**_properties(model), **_properties(inner(model, "modelCard"))}
    measures = {key.replace(":", "."): text for key, text in card.items() if key.startswith(("config:", "tensors:"))}
    start = "chat-template:"
    return Claims(
        "CycloneDX",
        20,
        subjects=_subjects(model),
        files=tuple(_file(one, f"component {number}") for number, one in enumerate(files)),
        complete=any(
            item.get("aggregate") == "complete" and "model" in texts(item.get("assemblies"))
            for item in items(value, "compositions")
        ),
        license=_license(model),
        base_models=tuple(map(_origin, items(inner(model, "pedigree"), "ancestors"))),
        datasets=tuple(_origin(one) for one in components if one.get("type") == "data"),
        name=_text(model, "name"),
        version=_text(model, "version"),
        measures=measures,
        templates={key.removeprefix(start): text for key, text in card.items() if key.startswith(start)},
    )


def _subjects(model: JSONObject) -> dict[str, str]:
    """Each place that names the manifest's digest."""
    found = {"hashes": digest} if (digest := _hashes(model).get("SHA-256", "")) else {}
    if match := _DIGEST.search(unquote(_text(model, "purl"))):
        found["purl"] = match[1]
    for number, link in enumerate(items(model, "externalReferences")):
        match = _DIGEST.search(_text(link, "url"))
        if link.get("type") == "distribution" and match:
            found[f"externalReferences[{number}]"] = match[1]
    if digest := _properties(model).get("manifest:digest", ""):
        found["manifest:digest"] = digest.removeprefix("sha256:")
    return found


def _file(component: JSONObject, place: str) -> FileClaim:
    hashes, said = _hashes(component), _properties(component)
    return FileClaim(
        _text(component, "name"),
        place,
        hashes.get("SHA-256", ""),
        hashes.get("SHA-512", ""),
        _text(component, "mime-type"),
        said.get("layer:digest", ""),
        said.get("size", ""),
        said.get("tensors:parameters", ""),
        said.get("tensors:dtypes", ""),
    )


def _origin(component: JSONObject) -> OriginClaim:
    names = {_text(component, "name"), _text(component, "purl").partition("@")[0]}
    names |= {_text(link, "url") for link in items(component, "externalReferences")}
    names |= {_text(inner(data, "contents"), "url") for data in items(component, "data")}
    return OriginClaim(frozenset(names - {""}), _text(component, "version"))


def _license(component: JSONObject) -> str:
    """All that are listed hold (CycloneDX, "licenses")."""
    found = []
    for item in items(component, "licenses"):
        one = inner(item, "license")
        found.append(_text(item, "expression") or _text(one, "id") or _text(one, "name"))
    return " AND ".join(filter(None, found))


def _hashes(component: JSONObject) -> dict[str, str]:
    return {_text(item, "alg"): _text(item, "content") for item in items(component, "hashes")}


def _properties(value: JSONObject) -> dict[str, str]:
    """Ours, without their prefix."""
    pairs = ((_text(item, "name"), _text(item, "value")) for item in items(value, "properties"))
    return {name.removeprefix(_PREFIX): text for name, text in pairs if name.startswith(_PREFIX)}


def _text(value: JSONObject, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
