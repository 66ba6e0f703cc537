"""Digests (OCI image-spec, descriptor.md "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from modelpack.errors import InvalidDigest

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


class Hasher(Protocol):
    """The part of a :mod:`hashlib` object that is used here."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """What they hash to, in lower-case hex."""
        ...

    def copy(self) -> Hasher:
        """An independent object in the same state."""
        ...


def new_hasher(algorithm: str) -> Hasher:
    """A fresh hash object for ``"sha256"`` or ``"sha512"``."""
    return hashlib.new(algorithm, usedforsecurity=True)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """``algorithm:hex``, valid by construction: it is safe in a path and in a URL."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        """Refuse everything but lower-case hex of the algorithm's length."""
        length = _HEX_LENGTH.get(self.algorithm)
        if length is None:
            raise InvalidDigest(f"digest algorithm {self.algorithm[:32]!r} is not supported (sha256, sha512 are)")
        if len(self.hex) != length or not _HEX.fullmatch(self.hex):
            raise InvalidDigest(f"{self.algorithm} digest must be {length} lower-case hexadecimal characters")

    @classmethod
    def parse(cls, text: str) -> Digest:
        """``"sha256:…"`` to a digest. Raises InvalidDigest."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise InvalidDigest(f"not a digest: {text[:80]!r} (algorithm:hex is expected)")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of some bytes."""
        hasher = new_hasher(algorithm)
        hasher.update(data)
        return cls(algorithm, hasher.hexdigest())

    def __str__(self) -> str:
        """``algorithm:hex``."""
        return f"{self.algorithm}:{self.hex}"
