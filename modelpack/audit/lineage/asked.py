"""What a question about descent is about: a manifest, a commit, a model of a Hub, a repository, a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from modelpack.attest.inventory.origins import HUB
from modelpack.errors import InputError, InvalidReference
from modelpack.oci import Digest, Reference

MAX_TEXT = 1024

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB = re.compile(
    r"(?:hf:(?://)?|https?://(?:www\.)?huggingface\.co/)(datasets/)?"
    r"([A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?)(?:(?:@|/(?:tree|resolve|commit)/)([^/\s@]{1,100}))?/?"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. Exactly one of ``digest``, ``commit``, ``hub``, ``place`` and ``name`` leads, in this order; a commit may go
    with the ``hub`` model that it is of, a digest or ``tag`` with its ``place``.

    ``hub`` is the URL of a Hub model or data set, ``place`` a registry's repository or ``oci:PATH``.
    """

    text: str
    digest: Digest | None = None
    commit: str = ""
    hub: str = ""
    place: str = ""
    tag: str = ""
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a question: ``sha256:…``; a commit; ``hf:org/name``, with ``@COMMIT`` or without; the Hub's URL;
        ``host/repository`` with tag, digest, both or none; ``oci:PATH``; and any other text as a name that models give to what
        they were made from. ``org/name`` without a host is such a name, and also the Hub's.

        Raises InputError: too long, a Hub's branch or tag, which says nothing lasting, or a malformed reference.
        """
        words = text.strip()
        if not words or len(words) > MAX_TEXT:
            raise InputError(
                f"a question of {len(words)} characters", hint="a digest, a commit, hf:org/name, a reference"
            )
        if words.startswith(("sha256:", "sha512:")):
            return cls(words, digest=Digest.parse(words))
        if _COMMIT.fullmatch(words):
            return cls(words, commit=words)
        if found := _HUB.fullmatch(words):
            return cls(words, commit=_commit(found[3] or "", words), hub=f"{HUB}/{found[1] or ''}{found[2]}")
        if _names_a_place(words):
            return cls._place(words)
        return cls(words, name=words)

    @classmethod
    def _place(cls, words: str) -> Self:
        where = Reference.parse(words.removeprefix("oci://"))
        place = where.place or f"oci:{where.layout}"
        return cls(words, digest=where.digest, place=place, tag="" if where.digest else where.tag)

    @property
    def is_pinned(self) -> bool:
        """Whether one version is meant, so that who names none may have used another."""
        return bool(self.digest or self.commit)


def _commit(revision: str, words: str) -> str:
    if revision and not _COMMIT.fullmatch(revision):
        raise InputError(
            f"{words[:200]}: {revision} is no commit", hint="a branch moves: give the 40 digits, or leave it out"
        )
    return revision


def _names_a_place(words: str) -> bool:
    """Whether it can be nothing else than a registry's repository or a layout: the first part is a host."""
    if words.startswith("oci:"):
        return True
    host, slash, _ = words.partition("/")
    if not slash or "://" in words:
        return False
    if not ("." in host or ":" in host or host == "localhost"):
        return False
    try:
        Reference.parse(words)
    except InvalidReference:
        return False
    return True
