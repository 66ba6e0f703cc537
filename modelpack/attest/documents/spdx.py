"""SPDX 3.0.1 as JSON-LD, with the AI and Dataset profiles.

SPDX requires times that nobody may know (``created``, ``releaseTime``): without a timestamp they are the configuration's
``createdAt``, and without that 1970, which says "not known" and keeps the bytes the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from modelpack.attest.documents.graph import Graph
from modelpack.attest.inventory import Completeness, Inventory, InventoryFile, Origin
from modelpack.attest.values import PRODUCER, expression_of, instant, location, model_purl, origin_purl, place
from modelpack.errors import InputError
from modelpack.oci import JSON, JSONObject, dumps
from modelpack.oci.schema import is_date_time

SPDX = "application/spdx+json"
"""The media type of the document."""

_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_NO_ASSERTION = "NOASSERTION"
_PURPOSES = {"documentation": "documentation", "code": "source", "configuration": "configuration", "licence": "other"}
_DATASET_TYPES = frozenset({"text", "image", "audio", "video"})
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def spdx(inventory: Inventory, *, tool_version: str, timestamp: datetime | None = None, supplier: str = "") -> bytes:
    """The model as an SPDX 3.0.1 document. ``timestamp`` is when it was made, ``supplier`` who hands the model out.

    Raises InputError for a time without zone.
    """
    made = instant(timestamp) if timestamp else _created(inventory)
    graph = Graph(f"https://spdx.org/spdxdocs/modelpack-{inventory.digest.hex}", made)
    agent = graph.add("agent", "Organization", name=supplier or inventory.config.vendor or _NO_ASSERTION)
    tool = graph.add("tool", "Tool", name=f"{PRODUCER} {tool_version}")
    graph.creation(agent, tool)
    model = _model(graph, inventory, agent, _created(inventory))
    inside = [model, *_files(graph, inventory, model)]
    inside += _bases(graph, inventory, agent, model)
    inside += _datasets(graph, inventory, agent, model)
    _license(graph, model, inventory.licenses)
    profiles = ["core", "software", "ai", "simpleLicensing", *(["dataset"] if inventory.datasets else [])]
    bom = graph.add("sbom", "software_Sbom", rootElement=[model], element=_list(inside), software_sbomType=["analyzed"])
    title = f"{place(inventory.reference) or inventory.name} {inventory.version}"
    graph.add(
        "document", "SpdxDocument", name=title, profileConformance=_list(profiles), rootElement=[bom],
        element=_list([name for name in graph.names if name != graph.name("document")]),
    )  # fmt: skip
    return dumps({"@context": _CONTEXT, "@graph": graph.nodes})


def _model(graph: Graph, inventory: Inventory, agent: str, released: str) -> str:
    config = inventory.config
    said: dict[str, JSON] = {
        "name": inventory.name,
        "description": config.description,
        "verifiedUsing": [_hash(inventory.digest.algorithm, inventory.digest.hex)],
        "suppliedBy": agent,
        "releaseTime": released,
        "software_downloadLocation": location(inventory) or f"oci:{inventory.digest}",
        "software_packageUrl": model_purl(inventory),
        "software_packageVersion": inventory.version,
        "software_primaryPurpose": "model",
        "ai_domain": _list([inventory.task] if inventory.task else []),
        "ai_typeOfModel": _list(filter(None, [config.family or inventory.config_family, config.architecture])),
        "ai_hyperparameter": [
            {"type": "DictionaryEntry", "key": key, "value": value} for key, value in _measures(inventory) if value
        ],
    }
    return graph.add("model", "ai_AIPackage", **said)


def _measures(inventory: Inventory) -> list[tuple[str, str]]:
    """What SPDX has no field for: sizes and precisions, as the configuration and the headers say."""
    config = inventory.config
    return [
        ("config.format", config.format),
        ("config.paramSize", config.param_size),
        ("config.precision", config.precision),
        ("config.quantization", config.quantization),
        ("tensors.parameters", str(inventory.parameters) if inventory.formats else ""),
        ("tensors.dtypes", ",".join(f"{name}={count}" for name, count in inventory.dtypes.items())),
        *((f"chat-template {template.name}", str(template.digest)) for template in inventory.chat_templates),
    ]


def _files(graph: Graph, inventory: Inventory, model: str) -> list[str]:
    names = [_file(graph, file, number) for number, file in enumerate(inventory.files)]
    known = "complete" if inventory.files_known is Completeness.COMPLETE else "incomplete"
    if names:
        graph.relate(model, "contains", names, completeness=known)
    return names


def _file(graph: Graph, file: InventoryFile, number: int) -> str:
    hashes: list[JSON] = [_hash("sha256", file.digest.hex)] if file.digest else []
    hashes += [_hash("sha512", file.sha512)] if file.sha512 else []
    differs = file.layer and file.layer != file.digest
    said: dict[str, JSON] = {
        "name": file.path,
        "comment": f"in the layer {file.layer}" if differs else "",
        "verifiedUsing": hashes,
        "contentType": file.media_type,
        "software_primaryPurpose": _PURPOSES.get(file.role, "data"),
        "software_fileKind": "file",
    }
    return graph.add(f"file-{number}", "software_File", **said)


def _bases(graph: Graph, inventory: Inventory, agent: str, model: str) -> list[str]:
    names: list[str] = []
    for number, item in enumerate(inventory.base_models):
        said: dict[str, JSON] = {
            **_origin(item, agent),
            "software_packageUrl": origin_purl(item),
            "software_primaryPurpose": "model",
        }
        name = graph.add(f"base-{number}", "ai_AIPackage", **said)
        _license(graph, name, item.licenses)
        graph.relate(model, "descendantOf", [name], completeness="noAssertion")
        names.append(name)
    return names


def _datasets(graph: Graph, inventory: Inventory, agent: str, model: str) -> list[str]:
    kinds = sorted(_DATASET_TYPES & set(inventory.config.input_types)) or ["noAssertion"]
    names: list[str] = []
    for number, item in enumerate(inventory.datasets):
        said: dict[str, JSON] = {**_origin(item, agent), "software_primaryPurpose": "data", "originatedBy": [agent]}
        said |= {"builtTime": instant(_UNKNOWN_TIME), "dataset_datasetType": _list(kinds), "suppliedBy": ""}
        name = graph.add(f"data-{number}", "dataset_DatasetPackage", **said)
        _license(graph, name, item.licenses)
        names.append(name)
    if names:
        graph.relate(model, "trainedOn", names, completeness="noAssertion")
    return names


def _origin(item: Origin, agent: str) -> dict[str, JSON]:
    return {
        "name": item.name,
        "comment": _comment(item),
        "verifiedUsing": [_hash(item.digest.algorithm, item.digest.hex)] if item.digest else [],
        "suppliedBy": agent,
        "releaseTime": instant(_UNKNOWN_TIME),
        "software_downloadLocation": item.uri
        if "://" in item.uri
        else f"urn:modelpack:unknown:{quote(item.name, safe='')}",
        "software_packageVersion": item.version or _NO_ASSERTION,
    }


def _comment(item: Origin) -> str:
    parts = [f"relation: {item.relation}" if item.relation else "", f"said by {item.source}" if item.source else ""]
    return "; ".join(filter(None, parts))


def _license(graph: Graph, name: str, licenses: tuple[str, ...]) -> None:
    """Declared as the model's own words have it. It is not for a program to conclude what holds."""
    declared = graph.license(expression_of(licenses) or _NO_ASSERTION)
    graph.relate(name, "hasDeclaredLicense", [declared])
    graph.relate(name, "hasConcludedLicense", [graph.license(_NO_ASSERTION)])


def _created(inventory: Inventory) -> str:
    text = inventory.config.created_at
    if not is_date_time(text):
        return instant(_UNKNOWN_TIME)
    try:
        return instant(datetime.fromisoformat(text.upper()))
    except (ValueError, InputError):  # a leap second, or the year 1 in another zone
        return instant(_UNKNOWN_TIME)


def _hash(algorithm: str, hexadecimal: str) -> JSONObject:
    return {"type": "Hash", "algorithm": algorithm, "hashValue": hexadecimal}


def _list(items: Iterable[str]) -> list[JSON]:
    return [*items]
