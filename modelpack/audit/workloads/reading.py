"""Kubernetes' manifests as files: which models they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelpack.audit.workloads.found import FoundReference, Unread, shown
from modelpack.audit.workloads.walking import Walk
from modelpack.errors import DocumentError, InputError
from modelpack.oci import Reference
from modelpack.trust import read_file
from modelpack.yamlfile import Tree, load_yaml_stream

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE = 32 << 20
MAX_FILES = 10_000
MAX_FOUND = 100_000
"""Bytes of a file, files of all folders together, and references that are told of them."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """What was found in how many ``files``, in their order, and what could not be read."""

    found: tuple[FoundReference, ...] = ()
    unread: tuple[Unread, ...] = ()
    files: int = 0

    @property
    def references(self) -> tuple[Reference, ...]:
        """Each model once."""
        return tuple(dict.fromkeys(one.reference for one in self.found))


def references_in(text: str, file: str = "-") -> Workloads:
    """The models that a file with manifests (YAML or JSON, one or several documents, also a List) refers to: URLs of models
    (``storageUri: modelpack://…``), image volumes, volumes of model-csi-driver, environment variables such as MODELKIT_REF, and
    arguments of modelpack, kit, modctl and oras. What is no manifest holds none. Of a file that is broken somewhere, all before
    that counts, and that it is.
    """
    found: list[FoundReference] = []
    unread: list[Unread] = []
    number = 0
    try:
        for number, tree in enumerate(load_yaml_stream(text, file), 1):
            walk = Walk(file)
            for path, item in _objects(tree):
                workload = _workload(item)
                for told in walk.references(item, path):
                    if told.reference:
                        found.append(FoundReference(told.reference, file, number, told.path, workload))
                    else:
                        unread.append(Unread(file, number, told.path, told.reason))
                    if len(found) + len(unread) > MAX_FOUND:
                        raise DocumentError(file, "", f"more than {MAX_FOUND} references in one file")
    except DocumentError as error:
        unread.append(Unread(file, number, error.path, error.reason))
    return Workloads(tuple(found), tuple(unread), 1)


def read_workloads(paths: Iterable[Path]) -> Workloads:
    """The same for files, and for the files in folders whose names end as manifests do.

    Raises InputError (no such file, too many). A file that cannot be read as YAML is told among the results.
    """
    found: list[FoundReference] = []
    unread: list[Unread] = []
    files = 0
    for path in _files(paths):
        files += 1
        one = _read(path)
        found += one.found
        unread += one.unread
        if len(found) + len(unread) > MAX_FOUND:
            raise InputError(f"more than {MAX_FOUND} references to models", hint="audit fewer manifests at a time")
    return Workloads(tuple(found), tuple(unread), files)


def _read(path: Path) -> Workloads:
    try:
        text = read_file(path, MAX_FILE).decode()
    except UnicodeDecodeError:
        return Workloads((), (Unread(shown(path), 0, "", "not text in UTF-8"),), 1)
    return references_in(text, shown(path))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    count = 0
    for path in paths:
        for file in _below(path) if path.is_dir() else (path,):
            count += 1
            if count > MAX_FILES:
                raise InputError(f"more than {MAX_FILES} manifests", hint="audit fewer at a time")
            yield file


def _below(folder: Path) -> list[Path]:
    """In the order of their names; links to folders are not followed, so that there is an end."""
    try:
        return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    except OSError as error:
        raise InputError(f"{shown(folder)} cannot be read: {error.strerror}") from None


def _objects(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """The objects of a document with their places: of a List (``kubectl get -o yaml``) each by itself."""
    items = tree.get("items") if isinstance(tree, dict) and str(tree.get("kind", "")).endswith("List") else None
    if isinstance(items, list):
        yield from ((f"items[{number}]", item) for number, item in enumerate(items))
    else:
        yield "", tree


def _workload(tree: Tree) -> str:
    """``Deployment ml/vllm``."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(metadata, dict):
        return ""
    name = metadata.get("name") or metadata.get("generateName") or ""
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return shown(f"{tree.get('kind') or ''} {place}{name}".strip())
