"""What a Modelfile and a Kitfile have in common: which files are wanted as what, and what they say about the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelpack.errors import DocumentError, InputError
from modelpack.oci import Kind
from modelpack.pack.files import Classifier, Folder, Found, Selection, is_folder
from modelpack.paths import MAX_DEPTH, component

MAX_RECIPE = 1 << 20
MAX_WANTS = 10_000
"""Bytes in a Modelfile or Kitfile, paths that it asks for."""

# How specific a wish is: least is most. Folders have 2, and the nearer one the smaller second number.
_BY_NAME = (0, 0)
_BY_PATTERN = (1, 0)


@dataclass(frozen=True, slots=True)
class Want:
    """One path (or a pattern for paths, without ``**``) of a recipe.

    ``kind`` is None where the files' names decide; ``place`` says where it stands (``"Modelfile line 3"``).
    """

    path: str
    kind: Kind | None
    place: str
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """A parsed Modelfile or Kitfile; ``overrides`` by field of :class:`modelpack.oci.ModelConfig`."""

    wants: tuple[Want, ...]
    overrides: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Claim:
    found: Found
    kind: Kind
    guessed: bool
    rank: tuple[int, int]
    place: str


def clean_path(path: str, document: str, place: str) -> str:
    """A path of a recipe without ``./`` and final slashes; ``""`` for the folder itself. Raises DocumentError."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise DocumentError(document, place, f"{path[:80]!r} leads out of the model's folder")
    if len(parts) > MAX_DEPTH:
        raise DocumentError(document, place, f"a path of more than {MAX_DEPTH} names")
    return "/".join(parts)


def gather(
    folder: Folder, recipe: Recipe, selection: Selection, classifier: Classifier
) -> Iterator[tuple[Found, Kind, bool]]:
    """The wanted files, each with its kind and whether that was guessed.

    Where a file is wanted as two things, the more specific one counts: its name, then a pattern, then the nearest folder.
    Raises InputError: a wanted file is not there, or it is wanted as two things in the same way.
    """
    claims: dict[str, _Claim] = {}
    for want in recipe.wants:
        for claim in _claims(folder, want, selection, classifier):
            known = claims.setdefault(claim.found.path, claim)
            if known.rank == claim.rank and known.kind != claim.kind:
                raise InputError(
                    f"{claim.found.path!r} is wanted as {known.kind} ({known.place}) and {claim.kind} ({claim.place})"
                )
            if claim.rank < known.rank:
                claims[claim.found.path] = claim
    for claim in claims.values():
        yield claim.found, claim.kind, claim.guessed


def _claims(folder: Folder, want: Want, selection: Selection, classifier: Classifier) -> Iterator[_Claim]:
    try:
        paths = list(_expand(folder, want.path)) if want.pattern else [want.path]
        for path in paths:
            for found, rank in _files(folder, path, selection, listed=not want.pattern):
                kind, guessed = (want.kind, False) if want.kind else classifier.kind(found.path, found.size)
                if guessed and rank == _BY_NAME:  # the recipe calls it the model, or a part of it
                    kind, guessed = Kind.WEIGHT, False
                yield _Claim(found, kind, guessed, rank, want.place)
    except InputError as error:
        raise InputError(f"{want.place}: {error}", hint=error.hint) from error


def _files(folder: Folder, path: str, selection: Selection, *, listed: bool) -> Iterator[tuple[Found, tuple[int, int]]]:
    """A file, or the files of a folder. What is listed by its name is skipped only if the caller excludes it."""
    real = folder.resolve(path)
    is_folder = real.is_dir()
    reason = selection.objection(path, folder=is_folder) if path else ""
    if reason and (reason == "excluded" or not listed):
        folder.skipped.append(f"{path}: {reason}")
    elif is_folder:
        depth = path.count("/") + 1 if path else 0
        yield from ((found, (2, -depth)) for found in folder.files(selection, path))
    else:
        yield folder.found(path, real), _BY_NAME if listed else _BY_PATTERN


def _expand(folder: Folder, pattern: str, base: str = "") -> Iterator[str]:
    """The paths that a pattern matches, component by component (as Go's ``filepath.Glob``)."""
    first, _, rest = pattern.partition("/")
    for name in _matching(folder, base, first):
        path = f"{base}/{name}" if base else name
        if not rest:
            yield path
        elif is_folder(folder.root / path):
            yield from _expand(folder, rest, path)


def _matching(folder: Folder, base: str, text: str) -> list[str]:
    names = folder.names(folder.resolve(base) if base else folder.root, base)
    expression = component(text)
    return [name for name in names if expression.fullmatch(name)]
