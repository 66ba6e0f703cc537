"""A policy file's bytes to an object whose members can be asked for."""

from __future__ import annotations

from modelpack.errors import DocumentError
from modelpack.oci import JSON
from modelpack.oci.fields import Fields
from modelpack.yamlfile import Tree, load_yaml


def read_fields(raw: bytes, name: str, limit: int) -> Fields:
    """A mapping in YAML, of at most ``limit`` bytes of UTF-8. Raises DocumentError; ``name`` is the document's in messages."""
    if len(raw) > limit:
        raise DocumentError(name, "", f"{len(raw)} bytes are more than the {limit} allowed")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DocumentError(name, "", f"not UTF-8 at byte {error.start}") from None
    tree = load_yaml(text, name)
    if not isinstance(tree, dict):
        raise DocumentError(name, "", "a mapping is required")
    return Fields({key: _json(item) for key, item in tree.items()}, name)


def _json(tree: Tree) -> JSON:
    """The same tree: what YAML can say here, JSON can."""
    match tree:
        case dict():
            return {key: _json(value) for key, value in tree.items()}
        case list():
            return [_json(value) for value in tree]
    return tree
