"""What audits remember: repositories, tags, artifacts, who signed them, and how far a scrub has come.

Times are seconds since 1970, runs count from 1. All that is written becomes lasting at :meth:`State.commit`, which is called now
and then: an audit that is killed loses what came since.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelpack.audit.facts import Artifact, Before, BlobProblem, BlobState, SignatureFact
from modelpack.audit.findings import Finding, Subject
from modelpack.audit.state.codec import pack, unpack
from modelpack.audit.state.database import connect, lock, sqlite_errors
from modelpack.oci import Descriptor, Digest

PATIENCE = 0.5
"""Seconds of work that a crash may cost."""

RESUMABLE = 86400.0
"""Seconds after which an audit that was cut off is begun anew."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of an artifact besides its facts. ``parent`` is the index that led to it, if no tag did."""

    digest: Digest
    parent: str
    fingerprint: str
    collected: float
    judged: float
    fresh_run: int


class State:
    """An open state file. One thread at a time. Raises InputError, DocumentError, Unavailable (another audit), NoSpace."""

    def __init__(self, path: Path | None = None, *, reading: bool = False) -> None:
        """``path`` None: a temporary one. ``reading`` takes no lock: the one who writes need not wait for us."""
        self.path = path
        self.run = 0
        self._lock = lock(path) if path and not reading else None
        try:
            self.database = connect(path)
        except BaseException:
            self._unlock()
            raise
        self._begun = 0.0
        self._sick = self._one("SELECT 1 FROM blobs WHERE problem <> ''") is not None

    def __enter__(self) -> Self:
        """The state itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Keep what there is, and close."""
        self.close()

    def close(self) -> None:
        """Keep what there is, and close. May be called twice."""
        try:
            self.commit()
        finally:
            self.database.close()
            self._unlock()

    def commit(self) -> None:
        """Make lasting what was written."""
        if self._begun:
            with sqlite_errors(self.path):
                self.database.execute("COMMIT")
            self._begun = 0.0

    # runs

    def begin(self, fingerprint: str, now: float, *, resume: bool) -> bool:
        """Begin a run, or go on with one that was cut off. Whether it is gone on with.

        ``fingerprint`` says what is audited and how: another one makes it another audit.
        """
        row = self._one("SELECT run, fingerprint, started, finished FROM runs ORDER BY run DESC LIMIT 1")
        unfinished = row and row[3] is None and row[1] == fingerprint and 0 <= now - row[2] < RESUMABLE
        if row and unfinished and resume:
            self.run = int(row[0])
        else:
            self._write("INSERT INTO runs (fingerprint, started) VALUES (?, ?)", (fingerprint, now))
            self.run = int(self._one("SELECT max(run) FROM runs")[0])
        self._write("DELETE FROM findings", ())
        self.commit()
        return bool(unfinished and resume)

    def finish(self, now: float, summary: str) -> None:
        """The run has come to its end."""
        self._write("UPDATE runs SET finished = ?, summary = ? WHERE run = ?", (now, summary, self.run))
        self.commit()

    def resume_last(self) -> None:
        """For who only reads: speak of the last run that has begun."""
        self.run = int((self._one("SELECT max(run) FROM runs") or (0,))[0] or 0)

    def fact(self, name: str) -> str:
        """Something small that was noted; "" if it was not."""
        row = self._one("SELECT value FROM facts WHERE name = ?", (name,))
        return str(row[0]) if row else ""

    def note(self, name: str, value: str) -> None:
        """Note something small."""
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # repositories and tags

    def is_listed(self, place: str) -> bool:
        """Whether this run has listed a repository."""
        row = self._one("SELECT run FROM repositories WHERE place = ?", (place,))
        return bool(row and row[0] == self.run)

    def places(self, begin: str = "") -> Iterator[str]:
        """Repositories that were ever listed, whose names begin so."""
        below = "SELECT place FROM repositories WHERE place >= ? AND place < ? ORDER BY place"
        yield from (str(row[0]) for row in self.rows(below, (begin, begin + "\U0010ffff")))

    def list_place(self, place: str, tags: Mapping[str, Descriptor], now: float, *, complete: bool = True) -> None:
        """What a repository's tags lead to now; ``complete``: these are all, so that others are gone."""
        for tag, found in sorted(tags.items()):
            self._write(_TAG, (place, tag, str(found.digest), found.media_type, found.size, now, now, self.run))
        if complete:
            self._write(
                "UPDATE tags SET gone = ? WHERE place = ? AND run < ? AND gone = 0", (self.run, place, self.run)
            )
            self._write("INSERT OR REPLACE INTO repositories VALUES (?, ?, ?)", (place, self.run, now))

    def tags(self, place: str) -> dict[str, Descriptor]:
        """The tags of a place that this run saw."""
        rows = self.rows(
            "SELECT tag, media_type, digest, size FROM tags WHERE place = ? AND run = ? ORDER BY tag",
            (place, self.run),
        )
        return {str(tag): Descriptor(str(kind), Digest.parse(digest), size) for tag, kind, digest, size in rows}

    def unreached(self, place: str) -> list[Digest]:
        """Manifests that earlier runs found in a place and that no tag of this run leads to."""
        query = """SELECT digest FROM artifacts AS known WHERE place = ? AND parent = '' AND gone = 0 AND NOT EXISTS
            (SELECT 1 FROM tags WHERE tags.place = known.place AND tags.digest = known.digest AND tags.run = ?)"""
        return [Digest.parse(row[0]) for row in self.rows(query, (place, self.run))]

    def lose(self, place: str, digest: Digest) -> None:
        """A manifest is not there any more."""
        self._write(
            "UPDATE artifacts SET gone = ? WHERE place = ? AND (digest = ? OR parent = ?) AND gone = 0",
            (self.run, place, str(digest), str(digest)),
        )

    # artifacts

    def record(self, place: str, digest: Digest) -> Record | None:
        """What is remembered of an artifact."""
        row = self._one(
            "SELECT parent, fingerprint, collected, judged, fresh_run FROM artifacts WHERE place = ? AND digest = ?",
            (place, str(digest)),
        )
        return Record(digest, *row) if row else None

    def members(self, place: str, digest: Digest) -> list[Digest]:
        """Artifacts that were found through an index."""
        rows = self.rows("SELECT digest FROM artifacts WHERE place = ? AND parent = ?", (place, str(digest)))
        return [Digest.parse(row[0]) for row in rows]

    def touch(self, place: str, digest: Digest, now: float) -> None:
        """An artifact, and what was found through it, is there unchanged."""
        self._write(_TOUCH, (self.run, now, self.run, place, str(digest), str(digest)))

    def keep(self, artifact: Artifact, *, parent: str, fingerprint: str, collected: float, judged: float) -> None:
        """Remember what was found out about an artifact now."""
        place, digest = artifact.subject.place, str(artifact.subject.digest)
        now = judged
        lost = self._lost(place, digest, artifact)
        facts = pack(replace(artifact, subject=Subject(place, artifact.subject.digest), before=Before()))
        values = (place, digest, parent, fingerprint, collected, judged, now, now, self.run, self.run, facts)
        self._write(_KEEP, values)
        if lost:
            self._write(
                "UPDATE artifacts SET lost = ?, lost_run = ? WHERE place = ? AND digest = ?",
                ("\n".join(lost), self.run, place, digest),
            )
        self._index(place, digest, artifact, now)

    def artifact(self, place: str, digest: Digest) -> Artifact | None:
        """An artifact of any run, with the tags that lead to it now and what earlier runs knew."""
        row = self._one(f"SELECT {_COLUMNS} FROM artifacts WHERE place = ? AND digest = ?", (place, str(digest)))  # noqa: S608  # a constant
        return self._artifact(row) if row else None

    def artifacts(self) -> Iterator[Artifact]:
        """Those of this run, by place and digest; one at a time."""
        query = f"SELECT {_COLUMNS} FROM artifacts WHERE run = ? AND gone = 0 ORDER BY place, digest"  # noqa: S608  # a constant
        yield from map(self._artifact, self.rows(query, (self.run,)))

    def _artifact(self, row: Any) -> Artifact:
        place, digest, first, last, lost, lost_run, facts = row
        tags = self.rows(
            "SELECT tag, previous, moved FROM tags WHERE place = ? AND digest = ? AND run = ? ORDER BY tag",
            (place, digest, self.run),
        )
        found = list(tags)
        before = Before(
            tuple((tag, Digest.parse(previous)) for tag, previous, moved in found if moved == self.run),
            tuple(lost.split("\n")) if lost and lost_run == self.run else (),
            moment(first) if last is not None else None,
            moment(last),
        )
        subject = Subject(place, Digest.parse(digest), tuple(tag for tag, _, _ in found))
        indexes = self.rows(_LISTED_BY, (place, digest, self.run))
        listed_by = tuple(Digest.parse(one) for (one,) in indexes)
        known = unpack(Artifact, facts)
        blobs = self._blobs(place, digest, known.blobs)
        return replace(known, subject=subject, before=before, listed_by=listed_by, blobs=blobs)

    def _lost(self, place: str, digest: str, artifact: Artifact) -> list[str]:
        """Signers whose verified signature was there, and whose carrier is not. Attestations do not stand for a signature."""
        verified = {signer for one in artifact.signatures if _vouches(one) for signer in one.signers}
        there = {str(one.manifest) for one in artifact.signatures}
        rows = self.rows("SELECT carrier, signer FROM signers WHERE place = ? AND digest = ?", (place, digest))
        return sorted({signer for carrier, signer in rows if carrier not in there and signer not in verified})

    def _index(self, place: str, digest: str, artifact: Artifact, now: float) -> None:
        """What is asked across artifacts."""
        for table in ("signers", "ancestors", "files", "members", "uses"):
            self._write(f"DELETE FROM {table} WHERE place = ? AND digest = ?", (place, digest))  # noqa: S608  # a constant
        for one in artifact.signatures:
            for signer in one.signers if _vouches(one) else ():
                self._write(
                    "INSERT OR REPLACE INTO signers VALUES (?, ?, ?, ?, ?)",
                    (place, digest, str(one.manifest), signer, now),
                )
        for number, base in enumerate(artifact.ancestors):
            row = (base.role, base.name, base.uri, base.commit, str(base.digest or ""), base.relation, base.source)
            self._write("INSERT INTO ancestors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (place, digest, number, *row))
        for member in artifact.members:
            self._write("INSERT OR IGNORE INTO members VALUES (?, ?, ?)", (place, str(member), digest))
        for layer in (*artifact.layers, *((artifact.config,) if artifact.config else ())):
            if layer.file_digest:
                values = (str(layer.file_digest), str(layer.digest), place, digest, layer.path, layer.size)
                self._write("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)
            self._write(
                "INSERT OR IGNORE INTO blobs (place, digest, size, media_type) VALUES (?, ?, ?, ?)",
                (place, str(layer.digest), layer.size, layer.media_type),
            )
            self._write("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", (place, digest, str(layer.digest)))

    # blobs

    def oldest_blobs(self, now: float) -> Iterator[tuple[str, Descriptor]]:
        """Layers of this run's artifacts that were not hashed now, those first that were not for longest."""
        for place, media_type, digest, size in list(self.rows(_OLDEST, (now, self.run))):
            yield place, Descriptor(media_type, Digest.parse(digest), size)

    def scrubbed(self, place: str, digest: Digest, problem: BlobProblem | None, now: float) -> None:
        """A blob was hashed: well, or with a problem that stays known until it was hashed well."""
        values = (now, str(problem.state) if problem else "", problem.message if problem else "", place, str(digest))
        self._write("UPDATE blobs SET checked = ?, problem = ?, message = ? WHERE place = ? AND digest = ?", values)
        self._sick = self._sick or problem is not None

    def users(self, place: str, blob: Digest) -> list[Digest]:
        """This run's artifacts that have a blob."""
        rows = self.rows(
            "SELECT digest FROM uses WHERE place = ? AND blob = ? AND digest IN"
            " (SELECT digest FROM artifacts WHERE place = ? AND run = ? AND gone = 0) ORDER BY digest",
            (place, str(blob), place, self.run),
        )
        return [Digest.parse(row[0]) for row in rows]

    def _blobs(self, place: str, digest: str, known: tuple[BlobProblem, ...]) -> tuple[BlobProblem, ...]:
        """With what scrubs have found."""
        told = {one.digest for one in known}
        rows = self.rows(_PROBLEMS, (place, digest)) if self._sick else ()
        found = (BlobProblem(Digest.parse(blob), BlobState(state), message) for blob, state, message in rows)
        return (*known, *(one for one in found if one.digest not in told))

    # findings

    def add(self, finding: Finding) -> None:
        """Keep a finding of this run."""
        self._write("INSERT INTO findings (run, finding) VALUES (?, ?)", (self.run, pack(finding)))

    def findings(self) -> Iterator[Finding]:
        """Those of this run, in the order in which they were made."""
        for row in self.rows("SELECT finding FROM findings WHERE run = ? ORDER BY number", (self.run,)):
            yield unpack(Finding, row[0])

    # the connection

    def _write(self, statement: str, values: Iterable[Any]) -> None:
        with sqlite_errors(self.path):
            if not self._begun:
                self.database.execute("BEGIN IMMEDIATE")
                self._begun = time.monotonic()
            self.database.execute(statement, tuple(values))

    def rest(self) -> None:
        """A moment at which everything is in order: commit if the last time is a while ago."""
        if self._begun and time.monotonic() - self._begun > PATIENCE:
            self.commit()

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        with sqlite_errors(self.path):
            return self.database.execute(query, values).fetchone()

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        """The rows of a query over the tables (:mod:`modelpack.audit.state.database`)."""
        with sqlite_errors(self.path):
            yield from self.database.execute(query, values)

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a time; None for None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


_LISTED_BY = """
SELECT members.digest FROM members JOIN artifacts ON artifacts.place = members.place AND artifacts.digest = members.digest
WHERE members.place = ? AND members.member = ? AND artifacts.run = ? AND artifacts.gone = 0 ORDER BY 1
"""
_OLDEST = """
SELECT blobs.place, media_type, blobs.digest, size FROM blobs WHERE checked < ? AND EXISTS (
    SELECT 1 FROM uses JOIN artifacts ON artifacts.place = uses.place AND artifacts.digest = uses.digest
    WHERE uses.place = blobs.place AND uses.blob = blobs.digest AND artifacts.run = ? AND artifacts.gone = 0)
ORDER BY checked, blobs.place, blobs.digest LIMIT 100000
"""
_PROBLEMS = """
SELECT blob, problem, message FROM uses JOIN blobs ON blobs.place = uses.place AND blobs.digest = uses.blob
WHERE uses.place = ? AND uses.digest = ? AND problem <> '' ORDER BY blob
"""


def _vouches(one: SignatureFact) -> bool:
    return one.status == "verified" and one.kind != "attestation"


_COLUMNS = "place, digest, first_seen, previous, lost, lost_run, facts"
_TAG = """
INSERT INTO tags (place, tag, digest, media_type, size, first_seen, last_seen, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place, tag) DO UPDATE SET
    previous = CASE WHEN digest <> excluded.digest THEN digest ELSE previous END,
    moved = CASE WHEN digest <> excluded.digest THEN excluded.run ELSE moved END,
    first_seen = CASE WHEN digest <> excluded.digest THEN excluded.first_seen ELSE first_seen END,
    digest = excluded.digest, media_type = excluded.media_type, size = excluded.size, last_seen = excluded.last_seen,
    run = excluded.run, gone = 0
"""
_TOUCH = """
UPDATE artifacts SET previous = CASE WHEN run < ? THEN last_seen ELSE previous END, last_seen = ?, run = ?, gone = 0
WHERE place = ? AND (digest = ? OR parent = ?)
"""
_KEEP = """
INSERT INTO artifacts
    (place, digest, parent, fingerprint, collected, judged, first_seen, last_seen, run, fresh_run, facts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place, digest) DO UPDATE SET
    previous = CASE WHEN run < excluded.run THEN last_seen ELSE previous END,
    parent = excluded.parent, fingerprint = excluded.fingerprint, collected = excluded.collected,
    judged = excluded.judged, last_seen = excluded.last_seen, run = excluded.run, fresh_run = excluded.fresh_run,
    gone = 0, facts = excluded.facts
"""
