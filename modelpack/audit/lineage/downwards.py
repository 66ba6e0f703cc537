"""What was made from something, directly or through others: the question of a recall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from modelpack.attest.inventory.origins import HUB
from modelpack.audit.facts import Ancestor
from modelpack.audit.findings import Subject
from modelpack.audit.lineage.asked import Asked
from modelpack.audit.lineage.graph import Edge, Graph
from modelpack.errors import NotFound
from modelpack.oci import JSON, JSONObject

MAX_FOUND = 100_000
"""Artifacts that one answer lists. About 100 MB."""

MAX_WAY = 100
"""Steps of a way down that are told; of a longer one the first and the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """An artifact that was made from what was asked for. ``said`` is how it says so; ``parent`` the one between, None if there
    is none. ``generation`` counts from 1.

    ``certain`` is false if a step on the way names no version: then it may have been made from another one. ``gone`` says that
    it was there once.
    """

    subject: Subject
    said: Ancestor
    generation: int
    certain: bool
    gone: bool = False
    parent: Derived | None = field(default=None, repr=False)
    first: tuple[Derived, ...] = field(default=(), repr=False)
    """The first artifacts on the way, this one not: shared, so that long ways cost nothing."""

    @property
    def line(self) -> tuple[Derived, ...]:
        """The artifacts on the way, this one last; of more than MAX_WAY the first half and the last."""
        last: list[Derived] = []
        step: Derived | None = self
        while step is not None and step.generation > len(self.first) and len(last) < MAX_WAY // 2:
            last.append(step)
            step = step.parent
        return (*self.first, *reversed(last))

    @property
    def way(self) -> tuple[Ancestor, ...]:
        """What is said on each step, from what was asked for down to this one."""
        return tuple(one.said for one in self.line)

    def to_json(self) -> JSONObject:
        """For programs; who its parent is the answer as a whole says."""
        return {
            "subject": self.subject.to_json(),
            "generation": self.generation,
            "certain": self.certain,
            "gone": self.gone,
            "said": _said(self.said),
        }


def _said(said: Ancestor) -> JSONObject:
    told: JSONObject = {
        "role": said.role,
        "name": said.name,
        "uri": said.uri,
        "commit": said.commit,
        "digest": str(said.digest) if said.digest else "",
        "relation": said.relation,
        "source": said.source,
    }
    return {key: value for key, value in told.items() if value != ""}


@dataclass(frozen=True, slots=True)
class Descent:
    """An answer: ``found``, nearest first and what is certain before the rest. ``truncated`` says that there is more: more
    artifacts, or generations, than were asked for. Of ``unread`` artifacts it is not known what they were made from
    (:meth:`Graph.unread`, if that was asked).
    """

    asked: Asked
    found: tuple[Derived, ...]
    truncated: bool = False
    unread: int = 0

    def to_json(self) -> JSONObject:
        """For programs. ``parent`` is a place in the list, null for what was made from what was asked for itself."""
        numbers: dict[Derived | None, int | None] = {one: number for number, one in enumerate(self.found)}
        found: list[JSON] = [{**one.to_json(), "parent": numbers.get(one.parent)} for one in self.found]
        return {"asked": self.asked.text, "truncated": self.truncated, "unread": self.unread, "derived": found}


def descent(graph: Graph, asked: Asked, *, depth: int = 0, limit: int = MAX_FOUND) -> Descent:
    """Everything that was made from something, each artifact once, with the shortest way; ``depth`` generations (0: all).

    What names its ancestors without a version is listed too, and is not ``certain``. What was asked for is not listed, unless
    it was made from itself. Raises NotFound (a tag that is not known), and what reading the state raises.
    """
    walk = _Walk(graph, depth, limit)
    walk.begin(asked)
    return Descent(asked, tuple(walk.found), walk.truncated)


class _Walk:
    """First over all steps that name a version, then over the others: so a certain way is found before a shorter doubtful one."""

    def __init__(self, graph: Graph, depth: int, limit: int) -> None:
        self.graph = graph
        self.depth = depth
        self.limit = limit
        self.found: list[Derived] = []
        self.truncated = False
        self._seen: set[tuple[str, str]] = set()
        self._expanded: set[str] = set()

    def begin(self, asked: Asked) -> None:
        """Go all ways."""
        roots = self._roots(asked)
        self._expanded.update(roots)
        self._certainly(self._take(self._exact(asked, roots), None, certain=True))
        self._doubtfully(self._take(self._doubtful(asked, roots), None, certain=False))

    def _roots(self, asked: Asked) -> list[str]:
        """Manifests that are meant by the question: of an index also those that it lists."""
        if asked.digest:
            found = str(asked.digest)
        elif asked.tag:
            found = self.graph.tagged(asked.place, asked.tag)
            if not found:
                raise NotFound(
                    f"{asked.text} is not in the state", hint="audit its repository first, or give its digest"
                )
        else:
            return self.graph.digests_in(asked.place) if asked.place else []
        return [found, *self.graph.members(found)]

    def _exact(self, asked: Asked, roots: Iterable[str]) -> Iterator[Edge]:
        """Who says that it was made from this."""
        for root in roots:
            yield from self._children(root)
        if asked.commit:
            yield from self.graph.from_commit(asked.commit, asked.hub)
        elif asked.hub:
            yield from self.graph.from_uri(asked.hub)
        elif asked.place and not (asked.digest or asked.tag):
            yield from self.graph.from_place(asked.place)
        elif asked.name:
            yield from self.graph.from_name(asked.name)
            yield from self.graph.from_uri(asked.name)
            yield from self.graph.from_uri(f"{HUB}/{asked.name}")

    def _doubtful(self, asked: Asked, roots: Iterable[str]) -> Iterator[Edge]:
        """Who names it without a version, while the question is about one."""
        for root in roots:
            for place in self.graph.places(root):
                yield from self._loosely(place, root)
        if asked.commit:
            for uri in (asked.hub,) if asked.hub else self.graph.uris_of_commit(asked.commit):
                yield from self.graph.from_loose_uri(uri)

    @cached_property
    def _indexes(self) -> bool:
        return self.graph.has_indexes()

    @cached_property
    def _loose(self) -> frozenset[str]:
        """Asked for when there is something that could be meant: most questions of a long revocation list find nothing."""
        return self.graph.loose_uris()

    def _certainly(self, wave: list[Derived]) -> None:
        """Generation after generation, until nothing is new."""
        while wave:
            wave = [child for one in wave for child in self._expand(one, certain=True)]

    def _doubtfully(self, wave: list[Derived]) -> None:
        """Beside each generation of what is doubtful goes that of what is certain, from which doubtful steps begin."""
        certain: dict[int, list[Derived]] = {}
        for one in self.found if self.found and self._loose else ():
            if one.certain:
                certain.setdefault(one.generation, []).append(one)
        generation = 1
        while wave or certain:
            beside = certain.pop(generation, [])
            following = [child for one in beside for child in self._step(self._loosely(*_key(one)), one, certain=False)]
            following += [child for one in wave for child in self._expand(one, certain=False)]
            wave = following
            generation += 1

    def _expand(self, one: Derived, *, certain: bool) -> list[Derived]:
        place, digest = _key(one)
        loose = () if certain else self._loosely(place, digest)
        exact = () if digest in self._expanded else self._children(digest)
        self._expanded.add(digest)
        return self._step(chain(exact, loose), one, certain=certain)

    def _step(self, edges: Iterable[Edge], parent: Derived, *, certain: bool) -> list[Derived]:
        """The next generation, unless it would be one too many."""
        if self.depth and parent.generation >= self.depth:
            self.truncated = self.truncated or any(edge.key not in self._seen for edge in edges)
            return []
        return self._take(edges, parent, certain=certain)

    def _children(self, digest: str) -> Iterator[Edge]:
        yield from self.graph.from_digest(digest)
        if self._indexes:
            yield from self.graph.containers(digest)

    def _loosely(self, place: str, digest: str) -> Iterator[Edge]:
        """Who names a repository without a digest, and with no tag or one that leads or led to this one."""
        for uri in self.graph.uris_of(place, digest) if self._loose else ():
            if uri in self._loose:
                yield from self.graph.from_loose_uri(uri)

    def _take(self, edges: Iterable[Edge], parent: Derived | None, *, certain: bool) -> list[Derived]:
        """What is new of it."""
        new: list[Derived] = []
        for edge in edges:
            key = edge.key
            if key in self._seen:
                continue
            if len(self.found) >= self.limit:
                self.truncated = True
                break
            self._seen.add(key)
            generation = parent.generation + 1 if parent else 1
            new.append(Derived(edge.subject, edge.said, generation, certain, not edge.there, parent, _first(parent)))
            self.found.append(new[-1])
        return new


def _first(parent: Derived | None) -> tuple[Derived, ...]:
    if parent is None or len(parent.first) >= MAX_WAY // 2:
        return parent.first if parent else ()
    return (*parent.first, parent)


def _key(one: Derived) -> tuple[str, str]:
    return one.subject.place, str(one.subject.digest)
