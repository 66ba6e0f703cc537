"""Read a Kitfile (KitOps, ``pkg/artifact/kitfile.go``): YAML, read as strictly as KitOps does.

Every scalar is text, as Go's decoder makes it for these fields: ``version: 1.0`` is ``"1.0"``. What a ModelPack artifact
cannot hold is refused (another ModelKit as the model, prompts, MCP servers) or noted (remote data sets, parameters).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from modelpack.errors import DocumentError, UnsupportedFormat
from modelpack.oci import Kind
from modelpack.pack.files import read_text
from modelpack.pack.recipes.recipe import MAX_RECIPE, MAX_WANTS, Recipe, Want, clean_path
from modelpack.yamlfile import Tree, load_yaml

_SHAPE = {
    "": "manifestVersion package model code datasets docs prompts mcpServers",
    "package": "name version description license authors",
    "model": "name path license framework format version description parts parameters",
    "model.parts": "name path license type",
    "code": "path description license",
    "datasets": "name path description license parameters remotePath remoteHash",
    "docs": "path description",
}
_KINDS = {"code": Kind.CODE, "datasets": Kind.DATASET, "docs": Kind.DOC}
_MODEL_KIT = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?/[a-z0-9._/-]+(?::[\w.-]+|@sha256:[0-9a-f]{64})", re.ASCII)
_ABSENT = frozenset({"", "~", "null"})


def read_kitfile(path: Path) -> Recipe:
    """Read a Kitfile. Raises InputError (no such file), DocumentError, UnsupportedFormat."""
    return parse_kitfile(read_text(path, "Kitfile", MAX_RECIPE))


def parse_kitfile(text: str) -> Recipe:
    """Read the text of a Kitfile. Raises DocumentError, UnsupportedFormat."""
    root = _Section(load_yaml(text, "Kitfile", typed=False), "")
    package, model = root.section("package"), root.section("model")
    for key in ("prompts", "mcpServers"):
        if root.items(key):
            raise UnsupportedFormat(
                f"Kitfile: a ModelPack artifact cannot hold {key}", hint=f"remove {key} from the Kitfile"
            )
    notes: list[str] = []
    wants = [*_model(model, notes), *(want for key in _KINDS for want in _listed(root, key, notes))]
    if len(wants) > MAX_WANTS:
        raise DocumentError("Kitfile", "", f"{len(wants)} paths are more than the {MAX_WANTS} allowed")
    return Recipe(tuple(wants), _overrides(package, model), tuple(notes))


class _Section:
    """One mapping of the document, with only the keys that it may have."""

    def __init__(self, value: Tree, path: str) -> None:
        if isinstance(value, str) and value in _ABSENT:
            value = {}
        if not isinstance(value, dict):
            raise DocumentError("Kitfile", path, "a mapping is required")
        allowed = _SHAPE[re.sub(r"\[\d+\]", "", path)].split()
        for key in value:
            if key not in allowed:
                raise DocumentError("Kitfile", _at(path, key[:40]), "is not a field of a Kitfile")
        self.value = value
        self.path = path

    def text(self, key: str) -> str:
        value = self.value.get(key, "")
        if not isinstance(value, str):
            raise DocumentError("Kitfile", _at(self.path, key), "text is required")
        return "" if value in _ABSENT else value

    def items(self, key: str) -> list[Tree]:
        value = self.value.get(key, [])
        if isinstance(value, list):
            return value
        if isinstance(value, str) and value in _ABSENT:
            return []
        raise DocumentError("Kitfile", _at(self.path, key), "a list is required")

    def section(self, key: str) -> _Section:
        return _Section(self.value.get(key, {}), _at(self.path, key))

    def sections(self, key: str) -> Iterator[_Section]:
        for index, item in enumerate(self.items(key)):
            yield _Section(item, f"{_at(self.path, key)}[{index}]")


def _model(model: _Section, notes: list[str]) -> Iterator[Want]:
    if "parameters" in model.value:
        notes.append("Kitfile model.parameters: a ModelPack configuration has no place for them")
    for section in (model, *model.sections("parts")):
        if path := section.text("path"):
            if _MODEL_KIT.fullmatch(path):
                raise UnsupportedFormat(
                    f"Kitfile: {_at(section.path, 'path')} is another ModelKit ({path[:80]})",
                    hint="unpack it first and name its files",
                )
            yield _want(section, path, None)


def _listed(root: _Section, key: str, notes: list[str]) -> Iterator[Want]:
    for section in root.sections(key):
        if "remotePath" in section.value:
            notes.append(
                f"Kitfile {section.path}: the remote data set {section.text('remotePath')[:200]!r} is not fetched"
            )
        elif path := section.text("path"):
            yield _want(section, path, _KINDS[key])


def _want(section: _Section, path: str, kind: Kind | None) -> Want:
    place = _at(section.path, "path")
    return Want(clean_path(path, "Kitfile", place), kind, f"Kitfile {place}")


def _overrides(package: _Section, model: _Section) -> dict[str, str | tuple[str, ...]]:
    authors = tuple(author for author in package.items("authors") if isinstance(author, str))
    licenses = dict.fromkeys((package.text("license"), model.text("license")))
    said: dict[str, str | tuple[str, ...]] = {
        "name": package.text("name") or model.text("name"),
        "version": package.text("version") or model.text("version"),
        "description": package.text("description") or model.text("description"),
        "authors": authors,
        "licenses": tuple(name for name in licenses if name),
        "format": model.text("format"),
    }
    return {key: value for key, value in said.items() if value}


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
