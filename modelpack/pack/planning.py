"""Decide what to pack: from a folder, a Hugging Face snapshot, a Modelfile or a Kitfile to a plan. Reads names, not contents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from modelpack.errors import InputError
from modelpack.oci import Kind
from modelpack.pack.files import IGNORE_FILE, MAX_FILES, Classifier, Folder, IgnoreFile, Selection, check_distinct
from modelpack.pack.layering import layers
from modelpack.pack.plan import Entry, Layout, Plan
from modelpack.pack.recipes import Recipe, gather, read_kitfile, read_modelfile

MAX_NOTES = 100

_SNAPSHOT = re.compile(r".*/(?:models|datasets|spaces)--(?:.+--)?([^/]+)/snapshots/[^/]+")


def plan(
    source: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    modelfile: Path | None = None,
    kitfile: Path | None = None,
    layout: Layout | None = None,
    kinds: Mapping[str, Kind] | None = None,
    name: str = "",
    follow_links: bool = False,
) -> Plan:
    """Plan to pack a folder, or the files of it that a Modelfile or Kitfile lists.

    Patterns are those of gitignore. With ``include``, exactly what matches is taken, also what ``.modelpackignore`` or the
    usual rules (hidden files, compiled Python, Modelfiles) would leave out; ``exclude`` goes before it. ``kinds`` maps
    patterns to kinds, before the built-in tables. ``follow_links`` lets symbolic links lead anywhere, not only inside the
    folder.

    Raises InputError: nothing to pack, links that escape, names that cannot be unpacked everywhere, special files;
    DocumentError: an ignore file, Modelfile or Kitfile breaks its grammar; UnsupportedFormat: a Kitfile asks for what a
    ModelPack artifact cannot hold.
    """
    folder = Folder.at(source, follow_links=follow_links)
    recipe = _recipe(modelfile, kitfile)
    selection = Selection.of(include, exclude, IgnoreFile.read(folder.root))
    entries = _entries(folder, recipe, selection, Classifier.of(kinds or {}))
    if not entries:
        raise InputError(
            f"there is nothing to pack in {source}",
            hint="files that are hidden or match .modelpackignore are left out; include patterns bring them back",
        )
    overrides = dict(recipe.overrides if recipe else {})
    if name:
        overrides["name"] = name
    return Plan(
        name=str(overrides.get("name") or _folder_name(folder.root) or "model"),
        entries=entries,
        layers=layers(entries, layout or Layout()),
        overrides=overrides,
        notes=(*(recipe.notes if recipe else ()), *_unread(folder, kitfile), *_notes(folder.skipped)),
    )


def _recipe(modelfile: Path | None, kitfile: Path | None) -> Recipe | None:
    if modelfile and kitfile:
        raise InputError("a Modelfile and a Kitfile cannot be used together")
    if modelfile:
        return read_modelfile(modelfile)
    return read_kitfile(kitfile) if kitfile else None


def _entries(folder: Folder, recipe: Recipe | None, selection: Selection, classifier: Classifier) -> tuple[Entry, ...]:
    entries = []
    if recipe:
        for found, kind, guessed in gather(folder, recipe, selection, classifier):
            entries.append(Entry(found.path, found.file, kind, found.size, found.mode, guessed))
    else:
        for found in folder.files(selection):
            kind, guessed = classifier.kind(found.path, found.size)
            entries.append(Entry(found.path, found.file, kind, found.size, found.mode, guessed))
    if len(entries) > MAX_FILES:
        raise InputError(f"more than {MAX_FILES} files in {folder.root}")
    entries.sort(key=lambda entry: entry.path)
    check_distinct(entry.path for entry in entries)
    return tuple(entries)


def _folder_name(root: Path) -> str:
    """The folder's name, or the repository's for a snapshot in a Hugging Face cache."""
    snapshot = _SNAPSHOT.fullmatch(root.as_posix())
    return snapshot[1] if snapshot else root.name


def _unread(folder: Folder, kitfile: Path | None) -> tuple[str, ...]:
    """Rules of another grammar that their author may count on."""
    if kitfile and (folder.root / ".kitignore").exists():
        return (f".kitignore is not read; its patterns would have to be in {IGNORE_FILE}",)
    return ()


def _notes(skipped: Iterable[str]) -> tuple[str, ...]:
    lines = [f"left out {line}" for line in skipped]
    more = len(lines) - MAX_NOTES
    return tuple(lines if more <= 0 else [*lines[:MAX_NOTES], f"left out {more} more"])
