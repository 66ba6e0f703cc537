"""Which repositories a rule is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from modelpack.errors import InputError, InvalidReference
from modelpack.oci import Reference

_BELOW = "/*"
_HINT = "'*', 'host/path/*', 'host/repository' or 'oci:*'"


@dataclass(frozen=True, slots=True)
class Scope:
    """``*`` (everything), ``registry.example/ml/*`` (everything below), ``registry.example/ml/minilm`` (that repository alone),
    ``oci:*`` (layouts on disk). Docker Hub is ``docker.io/…``, in full.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a scope. Raises InputError; also for one that no repository lies in, because its name in full is another one."""
        if text in ("*", "oci:*"):
            return cls(text)
        base = text.removesuffix(_BELOW)
        below = "/a/b" if base != text else ""
        try:
            found = Reference.parse(base + below)
        except InvalidReference:
            raise InputError(f"{text[:80]!a} is not a scope", hint=_HINT) from None
        # A layout's path can lead anywhere (`models/../other`), so that only all of them can have a rule.
        if found.layout or found.tag or found.digest:
            raise InputError(f"{text[:80]!a} is not a scope", hint=_HINT)
        full = f"{found.registry}/{found.repository}".removesuffix(below) + (_BELOW if below else "")
        if full != text:
            raise InputError(f"{text[:80]!a} is not a name in full", hint=f"repositories there are called {full}")
        return cls(text)

    def __str__(self) -> str:
        """As it was written."""
        return self.text

    @property
    def narrowness(self) -> tuple[int, bool]:
        """Of several scopes that cover a repository, the one with the greatest is meant."""
        return len(self.text.removesuffix("*")), not self.text.endswith("*")

    def covers(self, name: str) -> bool:
        """Whether a repository (``host/path``) or a layout (``oci:path``) is in it."""
        if self.text.endswith("*"):
            return name.startswith(self.text[:-1])
        return name == self.text
