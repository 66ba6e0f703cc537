"""SPDX licence expressions (SPDX 2.3, annex D, and 3.0.1, annex B): whether one is well formed, which licences it names, and
whether somebody who accepts some licences can accept it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
    parser.whole()
    return frozenset(parser.found)


def permits(expression: str, accepts: Callable[[str], bool]) -> bool:
    """Whether an expression leaves a choice of which every licence is accepted: of ``A OR B`` one is enough, of ``A AND B`` both
    are needed. ``accepts`` is asked for identifiers, and for ``A WITH B`` in one piece. Nobody accepts ``NONE``, ``NOASSERTION``.

    Raises ValueError as :func:`licenses_in`.
    """
    if not licenses_in(expression):
        return False
    return _Parser(_TOKEN.findall(expression), accepts).whole()


class _Parser:
    def __init__(self, tokens: list[str], accepts: Callable[[str], bool] = bool) -> None:
        self.tokens = tokens
        self.position = 0
        self.found: set[str] = set()
        self.accepts = accepts

    def whole(self) -> bool:
        """Whether all of it is accepted; it must end where the expression ends."""
        accepted = self.expression(0)
        if self.position != len(self.tokens):
            raise ValueError(f"{self.tokens[self.position][:60]!r} does not belong in a licence expression")
        return accepted

    def expression(self, depth: int) -> bool:
        """Alternatives joined by OR, each of terms joined by AND, which binds closer."""
        accepted = self._both(depth)
        while self._peek() == "OR":
            self.position += 1
            accepted = self._both(depth) or accepted
        return accepted

    def _both(self, depth: int) -> bool:
        accepted = self._term(depth)
        while self._peek() == "AND":
            self.position += 1
            accepted = self._term(depth) and accepted
        return accepted

    def _term(self, depth: int) -> bool:
        if depth > _MAX_DEPTH:
            raise ValueError(f"a licence expression nested deeper than {_MAX_DEPTH} levels")
        if self._peek() == "(":
            self.position += 1
            accepted = self.expression(depth + 1)
            if self._peek() != ")":
                raise ValueError("a parenthesis of a licence expression is not closed")
            self.position += 1
            return accepted
        name = self._license()
        self.found.add(name)
        if self._peek() == "WITH":
            self.position += 1
            exception = self._next()
            if not (is_listed(exception) or _EXCEPTION.fullmatch(exception)):
                raise ValueError(f"{exception[:60]!r} is no licence exception of the SPDX list")
            name = f"{name} WITH {exception}"
        return self.accepts(name)

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
