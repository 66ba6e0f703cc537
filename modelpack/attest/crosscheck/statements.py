"""Provenance, scans and verdicts: whether they are about this model, and whether it is the one that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from modelpack.attest.crosscheck.codes import Contradiction
from modelpack.attest.inventory import Inventory, Origin, origin
from modelpack.attest.statement import PROVENANCE, SCAN, SVR, VSA
from modelpack.attest.validation import DocumentKind, identify, parse
from modelpack.attest.validation.statements import moment
from modelpack.attest.validation.walk import inner, items, texts
from modelpack.errors import DocumentError
from modelpack.oci import Digest, JSONObject

_SUBJECT_CODES = {PROVENANCE: "XC60", SCAN: "XC70", VSA: "XC80", SVR: "XC80"}
_SKEW = timedelta(minutes=5)
_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})")
_MEDIA_TYPES = {
    "application/vnd.cyclonedx+json": DocumentKind.CYCLONEDX,
    "application/spdx+json": DocumentKind.SPDX,
}
_PICKLES = frozenset({"pickle", "pt"})
NO_PICKLE = "MODELPACK_NO_PICKLE"


def check_statement(inventory: Inventory, value: JSONObject) -> Iterator[Contradiction]:
    """A statement against the model. One about another manifest is told as that alone."""
    kind = str(value.get("predicateType"))
    digests = {digest for item in items(value, "subject") for digest in texts(inner(item, "digest").get("sha256"))}
    if inventory.digest.hex not in digests:
        code = _SUBJECT_CODES.get(kind, "XC83")
        seen = ", ".join(sorted(digest[:64] for digest in digests)[:3]) or "nothing"
        yield Contradiction(code, "statement subject", f"it is about {seen}, not about {inventory.digest.hex}")
        return
    predicate = inner(value, "predicate")
    if kind == PROVENANCE:
        yield from _provenance(inventory, predicate)
    elif kind == SCAN:
        yield from check_scan(inventory, predicate)
    elif kind == VSA:
        match = _DIGEST.search(str(predicate.get("resourceUri")))
        if match and match[1] != inventory.digest.hex:
            yield Contradiction("XC81", "resourceUri", f"it names {match[1]}, the subject is {inventory.digest.hex}")
    elif kind == SVR and NO_PICKLE in texts(predicate.get("properties")):
        pickles = [file.path for file in inventory.files if file.tensors and file.tensors.format in _PICKLES]
        yield from (Contradiction("XC82", "properties", f"{path[:80]!a} is a pickle") for path in pickles)


def check_scan(inventory: Inventory, report: JSONObject) -> Iterator[Contradiction]:
    """A scan report: ``files`` with ``path`` and ``sha256``."""
    opened = not any(file.archive for file in inventory.files)
    seen: set[str] = set()
    for number, item in enumerate(items(report, "files")):
        path, digest = str(item.get("path")), str(item.get("sha256", "")).removeprefix("sha256:")
        seen.add(path)
        file = inventory.file(path)
        if file is None and opened:
            yield Contradiction("XC71", f"scan files[{number}]", f"the model has no file {path[:80]!a}")
        elif file and file.digest and digest and digest != file.digest.hex:
            yield Contradiction(
                "XC72", f"scan files[{number}]", f"{path[:80]!a} is {file.digest.hex}, not {digest[:64]!a}"
            )
    for file in inventory.files:
        if file.role == "weights" and file.path not in seen:
            yield Contradiction("XC73", "scan files", f"{file.path[:80]!a} was not scanned")


def byproducts(value: JSONObject, documents: list[bytes]) -> Iterator[Contradiction]:
    """Documents that provenance says were made, against those that are there."""
    details = inner(value, "predicate", "runDetails")
    for item in items(details, "byproducts") if value.get("predicateType") == PROVENANCE else ():
        kind = _MEDIA_TYPES.get(str(item.get("mediaType")))
        wanted = texts(inner(item, "digest").get("sha256"))
        found = [Digest.of(data).hex for data in documents if kind and _kind(data) is kind]
        if found and wanted and not set(found) & set(wanted):
            yield Contradiction("XC65", "byproducts", f"{kind} {wanted[0][:64]!a} was made, {found[0]} is attached")


def _kind(data: bytes) -> DocumentKind | None:
    try:
        return identify(parse(data))
    except DocumentError:
        return None


def _provenance(inventory: Inventory, predicate: JSONObject) -> Iterator[Contradiction]:
    dependencies = items(inner(predicate, "buildDefinition"), "resolvedDependencies")
    bases = [item for item in dependencies if item.get("name") == "base-model"]
    yield from _versions("XC62", bases, inventory.base_models)
    yield from _versions("XC63", [one for one in dependencies if one.get("name") == "dataset"], inventory.datasets)
    listed = {_address(item) for item in bases}
    for base in inventory.base_models if bases else ():
        if base.uri and _plain(base.uri) not in listed:
            yield Contradiction("XC61", "resolvedDependencies", f"{base.name[:80]!a} is not among the base models")
    for item in dependencies:
        yield from _input(inventory, item)
    yield from _times(inventory, inner(predicate, "runDetails", "metadata"))


def _versions(code: str, dependencies: list[JSONObject], origins: tuple[Origin, ...]) -> Iterator[Contradiction]:
    for item in origins:
        pins = {item.commit, item.digest.hex if item.digest else ""} - {""}
        used: set[str] = set()
        for one in dependencies:
            digests = inner(one, "digest")
            if _address(one) == _plain(item.uri):
                used |= {digest for key in ("gitCommit", "sha256") for digest in texts(digests.get(key))}
        if pins and used and not pins & used:
            message = (
                f"{item.name[:80]!a} is {min(pins)} in {item.source or 'the inventory'}, {min(used)[:64]!a} was used"
            )
            yield Contradiction(code, "resolvedDependencies", message)


def _address(item: JSONObject) -> str:
    uri = item.get("uri")
    return _plain(origin(uri, dataset=item.get("name") == "dataset").uri or uri) if isinstance(uri, str) else ""


def _plain(uri: str) -> str:
    """Without the version: what stays the same when it moves on."""
    return _DIGEST.sub("", uri).lower().rstrip("/")


def _input(inventory: Inventory, item: JSONObject) -> Iterator[Contradiction]:
    uri = str(item.get("uri"))
    file = inventory.file(uri.removeprefix("file:")) if item.get("name") == "input-file" else None
    for digest in texts(inner(item, "digest").get("sha256")):
        if file and file.digest and digest != file.digest.hex:
            yield Contradiction(
                "XC66", "resolvedDependencies", f"{file.path[:80]!a} is {file.digest.hex}, not {digest[:64]!a}"
            )


def _times(inventory: Inventory, metadata: JSONObject) -> Iterator[Contradiction]:
    started, finished = moment(metadata.get("startedOn")), moment(metadata.get("finishedOn"))
    created = moment(inventory.config.created_at)
    if started and finished and finished < started:
        yield Contradiction("XC64", "runDetails.metadata", "finishedOn is before startedOn")
    elif created and finished and created - finished > _SKEW:
        message = f"the configuration is of {inventory.config.created_at}, the build ended {finished.isoformat()}"
        yield Contradiction("XC67", "runDetails.metadata.finishedOn", message)
