"""From a manifest's tree to the models that it refers to. All kinds of objects are walked, also those that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelpack.audit.workloads.containers import Told, container_references
from modelpack.audit.workloads.found import plain_reference, shown, url_reference
from modelpack.errors import DocumentError
from modelpack.yamlfile import Tree

MAX_STEPS = 500_000
"""Values that are looked at in one document: aliases can make few lines mean very many."""

MAX_DEPTH = 150
"""Steps down: an alias inside of an alias goes deeper than any document may be nested."""

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_REFERENCE_KEY = re.compile(r"(?:[\w.-]*model[\w.-]*/)?(?:model(?:kit|pack)?[.-])?(?:reference|ref|uri)", re.IGNORECASE)
"""Annotations and attributes of volumes: ``model.csi.modelpack.org/reference``."""


class Walk:
    """One document. Raises DocumentError if it has too many values, or they are nested too deeply."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps = 0

    def references(self, tree: Tree, path: str = "", depth: int = 0) -> Iterator[Told]:
        """Everything below, depth first."""
        self._steps += 1
        if self._steps > MAX_STEPS or depth > MAX_DEPTH:
            raise DocumentError(
                self._name, "", f"more than {MAX_STEPS} values in one document, or nested deeper than {MAX_DEPTH} steps"
            )
        if isinstance(tree, str):
            if found := url_reference(tree):
                yield Told(path, found)
        elif isinstance(tree, list):
            for number, item in enumerate(tree):
                yield from self.references(item, f"{path}[{number}]", depth + 1)
        elif isinstance(tree, dict):
            yield from self._here(tree, path)
            for key, item in tree.items():
                yield from self.references(item, _at(path, key), depth + 1)

    def _here(self, tree: dict[str, Tree], path: str) -> Iterator[Told]:
        """What this very object refers to."""
        for group in _CONTAINERS:
            listed = tree.get(group)
            for number, container in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(container, dict):
                    yield from _placed(container_references(container), f"{_at(path, group)}[{number}]")
        # KServe gives the container of a ClusterStorageContainer and of a predictor by itself.
        if isinstance(single := tree.get("container"), dict):
            yield from _placed(container_references(single), _at(path, "container"))
        if isinstance(image := tree.get("image"), dict) and isinstance(written := image.get("reference"), str):
            yield from _one(written, _at(path, "image.reference"))
        for group in ("annotations", "volumeAttributes"):
            said = tree.get(group)
            for key, value in said.items() if isinstance(said, dict) else ():
                if isinstance(value, str) and _REFERENCE_KEY.fullmatch(key) and "://" not in value:
                    yield from _one(value, _at(_at(path, group), key))


def _one(written: str, path: str) -> Iterator[Told]:
    if found := plain_reference(written):
        yield Told(path, found)


def _placed(told: Iterator[Told], path: str) -> Iterator[Told]:
    return (Told(f"{path}.{one.path}", one.reference, one.reason) for one in told)


def _at(path: str, key: str) -> str:
    """A step down; a key that could be mistaken for several is quoted."""
    step = key if re.fullmatch(r"[\w-]{1,100}(?:\.reference)?", key) else f'"{shown(key)}"'
    return f"{path}.{step}" if path else step
