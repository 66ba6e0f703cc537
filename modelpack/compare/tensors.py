"""Tensors of two models, compared by what headers say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from modelpack.compare.difference import FileState, TensorChange, Tensors, TensorShape
from modelpack.formats import ModelFile

Heads: TypeAlias = Mapping[str, ModelFile]
Key: TypeAlias = tuple[str, str]
"""Format and name: a model may hold the same weights once more in another format."""


def compare_tensors(
    before: Heads,
    after: Heads,
    files: tuple[Mapping[str, FileState], Mapping[str, FileState]],
    unread: tuple[str, ...] = (),
) -> Tensors:
    """Compare the headers of two sides, by path. ``files`` are the states of the files of each side.

    A tensor is first looked for in the file of the same path, then in all others of its format, so that one that moved to
    another shard has not changed.
    """
    first, second = _shapes(before), _shapes(after)
    found: list[TensorChange] = []
    for path in first.keys() & second.keys():
        old, now = first[path], second[path]
        for key in [key for key in old if key in now]:
            found += _changed(key, old.pop(key), now.pop(key))
    found += _elsewhere(first, second)
    return Tensors(
        changes=tuple(sorted(found, key=_order)),
        weights=tuple(sorted(_rewritten(before, after, files))),
        parameters=(_parameters(before), _parameters(after)),
        unread=unread,
    )


def _shapes(heads: Heads) -> dict[str, dict[Key, TensorShape]]:
    return {
        path: {(head.format, one.name): TensorShape(path, one.dtype, one.shape) for one in head.tensors}
        for path, head in heads.items()
    }


def _changed(key: Key, before: TensorShape, after: TensorShape) -> list[TensorChange]:
    same = (before.dtype, before.shape) == (after.dtype, after.shape)
    return [] if same else [TensorChange(key[1], before, after)]


def _elsewhere(
    first: Mapping[str, dict[Key, TensorShape]], second: Mapping[str, dict[Key, TensorShape]]
) -> list[TensorChange]:
    """What is left on both sides, paired by format and name, in the order of the files."""
    waiting: dict[Key, list[TensorShape]] = {}
    for path in sorted(first, reverse=True):
        for key, shape in first[path].items():
            waiting.setdefault(key, []).append(shape)
    found: list[TensorChange] = []
    for path in sorted(second):
        for key, shape in second[path].items():
            candidates = waiting.get(key)
            found += _changed(key, candidates.pop(), shape) if candidates else [TensorChange(key[1], None, shape)]
    found += (TensorChange(key[1], shape, None) for key, shapes in waiting.items() for shape in shapes)
    return found


def _order(change: TensorChange) -> tuple[str, str]:
    place = change.after or change.before
    return (place.path if place else "", change.name)


def _rewritten(before: Heads, after: Heads, files: tuple[Mapping[str, FileState], Mapping[str, FileState]]) -> set[str]:
    """Files with the same tensors and other content."""
    return {
        path
        for path in before.keys() & after.keys()
        if before[path].tensors
        and _tensors_of(before[path]) == _tensors_of(after[path])
        and files[0][path].digest != files[1][path].digest
    }


def _tensors_of(head: ModelFile) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {one.name: (one.dtype, one.shape) for one in head.tensors}


def _parameters(heads: Heads) -> int:
    return sum(head.parameters for head in heads.values())
