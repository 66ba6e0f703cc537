"""Patterns for paths in the grammar of gitignore, matched in linear time: they may come from a repository that we don't trust.

``*``, ``?`` and ``[…]`` stay within one path component, ``**`` spans several. A pattern without a slash (but at its end)
matches at any depth, one with a slash from the root. A final slash restricts it to folders. Whoever means files by a pattern
asks with :meth:`Glob.matches_within`, so that naming a folder means everything in it. Case matters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from modelpack.errors import InputError

MAX_PATTERN = 4096
MAX_COMPONENTS = 128
"""Characters in a pattern, names in it."""

_WILD = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern. A component that is None stands for ``**``; ``spelled`` are those that begin with a character of the name."""

    text: str
    components: tuple[re.Pattern[str] | None, ...]
    spelled: tuple[bool, ...]
    folders_only: bool = False

    @classmethod
    def parse(cls, text: str, *, ignore_case: bool = False) -> Self:
        """Read a pattern. Raises InputError (empty, too long, an unclosed bracket)."""
        names = [name for name in text.split("/") if name not in ("", ".")]
        if not names or len(text) > MAX_PATTERN or len(names) > MAX_COMPONENTS:
            raise InputError(f"not a pattern for paths: {text[:80]!r}")
        if "/" not in text.rstrip("/"):
            names.insert(0, "**")
        if names[-1] == "**":  # what is in a folder, not the folder itself
            names.append("*")
        compiled = tuple(None if name == "**" else component(name, ignore_case=ignore_case) for name in names)
        spelled = tuple(name[0] not in "*?[" for name in names)
        return cls(text, compiled, spelled, folders_only=text.endswith("/"))

    def matches(self, path: str, *, folder: bool = False) -> bool:
        """Whether the whole path matches."""
        return self._allows(folder) and len(self.components) in self._states(path)[-1]

    def matches_within(self, path: str, *, folder: bool = False) -> bool:
        """Whether a path, or a folder that it is in, matches."""
        *above, whole = (len(self.components) in states for states in self._states(path)[1:])
        return any(above) or (whole and self._allows(folder))

    def leads_through(self, folder: str) -> bool:
        """Whether the pattern asks for something in a folder, and for the folder by name.

        ``**/.cache/x`` leads through every ``.cache``. ``*/x`` leads through none: as in a shell, a wildcard does not call
        for what is usually left out.
        """
        above = self._states(folder)[-2] - {len(self.components)}
        return any(self.spelled[state] and self._step(state, folder.rpartition("/")[2]) for state in above)

    def _allows(self, folder: bool) -> bool:  # noqa: FBT001  # private
        return folder or not self.folders_only

    def _states(self, path: str) -> list[set[int]]:
        """How many components may be used up: before the first name, and after each."""
        return list(accumulate(path.split("/"), self._advance, initial=self._skip({0})))

    def _advance(self, states: set[int], name: str) -> set[int]:
        return self._skip({after for state in states for after in self._step(state, name)})

    def _step(self, state: int, name: str) -> tuple[int, ...]:
        if state == len(self.components):
            return ()
        pattern = self.components[state]
        if pattern is None:
            return (state,)
        return (state + 1,) if pattern.fullmatch(name) else ()

    def _skip(self, states: set[int]) -> set[int]:
        """Add the states that a ``**`` which matches nothing more leads to."""
        for state in range(min(states, default=0), len(self.components)):
            if state in states and self.components[state] is None:
                states.add(state + 1)
        return states


def component(text: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The expression for one component of a pattern (``*``, ``?``, ``[a-z]``, ``[!a]``, backslash escapes).

    Each run between two stars is taken at its first place (an atomic group), which is enough and keeps it linear.
    """
    chunks = [""]
    rest = text
    while rest:
        expression, rest = _token(rest, text)
        if expression != "*":
            chunks[-1] += expression
        elif chunks[-1] or len(chunks) == 1:
            chunks.append("")
    first, *others = chunks
    result = (
        first + "".join(f"(?>.*?{chunk})" for chunk in others[:-1]) + "".join(f".*{chunk}" for chunk in others[-1:])
    )
    return re.compile(result, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def parents(path: str) -> list[str]:
    """The folders that a path is in, outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def has_wildcard(text: str) -> bool:
    """Whether a pattern is more than a name."""
    return bool(_WILD.search(text))


def _token(rest: str, whole: str) -> tuple[str, str]:
    match rest[0]:
        case "*":
            return "*", rest[1:]
        case "?":
            return ".", rest[1:]
        case "[":
            return _bracket(rest, whole)
        case "\\":
            if len(rest) == 1:
                raise InputError(f"the pattern {whole[:80]!r} ends in a backslash")
            return re.escape(rest[1]), rest[2:]
        case character:
            return re.escape(character), rest[1:]


def _bracket(rest: str, whole: str) -> tuple[str, str]:
    match = re.match(r"\[([!^]?)(\]?(?:[^\\\]]|\\.)*)\]", rest, re.DOTALL)
    if match is None or not match[2] or "[:" in match[2]:
        raise InputError(f"the pattern {whole[:80]!r} has a '[' that is not closed, or a named class")
    members = re.sub(r"\\(.)", r"\1", match[2], flags=re.DOTALL)
    ranges = re.findall(r"(.)-(.)|(.)", members, re.DOTALL)
    parts = [
        re.escape(single) if single else f"{re.escape(low)}-{re.escape(high)}"
        for low, high, single in ranges
        if single or low <= high
    ]
    inner = "".join(parts)
    if not inner:  # only ranges that are upside down: they match nothing, and so does the bracket
        return ("." if match[1] else "(?!)"), rest[match.end() :]
    return f"[{'^' if match[1] else ''}{inner}]", rest[match.end() :]
