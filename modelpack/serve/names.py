"""Repositories and tags as names in a layout.

The tag ``v1`` of the repository ``ml/minilm`` is the layout's name ``ml/minilm:v1``. A layout that other tools made has plain
names: those are tags of a repository that is called like the layout's folder.
"""

from __future__ import annotations

import re

from modelpack.errors import InvalidDigest, InvalidReference, NotFound
from modelpack.oci import Descriptor, Digest
from modelpack.serve.http import Refusal
from modelpack.store import LayoutStore

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_REPOSITORY = 255


class Names:
    """The repositories of one layout."""

    def __init__(self, layout: LayoutStore) -> None:
        self._layout = layout
        folder = re.sub(r"[^a-z0-9]+", "-", layout.path.resolve().name.lower()).strip("-")
        self.own = folder or "models"

    def repositories(self) -> dict[str, list[str]]:
        """All repositories with a tag, and their tags."""
        found: dict[str, set[str]] = {}
        for name in self._layout.tags():
            repository, colon, tag = name.rpartition(":")
            if is_tag(tag) and (is_repository(repository) if colon else True):
                found.setdefault(repository if colon else self.own, set()).add(tag)
        return {repository: sorted(found[repository]) for repository in sorted(found)}

    def resolve(self, repository: str, reference: str) -> Descriptor:
        """The manifest of a tag or a digest. Raises Refusal (404)."""
        try:
            return self._layout.resolve(reference if ":" in reference else self.name(repository, reference))
        except (NotFound, InvalidReference, InvalidDigest) as error:
            raise Refusal(404, "MANIFEST_UNKNOWN", f"{repository} has no manifest {reference[:200]}") from error

    def name(self, repository: str, tag: str) -> str:
        """The layout's name for a tag: the plain one where only that is there."""
        full = f"{repository}:{tag}"
        if repository == self.own:
            names = self._layout.tags()
            if full not in names and tag in names:
                return tag
        return full


def is_repository(name: str) -> bool:
    """Whether it is a repository's name (distribution-spec, "Pulling manifests")."""
    return len(name) <= _MAX_REPOSITORY and _REPOSITORY.fullmatch(name) is not None


def is_tag(name: str) -> bool:
    """Whether it is a tag."""
    return _TAG.fullmatch(name) is not None


def digest_of(text: str) -> Digest:
    """A digest from a path or a query. Raises Refusal (400)."""
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise Refusal(400, "DIGEST_INVALID", str(error)) from None
