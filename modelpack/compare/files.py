"""Files of two models, compared by path and by content; and the layers that carry them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from modelpack.attest import Inventory, InventoryFile
from modelpack.compare.difference import FileChange, FileState, How, Transfer
from modelpack.oci import Descriptor, Digest


def states(found: Inventory, layers: Mapping[Digest, int]) -> dict[str, FileState]:
    """The files by path. An archive that was not opened stands under its label with the digest and size of its layer, because
    that is all that is known of what is in it. ``layers`` are bytes by digest.
    """
    return {file.path: _state(file, layers) for file in found.files}


def _state(file: InventoryFile, layers: Mapping[Digest, int]) -> FileState:
    size = layers.get(file.layer) if file.archive and file.layer else file.size
    return FileState(file.path, file.digest or file.layer, size, str(file.kind), file.layer)


def compare_files(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> tuple[FileChange, ...]:
    """What is different, by path as it is now. A file that is gone and whose content has a new name was renamed."""
    gone = [before[path] for path in sorted(before.keys() - after.keys())]
    new = [after[path] for path in sorted(after.keys() - before.keys())]
    renamed, gone, new = _renamed(gone, new)
    both = ((before[path], after[path]) for path in before.keys() & after.keys())
    found = [
        *renamed,
        *(FileChange(How.REMOVED, state, None) for state in gone),
        *(FileChange(How.ADDED, None, state) for state in new),
        *(FileChange(_how(old, now), old, now) for old, now in both if old != now),
    ]
    return tuple(sorted(found, key=lambda change: (change.path, str(change.how))))


def _how(before: FileState, after: FileState) -> How:
    same = before.digest is not None and before.digest == after.digest
    return How.REPACKED if same else How.CHANGED


def _renamed(gone: list[FileState], new: list[FileState]) -> tuple[list[FileChange], list[FileState], list[FileState]]:
    """Pairs of equal content, first with first, and what is left."""
    waiting: dict[Digest, list[FileState]] = defaultdict(list)
    for state in reversed(gone):
        if state.digest:
            waiting[state.digest].append(state)
    renamed, left = [], []
    for state in new:
        candidates = waiting.get(state.digest, []) if state.digest else []
        if candidates:
            renamed.append(FileChange(How.RENAMED, candidates.pop(), state))
        else:
            left.append(state)
    taken = {change.before.path for change in renamed if change.before}
    return renamed, [state for state in gone if state.path not in taken], left


def transfer(before: Iterable[Descriptor], after: Iterable[Descriptor]) -> Transfer:
    """What an update would move, of configuration and layers."""
    have = {blob.digest for blob in before}
    wanted = {blob.digest: blob.size for blob in after}
    moved = [size for digest, size in wanted.items() if digest not in have]
    kept = [size for digest, size in wanted.items() if digest in have]
    return Transfer(len(moved), sum(moved), len(kept), sum(kept))
