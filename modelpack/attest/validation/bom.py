"""CycloneDX 1.6 and 1.7: the schema, and the cross-references and forms that it does not check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from modelpack.attest.expressions import licenses_in
from modelpack.attest.validation.walk import inner, items, objects, texts
from modelpack.errors import DocumentError
from modelpack.oci import JSONObject
from modelpack.oci.fields import member
from modelpack.oci.schema import schema_problems

_NAME = "CycloneDX"
_BESIDE = ("spdx", "jsf-0.82", "cryptography-defs")
_HEX_LENGTH = {
    "MD5": 32,
    "SHA-1": 40,
    "SHA-256": 64,
    "SHA-384": 96,
    "SHA-512": 128,
    "SHA3-256": 64,
    "SHA3-384": 96,
    "SHA3-512": 128,
    "BLAKE2b-256": 64,
    "BLAKE2b-384": 96,
    "BLAKE2b-512": 128,
    "BLAKE3": 64,
    "Streebog-256": 64,
    "Streebog-512": 128,
}
_PURL = re.compile(
    r"pkg:/{0,2}[A-Za-z][A-Za-z0-9.+-]*/(?:[A-Za-z0-9._~%:+-]+/)*[A-Za-z0-9._~%:+-]+"
    r"(?:@[A-Za-z0-9._~%:+/-]+)?(?:\?[A-Za-z][A-Za-z0-9._-]*=[^#&\s]*(?:&[A-Za-z][A-Za-z0-9._-]*=[^#&\s]*)*)?(?:#[^\s]+)?"
)


def bom_problems(value: JSONObject) -> Iterator[DocumentError]:
    """What is wrong with a CycloneDX document."""
    version = value.get("specVersion")
    if version not in ("1.6", "1.7"):
        yield DocumentError(_NAME, "specVersion", "1.6 or 1.7 is required")
        return
    names = tuple(f"cyclonedx/{name}.SNAPSHOT.schema.json" for name in _BESIDE)
    yield from schema_problems(value, f"cyclonedx/bom-{version}.SNAPSHOT.schema.json", _NAME, refers_to=names)
    if str(value.get("$schema", version)).find(str(version)) < 0:
        yield DocumentError(_NAME, "$schema", f"it is not that of version {version}")
    for path, found in objects(value):
        for rule in _RULES:
            for key, reason in rule(found):
                yield DocumentError(_NAME, member(path, key), reason)
    yield from _references(value)


def is_purl(text: str) -> bool:
    """Whether a text has the form of a package URL (purl-spec)."""
    return bool(_PURL.fullmatch(text))


def _purl(found: JSONObject) -> Iterator[tuple[str, str]]:
    purl = found.get("purl")
    if isinstance(purl, str) and not is_purl(purl):
        yield "purl", f"{purl[:80]!a} is not a package URL"


def _hash(found: JSONObject) -> Iterator[tuple[str, str]]:
    algorithm, content = found.get("alg"), found.get("content")
    length = _HEX_LENGTH.get(algorithm) if isinstance(algorithm, str) else None
    if length and isinstance(content, str) and len(content) != length:
        yield "content", f"{algorithm} has {length} hexadecimal digits, not {len(content)}"


def _expression(found: JSONObject) -> Iterator[tuple[str, str]]:
    expression = found.get("expression")
    if isinstance(expression, str):
        try:
            licenses_in(expression)
        except ValueError as error:
            yield "expression", str(error)


def _misplaced(found: JSONObject) -> Iterator[tuple[str, str]]:
    kind = found.get("type")
    if "modelCard" in found and kind != "machine-learning-model":
        yield "modelCard", "only a machine-learning-model has one"
    if "data" in found and "name" in found and "type" in found and isinstance(found["data"], list) and kind != "data":
        yield "data", "only a component of type data has it"


_RULES: tuple[Callable[[JSONObject], Iterator[tuple[str, str]]], ...] = (_purl, _hash, _expression, _misplaced)


def _references(value: JSONObject) -> Iterator[DocumentError]:
    known: dict[str, str] = {}
    for path, found in objects(value):
        name = found.get("bom-ref")
        if isinstance(name, str):
            if name in known:
                yield DocumentError(_NAME, member(path, "bom-ref"), f"{name[:80]!a} stands twice")
            known[name] = path
    for path, name in _used(value):
        if name not in known and not name.startswith("urn:cdx:"):
            yield DocumentError(_NAME, path, f"nothing has the bom-ref {name[:80]!a}")


def _used(value: JSONObject) -> Iterator[tuple[str, str]]:
    for number, item in enumerate(items(value, "dependencies")):
        for key in ("ref", "dependsOn", "provides"):
            yield from ((f"dependencies[{number}].{key}", name) for name in texts(item.get(key)))
    for number, item in enumerate(items(value, "compositions")):
        for key in ("assemblies", "dependencies"):
            yield from ((f"compositions[{number}].{key}", name) for name in texts(item.get(key)))
    for path, found in objects(value):
        for number, item in enumerate(items(inner(found, "modelParameters"), "datasets")):
            place = f"{path}.modelParameters.datasets[{number}].ref"
            yield from ((place, name) for name in texts(item.get("ref")))
