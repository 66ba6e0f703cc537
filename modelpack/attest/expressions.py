"""SPDX licence expressions (SPDX 2.3, annex D, and 3.0.1, annex B): whether one is well formed, and which licences it names."""

from __future__ import annotations

import re
from functools import cache

from modelpack.oci.schema import schema_document

_MAX_LENGTH = 4096
_MAX_DEPTH = 32
_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")
_CUSTOM = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_OPERATORS = frozenset({"AND", "OR", "WITH"})
_EXCEPTION = re.compile(r"(?:AdditionRef-[A-Za-z0-9.-]+)")
_SPECIAL = frozenset({"NONE", "NOASSERTION"})


@cache
def _listed() -> frozenset[str]:
    names = schema_document("cyclonedx/spdx.SNAPSHOT.schema.json")["enum"]
    return frozenset(names if isinstance(names, list) else ())


def is_listed(name: str) -> bool:
    """Whether a name is an identifier of the SPDX licence list, in its exact spelling."""
    return name in _listed()


def licenses_in(expression: str) -> frozenset[str]:
    """The identifiers of an expression, without exceptions. Raises ValueError with a reason if it is none."""
    if len(expression) > _MAX_LENGTH:
        raise ValueError(f"a licence expression of {len(expression)} characters")
    tokens = _TOKEN.findall(expression)
    if expression.strip() in _SPECIAL:
        return frozenset()
    parser = _Parser(tokens)
    parser.expression(0)
    if parser.position != len(tokens):
        raise ValueError(f"{tokens[parser.position][:60]!r} does not belong in a licence expression")
    return frozenset(parser.found)


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0
        self.found: set[str] = set()

    def expression(self, depth: int) -> None:
        """Terms joined by AND and OR. Which binds closer does not matter for what is asked here."""
        self._term(depth)
        while self._peek() in ("AND", "OR"):
            self.position += 1
            self._term(depth)

    def _term(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError(f"a licence expression nested deeper than {_MAX_DEPTH} levels")
        if self._peek() == "(":
            self.position += 1
            self.expression(depth + 1)
            if self._peek() != ")":
                raise ValueError("a parenthesis of a licence expression is not closed")
            self.position += 1
            return
        self.found.add(self._license())
        if self._peek() == "WITH":
            self.position += 1
            exception = self._next()
            if not (is_listed(exception) or _EXCEPTION.fullmatch(exception)):
                raise ValueError(f"{exception[:60]!r} is no licence exception of the SPDX list")

    def _license(self) -> str:
        name = self._next()
        if not (is_listed(name.removesuffix("+")) or _CUSTOM.fullmatch(name)):
            raise ValueError(
                f"{name[:60]!r} is neither an identifier of the SPDX licence list nor a LicenseRef-"
                if name not in _OPERATORS
                else f"a licence is missing before {name}"
            )
        return name

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError("a licence expression ends early")
        self.position += 1
        return token
