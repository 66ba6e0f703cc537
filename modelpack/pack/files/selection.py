"""Which files of a folder belong to the model.

What matches an exclude pattern does not. With include patterns, exactly what matches one of them does, hidden or not; but a
folder that would be skipped is looked into only for a pattern that matches or names it (``.cache/x``, not ``**/x``). Without,
``.modelpackignore`` decides, and then the rules for what is skipped anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from modelpack.errors import DocumentError, InputError
from modelpack.pack.files.text import read_text, reading
from modelpack.paths import MODEL_SIGNATURE, Glob, component

IGNORE_FILE = ".modelpackignore"
NOT_INCLUDED = "not included"
"""An objection that nobody needs to be told: the user said what to take."""

MAX_IGNORE_FILE = 64 << 10
MAX_PATTERNS = 1000
"""Bytes in an ignore file; lines that count in it."""


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The patterns of a ``.modelpackignore`` (grammar of gitignore); the last one that matches decides."""

    patterns: tuple[tuple[Glob, bool], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it. Raises DocumentError."""
        patterns = []
        for number, line in enumerate(text.split("\n"), start=1):
            pattern = _without_trailing_spaces(line.removesuffix("\r"))
            if not pattern.strip("/") or pattern.startswith("#"):
                continue
            again = pattern.startswith("!")
            try:
                patterns.append((Glob.parse(pattern[again:]), not again))
            except InputError as error:
                raise DocumentError(IGNORE_FILE, f"line {number}", str(error)) from None
        if len(patterns) > MAX_PATTERNS:
            raise DocumentError(IGNORE_FILE, "", f"{len(patterns)} patterns are more than the {MAX_PATTERNS} allowed")
        return cls(tuple(patterns))

    @classmethod
    def read(cls, root: Path) -> Self:
        """The ignore file of a folder; without patterns if there is none. Raises DocumentError, InputError."""
        path = root / IGNORE_FILE
        with reading(path):
            if not path.is_file():
                return cls()
        return cls.parse(read_text(path, IGNORE_FILE, MAX_IGNORE_FILE))

    def decide(self, path: str, *, folder: bool) -> bool | None:
        """Whether a path is ignored; None if no pattern matches."""
        for pattern, ignored in reversed(self.patterns):
            if pattern.matches(path, folder=folder):
                return ignored
        return None


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules for one folder."""

    include: tuple[Glob, ...] = ()
    exclude: tuple[Glob, ...] = ()
    ignore: IgnoreFile = IgnoreFile()

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str], ignore: IgnoreFile) -> Self:
        """Rules from patterns as text. Raises InputError."""
        return cls(tuple(map(Glob.parse, include)), tuple(map(Glob.parse, exclude)), ignore)

    def objection(self, path: str, *, folder: bool = False) -> str:
        """Why a file or folder is left out, in a few words; empty if it is not. Its folders were asked about before."""
        if any(pattern.matches(path, folder=folder) for pattern in self.exclude):
            return "excluded"
        if any(pattern.matches_within(path, folder=folder) for pattern in self.include):
            return ""
        if folder and any(pattern.leads_through(path) for pattern in self.include):
            return ""
        if self.include and not folder:
            return NOT_INCLUDED
        name = path.rpartition("/")[2]
        if name == IGNORE_FILE:
            return "hidden"
        if path == MODEL_SIGNATURE:  # a folder that was pulled is packed again to the same digest
            return "a signature of the files"
        ignored = self.ignore.decide(path, folder=folder)
        if ignored is not None:
            return f"in {IGNORE_FILE}" if ignored else ""
        return next((why for pattern, why in _skipped() if pattern.fullmatch(name)), "")


@cache
def _skipped() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What modctl skips (pkg/modelfile/constants.go, skipPatterns)."""
    patterns = {
        ".*": "hidden",
        "modelfile": "a Modelfile",
        "__pycache__": "compiled Python",
        "*.py[cod]": "compiled Python",
    }
    return tuple((component(text, ignore_case=True), why) for text, why in patterns.items())


def _without_trailing_spaces(line: str) -> str:
    """Trailing spaces don't count unless a backslash stands before the first of them."""
    bare = line.rstrip(" ")
    escaped = (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
    return line[: len(bare) + 1] if escaped and len(line) > len(bare) else bare
