"""Walk through parsed JSON of any shape."""

from __future__ import annotations

from collections.abc import Iterator

from modelpack.oci import JSON, JSONObject
from modelpack.oci.fields import member


def objects(value: JSON, path: str = "") -> Iterator[tuple[str, JSONObject]]:
    """Every object of a document, with its path, outer ones first."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from objects(item, member(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, member(path, index))


def texts(value: JSON) -> list[str]:
    """The texts of a list, or one text alone; what is none is left out."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def items(value: JSONObject, key: str) -> list[JSONObject]:
    """The objects of a member that should be a list of objects."""
    found = value.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def inner(value: JSONObject, *keys: str) -> JSONObject:
    """An object inside objects; an empty one where a member is missing or something else."""
    for key in keys:
        found = value.get(key)
        value = found if isinstance(found, dict) else {}
    return value
