"""Which files of a model are wanted."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache

from modelpack.errors import InputError
from modelpack.oci import Kind

_SHOWN = 8
_MAX_PATTERN = 4096


@dataclass(frozen=True, slots=True)
class Selection:
    """Globs for files to take and to leave out, and kinds of layers to take; what is empty does not restrict.

    A glob with ``/`` must match the whole path, one without must match the file's own name. ``*`` and ``?`` stay
    within one name, ``**`` crosses folders, ``onnx/`` means everything in that folder. Case matters.
    Raises InputError for an empty glob.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what can match nothing, before anything is fetched."""
        for glob in (*self.include, *self.exclude):
            if not glob.strip("/") or len(glob) > _MAX_PATTERN:
                raise InputError(f"not a file pattern: {glob[:80]!r}")

    def wants_kind(self, kind: Kind) -> bool:
        """Whether layers of this kind are looked at."""
        return not self.kinds or kind in self.kinds

    def wants(self, path: str) -> bool:
        """Whether a file of a wanted kind is taken."""
        included = not self.include or any(matches(glob, path) for glob in self.include)
        return included and not any(matches(glob, path) for glob in self.exclude)


EVERYTHING = Selection()


class Sieve:
    """Applies a selection to the names that come up, and knows in the end which globs found nothing. Thread-safe."""

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
            self._idle = {glob for glob in self._idle if not matches(glob, path)}
            if len(self._seen) <= _SHOWN:
                self._seen.append(path)
        return wanted

    def check(self) -> None:
        """Raise InputError if a glob matched nothing, or if nothing is left: both are mistakes of the caller."""
        there = ", ".join(sorted(self._seen[:_SHOWN])) + (", …" if len(self._seen) > _SHOWN else "")
        hint = f"there is: {there}" if there else "the model has no files of these kinds"
        if self._idle:
            raise InputError(f"no file matches {', '.join(map(repr, sorted(self._idle)))}", hint=hint)
        if not self._found:
            raise InputError("the selection leaves no file", hint=hint)


def matches(glob: str, path: str) -> bool:
    """Whether a path (relative, with ``/``) is what the glob means."""
    subject = path if "/" in glob else path.rpartition("/")[2]
    return _compiled(glob).fullmatch(subject) is not None


@lru_cache(maxsize=256)
def _compiled(glob: str) -> re.Pattern[str]:
    glob = glob.removeprefix("./")
    glob = glob + "**" if glob.endswith("/") else glob
    pieces = re.findall(r"\*\*/|\*+|\?|\[!?\]?[^\]/]*\]|.", glob, re.DOTALL)
    return re.compile("".join(map(_translate, pieces)), re.DOTALL)


def _translate(piece: str) -> str:
    if piece == "**/":
        return "(?:[^/]+/)*"
    if piece.startswith("*"):
        return ".*" if len(piece) > 1 else "[^/]*"
    if piece == "?":
        return "[^/]"
    return _character_class(piece[1:-1]) if len(piece) > 1 else re.escape(piece)


def _character_class(body: str) -> str:
    """``a-z_`` or ``!a-z_`` as a regular expression; a range that runs backwards is empty."""
    negated = body.startswith("!")
    ranges = [
        f"{re.escape(first)}-{re.escape(last)}" if last else re.escape(single)
        for first, last, single in re.findall(r"(.)-(.)|(.)", body[negated:], re.DOTALL)
        if first <= last
    ]
    if not ranges:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{''.join(ranges)}]"
