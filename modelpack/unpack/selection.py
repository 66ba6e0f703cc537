"""Which files of a model are wanted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache

from modelpack.errors import InputError
from modelpack.oci import Kind
from modelpack.paths import Glob

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns for files to take and to leave out, and kinds of layers to take; what is empty does not restrict.

    The patterns are those of packing (:class:`modelpack.paths.Glob`): ``*.json`` and ``onnx`` match at any depth, ``a/*.json``
    from the root, and what matches a folder means everything in it. Raises InputError for what is no pattern.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what is no pattern before anything is fetched."""
        for pattern in (*self.include, *self.exclude):
            _parsed(pattern)

    def wants_kind(self, kind: Kind) -> bool:
        """Whether layers of this kind are looked at."""
        return not self.kinds or kind in self.kinds

    def wants(self, path: str) -> bool:
        """Whether a file of a wanted kind is taken."""
        included = not self.include or any(_matches(pattern, path) for pattern in self.include)
        return included and not any(_matches(pattern, path) for pattern in self.exclude)


EVERYTHING = Selection()


class Sieve:
    """Applies a selection to the names that come up, and knows in the end which patterns found nothing. Thread-safe."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._idle = set(selection.include)
        self._seen: list[str] = []
        self._found = False
        self._lock = threading.Lock()

    def wants(self, path: str) -> bool:
        """Whether a file is taken."""
        wanted = self._selection.wants(path)
        with self._lock:
            self._found = self._found or wanted
            self._idle = {pattern for pattern in self._idle if not _matches(pattern, path)}
            if len(self._seen) <= _SHOWN:
                self._seen.append(path)
        return wanted

    def check(self) -> None:
        """Raise InputError if a pattern matched nothing, or if nothing is left: both are mistakes of the caller."""
        there = ", ".join(sorted(self._seen[:_SHOWN])) + (", …" if len(self._seen) > _SHOWN else "")
        hint = f"there is: {there}" if there else "the model has no files of these kinds"
        if self._idle:
            raise InputError(f"no file matches {', '.join(map(repr, sorted(self._idle)))}", hint=hint)
        if not self._found:
            raise InputError("the selection leaves no file", hint=hint)


def _matches(pattern: str, path: str) -> bool:
    return _parsed(pattern).matches_within(path)


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Glob:
    return Glob.parse(pattern)
