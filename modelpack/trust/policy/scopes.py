"""Which repositories a rule is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from modelpack.errors import InputError

_SCOPE = re.compile(r"[A-Za-z0-9\[\]:._-]+(?:/[a-z0-9._-]+)*(?:/\*)?")


@dataclass(frozen=True, slots=True)
class Scope:
    """``*`` (everything), ``registry.example/ml/*`` (everything below), ``registry.example/ml/minilm`` (that repository alone),
    ``oci:*`` (layouts on disk). Docker Hub is ``docker.io/…``, in full.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a scope. Raises InputError."""
        if text not in ("*", "oci:*") and not _SCOPE.fullmatch(text):
            raise InputError(f"{text[:80]!a} is not a scope", hint="'*', 'host/path/*', 'host/repository' or 'oci:*'")
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
