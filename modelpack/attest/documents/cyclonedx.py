"""CycloneDX 1.6 and 1.7 with a model card. Written by hand: libraries for it drop the model card without a word.

Where each value comes from is told in docs/sbom.md.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from modelpack.attest.expressions import is_listed
from modelpack.attest.inventory import Completeness, Inventory, InventoryFile, Origin
from modelpack.attest.values import PRODUCER, expression_of, instant, location, model_purl, origin_purl
from modelpack.errors import InputError
from modelpack.oci import JSON, JSONObject, dumps

CYCLONEDX = "application/vnd.cyclonedx+json"
"""The media type of the document."""

VERSIONS = ("1.6", "1.7")
_SPACE = uuid.UUID("0d3f1a52-6c8b-5f0e-9d57-3b1c5f3f6a11")
"""Of the serial numbers that are made of digests."""

_FORMATS = {"text": "text", "image": "image", "audio": "audio", "video": "video"}


def cyclonedx(
    inventory: Inventory,
    *,
    spec_version: str = "1.6",
    tool_version: str,
    timestamp: datetime | None = None,
    supplier: str = "",
) -> bytes:
    """The model as a CycloneDX document. ``timestamp`` is when it was made; without it the document says none, so that
    the same model always gives the same bytes. ``supplier`` is who hands the model out.

    Raises InputError (another version, a time without zone).
    """
    if spec_version not in VERSIONS:
        raise InputError(f"CycloneDX {spec_version[:20]!r} is not written", hint=f"versions are: {', '.join(VERSIONS)}")
    components = [_file(file) for file in inventory.files]
    components += [_dataset(item, number) for number, item in enumerate(inventory.datasets)]
    references: list[JSON] = [component["bom-ref"] for component in components]
    files: list[JSON] = references[: len(inventory.files)]
    metadata: JSONObject = {"timestamp": instant(timestamp)} if timestamp else {}
    tool: JSONObject = {"type": "application", "name": PRODUCER, "version": tool_version}
    metadata |= {"tools": {"components": [tool]}, "component": _model(inventory, supplier)}
    return dumps(
        {
            "$schema": f"http://cyclonedx.org/schema/bom-{spec_version}.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": spec_version,
            "serialNumber": serial_number(inventory),
            "version": 1,
            "metadata": metadata,
            "components": [*components],
            "dependencies": [{"ref": "model", "dependsOn": files}, *({"ref": name} for name in references)],
            "compositions": _compositions(inventory),
        }
    )


def serial_number(inventory: Inventory) -> str:
    """A UUID (version 5) of the manifest's digest: the same for each document about this model."""
    return f"urn:uuid:{uuid.uuid5(_SPACE, str(inventory.digest))}"


def _model(inventory: Inventory, supplier: str) -> JSONObject:
    config = inventory.config
    said: JSONObject = {"type": "machine-learning-model", "bom-ref": "model"}
    if supplier or config.vendor:
        said["supplier"] = {"name": supplier or config.vendor}
    if config.authors:
        said["authors"] = [{"name": author} for author in config.authors]
    said |= {"name": inventory.name, "version": inventory.version}
    if config.description:
        said["description"] = config.description
    said["hashes"] = [_sha256(inventory.digest.hex)] if inventory.digest.algorithm == "sha256" else []
    said |= _licensed(inventory.licenses)
    said["purl"] = model_purl(inventory)
    if inventory.base_models:
        said["pedigree"] = _pedigree(inventory.base_models)
    if references := _links(inventory):
        said["externalReferences"] = references
    said["modelCard"] = _card(inventory)
    said["properties"] = _properties(
        ("artifactType", inventory.artifact_type),
        ("hash", "the SHA-256 of this component is that of the OCI manifest"),
        ("manifest:digest", str(inventory.digest)),
    )
    return said


def _card(inventory: Inventory) -> JSONObject:
    config = inventory.config
    parameters: JSONObject = {}
    if inventory.task:
        parameters["task"] = inventory.task
    if family := config.family or inventory.config_family:
        parameters["architectureFamily"] = family
    if architecture := inventory.model_class or config.architecture:
        parameters["modelArchitecture"] = architecture
    if inventory.datasets:
        parameters["datasets"] = [{"ref": f"data:{number}"} for number in range(len(inventory.datasets))]
    if config.input_types:
        parameters["inputs"] = [{"format": _FORMATS.get(name, name)} for name in config.input_types]
    if config.output_types:
        parameters["outputs"] = [{"format": _FORMATS.get(name, name)} for name in config.output_types]
    dtypes = ",".join(f"{name}={count}" for name, count in inventory.dtypes.items())
    properties = _properties(
        ("config:architecture", config.architecture),
        ("config:format", config.format),
        ("config:paramSize", config.param_size),
        ("config:precision", config.precision),
        ("config:quantization", config.quantization),
        ("library", inventory.library),
        *(("language", code) for code in inventory.languages),
        ("tensors:parameters", str(inventory.parameters) if inventory.formats else ""),
        ("tensors:dtypes", dtypes),
        *((f"chat-template:{template.name}", str(template.digest)) for template in inventory.chat_templates),
    )
    return {"bom-ref": "model-card", "modelParameters": parameters, "properties": properties}


def _file(file: InventoryFile) -> JSONObject:
    said: JSONObject = {"type": "file", "bom-ref": f"file:{file.path}", "name": file.path}
    said["mime-type"] = file.media_type
    hashes: list[JSON] = [_sha256(file.digest.hex)] if file.digest else []
    hashes += [{"alg": "SHA-512", "content": file.sha512}] if file.sha512 else []
    if hashes:
        said["hashes"] = hashes
    tensors = file.tensors
    said["properties"] = _properties(
        ("role", file.role),
        ("layer:digest", str(file.layer) if file.layer else ""),
        ("size", "" if file.size is None else str(file.size)),
        ("tensors:format", tensors.format if tensors else ""),
        ("tensors:parameters", str(tensors.parameters) if tensors else ""),
        ("tensors:dtypes", ",".join(f"{name}={count}" for name, count in tensors.dtypes.items()) if tensors else ""),
        ("tensors:quantization", tensors.quantization if tensors else ""),
    )
    return said


def _dataset(item: Origin, number: int) -> JSONObject:
    data: JSONObject = {"type": "dataset", "name": item.name}
    if url := _url(item):
        data["contents"] = {"url": url}
    said: JSONObject = {"type": "data", "bom-ref": f"data:{number}", "name": item.name}
    if item.version:
        said["version"] = item.version
    if item.digest and item.digest.algorithm == "sha256":
        said["hashes"] = [_sha256(item.digest.hex)]
    return {**said, **_licensed(item.licenses), "data": [data], "properties": _properties(("source", item.source))}


def _pedigree(origins: tuple[Origin, ...]) -> JSONObject:
    notes = [f"{item.name}: {item.relation}" for item in origins if item.relation]
    ancestors: list[JSON] = [_ancestor(item, number) for number, item in enumerate(origins)]
    return {"ancestors": ancestors, **({"notes": "; ".join(notes)} if notes else {})}


def _ancestor(item: Origin, number: int) -> JSONObject:
    said: JSONObject = {"type": "machine-learning-model", "bom-ref": f"base:{number}", "name": item.name}
    if item.version:
        said["version"] = item.version
    if item.digest and item.digest.algorithm == "sha256":
        said["hashes"] = [_sha256(item.digest.hex)]
    said |= _licensed(item.licenses)
    if purl := origin_purl(item):
        said["purl"] = purl
    if url := _url(item):
        said["externalReferences"] = [{"type": "distribution", "url": url}]
    said["properties"] = _properties(("relation", item.relation), ("source", item.source))
    return said


def _url(item: Origin) -> str:
    """A place, if it can stand in a document that wants an IRI."""
    return "".join(item.uri.split()) if "://" in item.uri else ""


def _links(inventory: Inventory) -> list[JSON]:
    found: list[JSON] = []
    if where := location(inventory):
        hashes: list[JSON] = [_sha256(inventory.digest.hex)] if inventory.digest.algorithm == "sha256" else []
        found.append({"type": "distribution", "url": where, "hashes": hashes})
    config = inventory.config
    for kind, url in (("vcs", config.source_url), ("documentation", config.doc_url)):
        if "://" in url and url.isascii() and not set(url) & set(' "<>\\^`{|}'):
            found.append({"type": kind, "url": url})
    return found


def _licensed(licenses: tuple[str, ...]) -> JSONObject:
    """One identifier of the list as ``license.id``; all else is an expression, which 1.6 allows once."""
    expression = expression_of(licenses)
    if not expression:
        return {}
    if is_listed(expression):
        return {"licenses": [{"license": {"id": expression}}]}
    return {"licenses": [{"expression": expression}]}


def _compositions(inventory: Inventory) -> list[JSON]:
    """All files are known, or not. Whether all ancestors and data sets are told, nobody can know."""
    found: list[JSON] = [{"aggregate": str(inventory.files_known), "assemblies": ["model"]}]
    bases: list[JSON] = [f"base:{number}" for number in range(len(inventory.base_models))]
    data: list[JSON] = [f"data:{number}" for number in range(len(inventory.datasets))]
    if bases or data:
        found.append({"aggregate": str(Completeness.UNKNOWN), "dependencies": [*bases, *data]})
    return found


def _properties(*pairs: tuple[str, str]) -> list[JSON]:
    return [{"name": f"{PRODUCER}:{name}", "value": value} for name, value in pairs if value]


def _sha256(hexadecimal: str) -> JSONObject:
    return {"alg": "SHA-256", "content": hexadecimal}
