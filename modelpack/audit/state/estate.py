"""The state as rules over all artifacts may ask it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from modelpack.audit.facts import Ancestor, Artifact
from modelpack.audit.findings import Subject
from modelpack.audit.lineage import Asked, Graph, descent
from modelpack.audit.state.state import State
from modelpack.errors import NotFound
from modelpack.oci import Digest


class StoredEstate:
    """Implements :class:`modelpack.audit.facts.Estate` for the run that a state is in."""

    def __init__(self, state: State) -> None:
        self.state = state

    def artifacts(self) -> Iterator[Artifact]:
        """Each artifact of this audit, by place and digest."""
        yield from self.state.artifacts()

    def artifact(self, place: str, digest: Digest) -> Artifact | None:
        """One of them."""
        return self.state.artifact(place, digest)

    def known(self, digest: Digest) -> tuple[Subject, ...]:
        """Where a manifest is, as far as was ever seen and not missed since."""
        rows = self._rows("SELECT place FROM artifacts WHERE digest = ? AND gone = 0 ORDER BY place", str(digest))
        return tuple(self._subject(place, str(digest)) for (place,) in rows)

    def vanished(self) -> Iterator[tuple[Subject, str]]:
        """Tags and manifests that this audit is the first to miss."""
        run = self.state.run
        for place, tag, digest in self._rows("SELECT place, tag, digest FROM tags WHERE gone = ? ORDER BY 1, 2", run):
            yield Subject(place, Digest.parse(digest), (tag,)), "tag"
        for place, digest in self._rows("SELECT place, digest FROM artifacts WHERE gone = ? ORDER BY 1, 2", run):
            yield Subject(place, Digest.parse(digest)), "digest"

    def duplicates(self) -> Iterator[tuple[Digest, tuple[tuple[Subject, str, Digest, int], ...]]]:
        """Contents that are stored as several different layers."""
        query = """
            SELECT files.content, files.place, files.digest, path, layer, files.size FROM files
            JOIN artifacts ON artifacts.place = files.place AND artifacts.digest = files.digest
            WHERE artifacts.run = ? AND artifacts.gone = 0 AND content IN
                (SELECT content FROM files GROUP BY content HAVING min(layer) <> max(layer))
            ORDER BY files.content, files.place, files.digest, path"""
        for content, rows in groupby(self._rows(query, self.state.run), lambda row: row[0]):
            found = tuple(
                (self._subject(place, digest), path, Digest.parse(layer), size)
                for _, place, digest, path, layer, size in rows
            )
            if len({layer for _, _, layer, _ in found}) > 1:
                yield Digest.parse(content), found

    def derived(self, base: Digest | str) -> Iterator[tuple[Subject, tuple[Ancestor, ...]]]:
        """What is here and was made from a manifest, a commit or a name (:class:`modelpack.audit.lineage.Asked`), nearest first,
        each once, with the way down to it.
        """
        try:
            found = descent(Graph(self.state.rows), Asked.parse(str(base)))
        except NotFound:  # a tag that leads nowhere
            return
        yield from ((one.subject, one.way) for one in found.found if not one.gone)

    def _subject(self, place: str, digest: str) -> Subject:
        query = "SELECT tag FROM tags WHERE place = ? AND digest = ? AND gone = 0 ORDER BY tag"
        return Subject(place, Digest.parse(digest), tuple(row[0] for row in self._rows(query, place, digest)))

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return list(self.state.rows(query, values))
