"""What a model was made from, and what that was made from, as far as the models themselves say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from modelpack.attest.inventory import Inventory, Origin, inventory
from modelpack.errors import DigestMismatch, ModelPackError, SizeMismatch
from modelpack.oci import JSON, Descriptor, Digest, JSONObject, Reference
from modelpack.store import Store

MAX_DEPTH = 32
MAX_MODELS = 256
"""Models that are opened for one tree, and generations at most."""

Opener: TypeAlias = Callable[[Reference], Store]
"""Opens the store that a reference names; it is closed here."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model and its declared ancestors.

    ``resolved`` means: it was opened and asked. ``note`` says why not ("by name only", "seen before", the error's words).
    """

    name: str
    uri: str = ""
    digest: Digest | None = None
    relation: str = ""
    resolved: bool = False
    note: str = ""
    licenses: tuple[str, ...] = ()
    ancestors: tuple[Lineage, ...] = ()

    def all(self) -> Iterator[Lineage]:
        """This one, then its ancestors, each before its own."""
        yield self
        for ancestor in self.ancestors:
            yield from ancestor.all()

    def descends_from(self, digest: Digest) -> bool:
        """Whether the model or a declared ancestor is that manifest: the question of a recall."""
        return any(item.digest == digest for item in self.all())

    def to_json(self) -> JSONObject:
        """The tree, for programs."""
        ancestors: list[JSON] = [ancestor.to_json() for ancestor in self.ancestors]
        said: JSONObject = {
            "name": self.name,
            "uri": self.uri,
            "digest": str(self.digest) if self.digest else "",
            "relation": self.relation,
            "resolved": self.resolved,
            "note": self.note,
            "licenses": list(self.licenses),
            "ancestors": ancestors,
        }
        return {key: value for key, value in said.items() if value not in ("", [])}


def lineage(opener: Opener, reference: str | Reference, *, depth: int = 8) -> Lineage:
    """The tree of a model's declared ancestors, ``depth`` generations at most. Ancestors that are named by digest in a
    registry are opened; those with a Hub name or a URL only are leaves, and so is one whose registry does not answer or
    that stands above itself.

    A model may name any registry: ``opener`` decides which are asked, and with which credentials, by raising for the others.
    Raises for the model itself as :func:`modelpack.attest.inventory`; for ancestors only DigestMismatch and SizeMismatch,
    since wrong content is not missing content.
    """
    where = Reference.parse(reference) if isinstance(reference, str) else reference
    walk = _Walk(opener, min(depth, MAX_DEPTH))
    found = walk.open(where)
    return walk.tree(found, "", frozenset(), 0)


class _Walk:
    def __init__(self, opener: Opener, depth: int) -> None:
        self.opener = opener
        self.depth = depth
        self.opened = 0

    def open(self, where: Reference) -> Inventory:
        """Ask one model."""
        self.opened += 1
        with self.opener(where) as store:
            descriptor: Descriptor = store.resolve(where.name)
            return inventory(store, descriptor, reference=where)

    def tree(self, found: Inventory, relation: str, above: frozenset[Digest], generation: int) -> Lineage:
        """A model that was asked, with its ancestors. ``above`` are the digests that lead down to it."""
        line = above | {found.digest}
        ancestors = tuple(self._ancestor(base, line, generation) for base in found.base_models)
        uri = f"oci://{found.reference}" if found.reference else ""
        return Lineage(found.name, uri, found.digest, relation, True, "", found.licenses, ancestors)  # noqa: FBT003  # resolved

    def _ancestor(self, base: Origin, line: frozenset[Digest], generation: int) -> Lineage:
        leaf = Lineage(base.name, base.uri, base.digest, base.relation, licenses=base.licenses)
        if not (base.digest and base.uri.startswith("oci://")):
            return _noted(leaf, "by name only" if not base.pinned else "not in a registry")
        if base.digest in line:
            return _noted(leaf, "seen before: it is its own ancestor")
        if generation >= self.depth:
            return _noted(leaf, "deeper than was asked for")
        if self.opened >= MAX_MODELS:
            return _noted(leaf, "too many models in one tree")
        try:
            found = self.open(Reference.parse(base.uri.removeprefix("oci://")))
        except (DigestMismatch, SizeMismatch):
            raise
        except ModelPackError as error:
            return _noted(leaf, str(error))
        # What was asked for counts as seen, whatever a lying store gave for it.
        return self.tree(found, base.relation, line | {base.digest}, generation + 1)


def _noted(leaf: Lineage, note: str) -> Lineage:
    return Lineage(leaf.name, leaf.uri, leaf.digest, leaf.relation, False, note, leaf.licenses)  # noqa: FBT003  # resolved
