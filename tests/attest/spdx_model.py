"""Make ``schemas/spdx-3.0.1.model.json`` from the SPDX project's bindings: ``python -m tests.attest.spdx_model``.

A test makes it again and compares, so that the file is what the bindings say and nothing else.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[2] / "schemas" / "spdx-3.0.1.model.json"
_KINDS = {
    "StringProp": "text",
    "AnyURIProp": "uri",
    "DateTimeStampProp": "time",
    "DateTimeProp": "time",
    "IntegerProp": "integer",
    "PositiveIntegerProp": "positive",
    "NonNegativeIntegerProp": "natural",
    "BooleanProp": "flag",
    "FloatProp": "number",
    "EnumProp": "enum",
    "ObjectProp": "object",
    "IRIProp": "uri",
}


def make() -> bytes:
    """The classes of SPDX 3.0.1 and their properties, in their JSON-LD names."""
    model: Any = importlib.import_module("spdx_python_model.bindings.v3_0_1.model")

    found = {class_._COMPACT_TYPE: class_ for class_ in model.SHACLObject.CLASSES.values() if class_._COMPACT_TYPE}
    classes = {name: _class(model, found[name]) for name in found}
    return (json.dumps({"classes": classes}, indent=1, sort_keys=True) + "\n").encode()


def _class(model: Any, class_: Any) -> dict[str, Any]:
    inherited = {name for base in class_.__bases__ for name in getattr(base, "_OBJ_COMPACT_PROPS", ())}
    own = {name: _property(prop) for name, prop in class_._OBJ_COMPACT_PROPS.items() if name not in inherited}
    bases = [base._COMPACT_TYPE for base in class_.__mro__[1:] if getattr(base, "_COMPACT_TYPE", None)]
    said: dict[str, Any] = {"is": bases, "properties": own}
    if class_.IS_ABSTRACT:
        said["abstract"] = True
    if class_.NODE_KIND == model.NodeKind.IRI:
        said["id"] = class_.ID_ALIAS or "@id"
    return said


def _property(prop: Any) -> dict[str, Any]:
    kind = prop.reg() if prop.reg else prop.prop  # the bindings resolve it at first use
    said: dict[str, Any] = {}
    if type(kind).__name__ == "ListProp":
        said["many"] = True
        kind = kind.prop
    said["kind"] = _KINDS[type(kind).__name__]
    if prop.min_count:
        said["min"] = prop.min_count
    if getattr(kind, "pattern", None):
        said["pattern"] = kind.pattern
    if said["kind"] == "object":
        said["of"] = kind.cls._COMPACT_TYPE
    if said["kind"] in ("enum", "object") and kind.context:
        said["values"] = [compact for _, compact in kind.context]
    return said


if __name__ == "__main__":
    MODEL.write_bytes(make())
