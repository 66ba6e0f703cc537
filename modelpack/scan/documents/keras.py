"""Keras configurations (``config.json`` in a ``.keras`` archive): which classes loading would make, and from where."""

from __future__ import annotations

from collections.abc import Iterator

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.formats.source import read_exactly
from modelpack.oci import JSON, JSONObject, loads
from modelpack.scan.looking import Look

_MAX_CONFIG = 16 << 20
_PARTS = frozenset(
    {
        *(
            "activations",
            "constraints",
            "dtype_policies",
            "initializers",
            "layers",
            "losses",
            "metrics",
            "models",
            "ops",
        ),
        *("optimizers", "quantizers", "random", "regularizers"),
    }
)
_LAMBDAS = frozenset({"Lambda", "__lambda__"})


def scan_keras(look: Look, source: ByteSource) -> None:
    """Look at a configuration. Raises DocumentError if it cannot be read."""
    look.format = "keras"
    if source.size > _MAX_CONFIG:
        raise DocumentError("keras configuration", "", f"{source.size} bytes")
    data = read_exactly(source, 0, source.size, "keras configuration")
    for item in _objects(loads(data, "keras configuration", limit=_MAX_CONFIG)):
        check_object(look, item)


def _objects(value: JSON) -> Iterator[JSONObject]:
    """All objects of a document; it is not deep, as the parser has seen to that."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from _objects(member)
    elif isinstance(value, list):
        for member in value:
            yield from _objects(member)


def check_object(look: Look, item: JSONObject) -> None:
    """Look at what one object of a configuration would become."""
    kind, module, registered = item.get("class_name"), item.get("module"), item.get("registered_name")
    if not isinstance(kind, str):
        return
    if kind in _LAMBDAS:
        look.report("SCAN-KERAS-LAMBDA", f"a {kind} object")
    if isinstance(module, str) and not _is_of_keras(module):
        look.report("SCAN-KERAS-MODULE", f"{kind} from the module {module!r}")
    if isinstance(registered, str) and ">" in registered:
        look.report("SCAN-KERAS-CUSTOM", f"the registered class {registered!r}")


def _is_of_keras(module: str) -> bool:
    """Whether models are made of what is in a module; ``builtins`` stands for functions that Keras looks up by name."""
    top, *parts = module.split(".")
    if parts[:1] == ["src"]:
        parts = parts[1:]
    return module in ("builtins", "keras") or (top in ("keras", "tf_keras") and parts[:1] != [] and parts[0] in _PARTS)
