"""What an artifact was made from, and that in turn, as far as artifacts that were seen say it."""

from __future__ import annotations

from modelpack.attest import Lineage
from modelpack.audit.facts import Ancestor
from modelpack.audit.lineage.asked import Asked
from modelpack.audit.lineage.graph import Graph
from modelpack.errors import InputError, NotFound
from modelpack.oci import Digest

MAX_DEPTH = 100
MAX_TOLD = 10_000
"""Generations and ancestors that one tree has at most."""


def ascent(graph: Graph, asked: Asked, *, depth: int = 0) -> Lineage:
    """The tree of what a manifest was made from, ``depth`` generations (0: as many as a tree may have). Each is told whole once;
    where it stands again it is a leaf.

    Raises InputError (a question that is not about one manifest), NotFound (one that was not seen).
    """
    digest = str(asked.digest) if asked.digest else graph.tagged(asked.place, asked.tag) if asked.tag else ""
    if not (asked.digest or asked.tag):
        raise InputError(f"{asked.text} is no single manifest", hint="give a tag or a digest, or --derived")
    places = graph.places(digest) if digest else []
    if not places:
        raise NotFound(f"{asked.text} is not in the state", hint="audit its repository first")
    place = asked.place if asked.place in places else places[0]
    return _Climb(graph, min(depth or MAX_DEPTH, MAX_DEPTH)).artifact(place, digest, None, 0)


class _Climb:
    def __init__(self, graph: Graph, depth: int) -> None:
        self.graph = graph
        self.depth = depth
        self.told: set[str] = set()
        self.count = 0

    def artifact(self, place: str, digest: str, said: Ancestor | None, generation: int) -> Lineage:
        """One that was seen."""
        self.told.add(digest)
        above = tuple(self._ancestor(one, generation + 1) for one in self.graph.above(place, digest))
        subject, _ = self.graph.seen(place, digest)
        relation = said.relation if said else ""
        return Lineage(place, f"oci://{subject}", Digest.parse(digest), relation, True, "", (), above)  # noqa: FBT003  # resolved

    def _ancestor(self, said: Ancestor, generation: int) -> Lineage:
        self.count += 1
        places = self.graph.places(str(said.digest)) if said.digest else []
        if not places:
            return _leaf(said, "by name only" if not said.pinned else "not in the state")
        if str(said.digest) in self.told:
            return _leaf(said, "told above")
        if generation > self.depth or self.count > MAX_TOLD:
            return _leaf(said, "deeper than was asked for" if generation > self.depth else "too many in one tree")
        named = said.uri.removeprefix("oci://").partition("@")[0]
        return self.artifact(named if named in places else places[0], str(said.digest), said, generation)


def _leaf(said: Ancestor, note: str) -> Lineage:
    return Lineage(said.name, _uri(said), said.digest, said.relation, False, note, said.licenses)  # noqa: FBT003  # resolved


def _uri(said: Ancestor) -> str:
    """With the commit, which is not told otherwise."""
    return f"{said.uri}@{said.commit}" if said.commit and said.uri else said.uri
