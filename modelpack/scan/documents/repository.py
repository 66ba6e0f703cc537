"""The JSON files of a model repository: chat templates, and requests to run code that comes along."""

from __future__ import annotations

from modelpack.formats import ByteSource
from modelpack.formats.source import read_exactly
from modelpack.oci import JSON, MAX_DOCUMENT, JSONObject, loads
from modelpack.scan.documents.templates import scan_template
from modelpack.scan.looking import Look

_KNOWN_NAMES = ("config.json", "chat_template.json", "chat_templates.json", "modules.json", "model_index.json")
_OWN_MODULES = ("sentence_transformers.", "transformers.", "diffusers.")


def scan_json(look: Look, source: ByteSource, name: str) -> None:
    """Look at a JSON file, if loaders take it for a configuration. Raises DocumentError if it cannot be read."""
    look.format = "json"
    if not name.rpartition("/")[2].lower().endswith(_KNOWN_NAMES):
        return
    data = read_exactly(source, 0, min(source.size, MAX_DOCUMENT + 1), "JSON")
    document = loads(data, "JSON")
    if isinstance(document, dict):
        _scan_object(look, document)
    elif isinstance(document, list):
        for item in document:
            if isinstance(item, dict):
                _check_type(look, item)


def _scan_object(look: Look, document: JSONObject) -> None:
    for key in ("auto_map", "custom_pipelines"):
        if document.get(key):
            look.report("SCAN-AUTO-MAP", f"{key} names {_first(document[key])}")
    for key, value in document.items():
        if key.startswith("chat_template"):
            _scan_templates(look, value, key)


def _first(value: JSON) -> str:
    """One example of the code that is asked for."""
    while isinstance(value, dict | list) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return repr(value)[:120]


def _scan_templates(look: Look, value: JSON, place: str) -> None:
    """One template; or several, as a list of objects with ``name`` and ``template``, or by name."""
    if isinstance(value, str):
        scan_template(look, value, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _scan_templates(look, item.get("template") if isinstance(item, dict) else item, f"{place}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            _scan_templates(look, item, f"{place}.{key}")


def _check_type(look: Look, module: JSONObject) -> None:
    """An entry of ``modules.json`` names a class to import."""
    kind = module.get("type")
    if isinstance(kind, str) and not kind.startswith(_OWN_MODULES):
        look.report("SCAN-AUTO-MAP", f"the module type {kind[:120]!r}")
