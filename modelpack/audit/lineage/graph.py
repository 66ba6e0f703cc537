"""The graph that a state file holds: which artifacts say that they were made from what. Each question is a query with an index.

Nodes are manifests, wherever they are; Hub models at commits; and names. An edge is one line of the table ``ancestors``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from modelpack.audit.facts import Ancestor
from modelpack.audit.findings import Subject
from modelpack.oci import Digest

Rows: TypeAlias = Callable[[str, tuple[Any, ...]], Iterator[Any]]
"""Asks an SQLite database (:meth:`modelpack.audit.state.State.rows`)."""

MAX_NAMES = 1000
"""Names (repositories, tags, URLs) by which one manifest may be meant."""

DESCENT = "MP090"
"""The rule that asks for descent: what it lacks is not known here either."""

_EDGE = "place, digest, role, name, uri, [commit], ancestor, relation, source"
_SEEN = """
    (SELECT gone FROM artifacts WHERE place = known.place AND digest = known.digest),
    (SELECT json_group_array(tag) FROM tags INDEXED BY tags_digest
        WHERE place = known.place AND digest = known.digest AND gone = 0)"""
"""Of an artifact ``known``: null if it was never seen, 0 if it was there when its repository was last listed; and its tags."""

_FIRST = f"""
SELECT {_EDGE}, {_SEEN}, min(number) FROM ancestors AS known WHERE {{}} GROUP BY place, digest ORDER BY place, digest"""  # noqa: S608  # constants
"""Of an artifact that says the same several times, the first: SQLite takes the other columns from the line of the minimum."""

_NO_VERSION = "ancestor = '' AND [commit] = ''"
LOOSE = f"""
SELECT DISTINCT lower(uri) FROM ancestors INDEXED BY ancestors_loose
WHERE {_NO_VERSION} AND uri >= 'oci:' AND uri < 'oci;'"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Edge:
    """An artifact, and what it says that it was made from; ``there`` if its repository still has it."""

    subject: Subject
    said: Ancestor
    there: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """The artifact's place and digest."""
        return self.subject.place, str(self.subject.digest)


class Graph:
    """Questions about single steps."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # who says that it was made from something

    def from_digest(self, digest: str) -> Iterator[Edge]:
        """From that very manifest."""
        return self._edges("ancestor = ?", digest)

    def from_commit(self, commit: str, hub: str = "") -> Iterator[Edge]:
        """From that very commit, of one Hub model or of any that has it."""
        if hub:
            return self._edges("[commit] = ? AND uri = ? COLLATE NOCASE", commit, hub)
        return self._edges("[commit] = ?", commit)

    def from_uri(self, uri: str) -> Iterator[Edge]:
        """From any version of a Hub model or data set."""
        return self._edges("uri = ? COLLATE NOCASE", uri)

    def from_loose_uri(self, uri: str) -> Iterator[Edge]:
        """The same, if no version is said."""
        return self._edges(f"uri = ? COLLATE NOCASE AND {_NO_VERSION}", uri)

    def from_name(self, name: str) -> Iterator[Edge]:
        """From something that they call so."""
        return self._edges("name = ? COLLATE NOCASE", name)

    def from_place(self, place: str) -> Iterator[Edge]:
        """From any manifest of a repository."""
        uri = place if place.startswith("oci:") else f"oci://{place}"
        yield from self._edges("uri = ? COLLATE NOCASE", uri)
        for mark in ":@":
            below = ("uri >= ? COLLATE NOCASE AND uri < ? COLLATE NOCASE", f"{uri}{mark}", f"{uri}{chr(ord(mark) + 1)}")
            yield from self._edges(*below)

    def has_indexes(self) -> bool:
        """Whether any was seen."""
        return any(self._rows("SELECT 1 FROM members LIMIT 1", ()))

    def containers(self, digest: str) -> Iterator[Edge]:
        """Indexes that list a manifest: who uses them uses it."""
        query = """
            SELECT place, digest FROM members
            WHERE place IN (SELECT place FROM artifacts WHERE digest = ?1) AND member = ?1 ORDER BY 1, 2"""
        for place, parent in self._rows(query, (digest,)):
            said = Ancestor("member", "", f"oci://{place}@{digest}", "", Digest.parse(digest), "contains", (), "index")
            subject, there = self.seen(place, parent)
            yield Edge(subject, said, there)

    # by which names something is known

    def uris_of_commit(self, commit: str) -> list[str]:
        """Hub models of which somebody names that commit."""
        query = "SELECT DISTINCT uri FROM ancestors WHERE [commit] = ? AND uri <> '' ORDER BY 1"
        return [str(row[0]) for row in self._limited(query, commit)]

    def loose_uris(self) -> frozenset[str]:
        """Everything in registries that is named without a digest, in lower case."""
        return frozenset(str(row[0]) for row in self._rows(LOOSE, ()))

    def uris_of(self, place: str, digest: str) -> list[str]:
        """What may mean a manifest where no digest is said: its repository, and with the tags that lead or led to it."""
        query = "SELECT tag FROM tags WHERE place = ?1 AND (digest = ?2 OR previous = ?2) ORDER BY 1"
        return [_uri(place, ""), *(_uri(place, row[0]) for row in self._limited(query, place, digest))]

    def digests_in(self, place: str) -> list[str]:
        """Manifests that were ever seen in a repository."""
        query = "SELECT digest FROM artifacts WHERE place = ? ORDER BY 1"
        return [str(row[0]) for row in self._rows(query, (place,))]

    def members(self, digest: str) -> list[str]:
        """Manifests that an index lists."""
        query = """
            SELECT DISTINCT member FROM members
            WHERE place IN (SELECT place FROM artifacts WHERE digest = ?1) AND digest = ?1 ORDER BY 1"""
        return [str(row[0]) for row in self._rows(query, (digest,))]

    def tagged(self, place: str, tag: str) -> str:
        """What a tag leads to, as far as is known; ``""`` if that is nothing."""
        query = "SELECT digest FROM tags WHERE place = ? AND tag = ? ORDER BY gone LIMIT 1"
        return next((str(row[0]) for row in self._rows(query, (place, tag))), "")

    # artifacts

    def seen(self, place: str, digest: str) -> tuple[Subject, bool]:
        """An artifact with the tags that lead to it, and whether it was there when its repository was last listed."""
        query = f"SELECT {_SEEN} FROM (SELECT ? AS place, ? AS digest) AS known"  # noqa: S608  # constants
        gone, tags = next(self._rows(query, (place, digest)))
        return _subject(place, digest, tags), gone == 0

    def places(self, digest: str) -> list[str]:
        """Repositories that have, or had, a manifest."""
        return [str(row[0]) for row in self._rows("SELECT place FROM artifacts WHERE digest = ? ORDER BY 1", (digest,))]

    def unread(self) -> int:
        """How many artifacts there are of which it is not known what they were made from: their files could not be read."""
        query = """
            SELECT count(*) FROM artifacts WHERE gone = 0 AND EXISTS (
                SELECT 1 FROM json_each(facts, '$.unchecked') AS one, json_each(one.value, '$.rules') AS rule
                WHERE rule.value = ?)"""
        return int(next(self._rows(query, (DESCENT,)))[0])

    def above(self, place: str, digest: str) -> list[Ancestor]:
        """What one artifact says that it was made from, each once."""
        query = f"SELECT {_EDGE}, min(number) FROM ancestors WHERE place = ? AND digest = ? GROUP BY uri, name, [commit], ancestor ORDER BY min(number)"  # noqa: E501, S608  # constants
        return [_said(row) for row in self._limited(query, place, digest)]

    def edges(self) -> Iterator[Edge]:
        """All that is there, by place and digest: for a picture."""
        query = f"SELECT {_EDGE}, {_SEEN} FROM ancestors AS known ORDER BY place, digest, number"  # noqa: S608  # constants
        return map(_edge, self._rows(query, ()))

    def _edges(self, condition: str, *values: str) -> Iterator[Edge]:
        return map(_edge, self._rows(_FIRST.format(condition), values))

    def _limited(self, query: str, *values: str) -> Sequence[Any]:
        return [row for _, row in zip(range(MAX_NAMES), self._rows(query, values), strict=False)]


def _edge(row: Any) -> Edge:
    return Edge(_subject(row[0], row[1], row[10]), _said(row), row[9] == 0)


def _said(row: Any) -> Ancestor:
    _, _, role, name, uri, commit, ancestor, relation, source = row[:9]
    return Ancestor(role, name, uri, commit, Digest.parse(ancestor) if ancestor else None, relation, (), source)


def _subject(place: str, digest: str, tags: str) -> Subject:
    return Subject(place, Digest.parse(digest), tuple(sorted(json.loads(tags))))


def _uri(place: str, tag: str) -> str:
    start = place if place.startswith("oci:") else f"oci://{place}"
    return (f"{start}:{tag}" if tag else start).lower()
