"""An audit: targets are listed, manifests examined, rules asked, findings told as they come; and all of it remembered."""

from __future__ import annotations

import hashlib
import json
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from modelpack.audit.collecting import Collecting
from modelpack.audit.findings import Finding, Subject
from modelpack.audit.policy import AuditPolicy
from modelpack.audit.results import Results, Summary, Tally
from modelpack.audit.rules import Rule
from modelpack.audit.running.crew import stream
from modelpack.audit.running.examine import Examined, Examiner, Item
from modelpack.audit.running.judging import Judge
from modelpack.audit.running.scrub import scrub
from modelpack.audit.running.survey import Apis, Listed, Survey
from modelpack.audit.running.targets import Kind, Places, unique
from modelpack.audit.running.trusted import trust_fingerprint
from modelpack.audit.state import State, StoredEstate
from modelpack.errors import InputError, NotFound
from modelpack.oci import Descriptor, Digest
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.oci.reference import attached_to
from modelpack.trust import Policy, PolicyFile

FRESH = timedelta(hours=24)
"""How long a verdict counts while nothing changes: keys expire, and blobs get lost."""

Watch = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to audit.

    ``trust`` goes before what the policy says; ``fresh`` is the age above which verdicts are judged again; ``resume`` goes on
    with an audit of the same targets that was cut off; ``scrub`` are bytes to hash again; ``tool`` is who audits, with
    version; ``watch`` is told the counts after each manifest.
    """

    policy: AuditPolicy | None = None
    trust: Policy | PolicyFile | None = None
    fresh: timedelta = FRESH
    resume: bool = True
    scrub: int = 0
    jobs: int = 8
    tool: str = ""
    watch: Watch | None = None
    now: datetime | None = None


class Audit:
    """Iterate over it to audit: findings come as they are made, first of artifacts, then of all together. What came to the end
    can be iterated over again. Close it, or use it as a context manager; a temporary state goes with it.

    Raises InputError and InvalidReference (targets), and those of the state file; what cannot be read in a registry is a finding.
    """

    def __init__(
        self,
        places: Places,
        targets: Iterable[str],
        rules: Iterable[Rule],
        state: Path | None = None,
        options: Options | None = None,
    ) -> None:
        self.options = options or Options()
        self.rules = tuple(rules)
        if len({rule.id for rule in self.rules}) != len(self.rules):
            raise InputError("two rules have the same id")
        self.targets = unique(targets)
        self._places = places
        self.started = self.options.now or datetime.now(UTC)
        self.tally = Tally()
        self.complete = True
        self.finished: datetime | None = None
        self._requests = 0
        self._begun = time.monotonic()
        self._seconds = 0.0
        self._state = State(state)
        self._closer = weakref.finalize(self, State.close, self._state)
        self._judge = Judge(self.rules, self.options.policy, self.started)

    def __enter__(self) -> Self:
        """The audit itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the state."""
        self.close()

    def close(self) -> None:
        """Close the state; an audit that has not come to its end can be gone on with."""
        self._closer()

    def __iter__(self) -> Iterator[Finding]:
        """Audit; or, if that was done, tell the findings again."""
        if self.finished is not None:
            yield from self._state.findings()
            return
        self.tally = Tally()
        trust = self.options.trust or (self.options.policy.trust if self.options.policy else None)
        fingerprint = self._fingerprint()
        self._state.begin(fingerprint, self._now, resume=self.options.resume)
        for finding in self._found(trust):
            self.tally.add(finding)
            self.complete = self.complete and not (finding.unchecked and not finding.exempt)
            self._state.add(finding)
            yield finding
        self.finished = max(self.started, datetime.now(UTC)) if self.options.now is None else self.started
        self._seconds = time.monotonic() - self._begun
        self._state.finish(self.finished.timestamp(), json.dumps(self._summary().to_json()))

    @property
    def is_single(self) -> bool:
        """Whether one artifact is asked about, and no place as a whole."""
        return [target.kind for target in self.targets] == [Kind.ARTIFACT]

    def results(self) -> Results:
        """What reports are made of. Before the end, what there is."""
        return Results(
            started=self.started,
            finished=self.finished or datetime.now(UTC),
            targets=tuple(target.text for target in self.targets),
            rules=self.rules,
            findings=_Again(self._state),
            summary=self._summary(),
            estate=StoredEstate(self._state),
            complete=self.complete and self.finished is not None,
            tool=self.options.tool,
        )

    @property
    def _now(self) -> float:
        return self.started.timestamp()

    def _summary(self) -> Summary:
        seconds = self._seconds or time.monotonic() - self._begun
        return self.tally.summary(requests=self._requests, seconds=seconds)

    def _fingerprint(self) -> str:
        """What makes it the same audit."""
        said = "\n".join(target.text for target in self.targets)
        return hashlib.sha256(f"{self.options.tool}\n{said}".encode()).hexdigest()

    def _found(self, trust: Policy | PolicyFile | None) -> Iterator[Finding]:
        how = Collecting(trust, self.started)
        examiner = Examiner(how, Apis(), self.options.tool, trust_fingerprint(trust))
        with Survey(self._places, self.options.jobs, self._state.is_listed) as survey:
            listed = survey.listed(survey.places(self.targets))
            errors: list[Finding] = []
            for outcome in stream(examiner, self._items(listed, examiner, errors), self.options.jobs):
                self._requests = survey.requests
                yield from self._pop(errors)
                yield from self._take(outcome)
                self._state.rest()
                if self.options.watch:
                    self.options.watch(self.tally)
            yield from self._pop(errors)
            self._forget(survey)
            if self.options.scrub:
                yield from self._scrub(survey)
            self._requests = survey.requests
        yield from self._judge.estate(StoredEstate(self._state))

    def _pop(self, findings: list[Finding]) -> Iterator[Finding]:
        found = findings[:]
        findings.clear()
        yield from found

    def _items(self, listed: Iterator[Listed], examiner: Examiner, errors: list[Finding]) -> Iterator[Item]:
        """What is to be examined, place by place; what could not be listed is told beside it."""
        for one in listed:
            place = one.place
            if place.error is not None:
                errors += self._judge.unread(Subject(place.name), "it could not be listed", place.error)
                if isinstance(place.error, NotFound) and place.name == next(self._state.places(place.name), ""):
                    self._forget_place(place.name)
                continue
            self.tally.repositories += 1
            if place.known:
                one = replace(one, tags=self._state.tags(place.name))
            for tag, error in one.errors.items():
                errors += self._judge.unread(Subject(place.name, None, (tag,)), f"{tag} could not be resolved", error)
            if not place.known:
                complete = place.complete and not one.errors
                self._state.list_place(place.name, one.tags, self._now, complete=complete)
            self.tally.tags += len(one.tags)
            yield from self._of(one, examiner)

    def _of(self, one: Listed, examiner: Examiner) -> Iterator[Item]:
        name, store = one.place.name, one.place.store
        assert store is not None  # noqa: S101  # there was no error
        found = one.by_digest()
        direct = frozenset(descriptor.digest for descriptor in found)
        attached = one.attached()
        listing = one.tags if one.place.complete and not name.startswith("oci:") else None
        for descriptor, tags in found.items():
            subject = next((digest for tag in tags if (digest := attached_to(tag))), None)
            if not tags and (known := self._state.artifact(name, descriptor.digest)):
                subject = known.refers_to
            anchor = subject is None or subject in direct
            item = Item(name, store, descriptor, tuple(tags), listing, attached, direct, anchor=anchor)
            item = replace(item, partial=not one.place.complete)
            yield self._known(item, examiner)
        if one.place.complete:
            for digest in self._state.unreached(name):
                if digest not in direct:
                    unreached = Descriptor(self._media_type(name, digest), digest, 0)
                    item = Item(name, store, unreached, (), listing, attached, direct, reached=False)
                    yield self._known(item, examiner)

    def _media_type(self, place: str, digest: Digest) -> str:
        known = self._state.artifact(place, digest)
        return known.media_type if known and known.media_type else OCI_MANIFEST

    def _known(self, item: Item, examiner: Examiner) -> Item:
        """With what is known of it."""
        record = self._state.record(item.place, item.descriptor.digest)
        if record is None:
            return item
        members = self._state.members(item.place, item.descriptor.digest)
        same_trust = record.fingerprint.endswith(f" {examiner.trust}")
        finished = same_trust and record.fresh_run == self._state.run
        old = self._now - record.judged > self.options.fresh.total_seconds()
        if finished or (same_trust and not old):
            return replace(item, record=record, members=tuple(members), finished=finished)
        stale = (self._state.artifact(item.place, digest) for digest in (item.descriptor.digest, *members))
        return replace(item, record=record, members=tuple(members), stale=tuple(one for one in stale if one))

    def _take(self, outcome: Examined) -> Iterator[Finding]:
        """Remember an outcome, and ask the rules."""
        item, digest = outcome.item, outcome.item.descriptor.digest
        if outcome.error is not None:
            subject = Subject(item.place, digest, item.tags)
            yield from self._judge.unread(subject, "it could not be examined", outcome.error)
            return
        if outcome.gone:
            self._state.lose(item.place, digest)
            return
        if outcome.artifacts:
            self._remember(outcome)
            digests = [one.subject.digest for one in outcome.artifacts]
        else:
            self._state.touch(item.place, digest, self._now)
            digests = [digest, *item.members]
            self.tally.kept += len(digests)
        for one in digests:
            artifact = self._state.artifact(item.place, one) if one is not None else None
            if artifact is not None:
                self.tally.artifacts[str(artifact.sort)] += 1
                yield from self._judge.artifact(artifact)

    def _remember(self, outcome: Examined) -> None:
        item, record = outcome.item, outcome.item.record
        collected = self._now if outcome.fresh or record is None else record.collected
        parent = str(item.descriptor.digest)
        if outcome.fresh:
            self.tally.collected += len(outcome.artifacts)
            for digest in set(item.members) - {one.subject.digest for one in outcome.artifacts}:
                self._state.lose(item.place, digest)
        else:
            self.tally.kept += len(outcome.artifacts)
        for number, artifact in enumerate(outcome.artifacts):
            self._state.keep(
                artifact,
                parent=parent if number else "",
                fingerprint=outcome.fingerprint,
                collected=collected,
                judged=self._now,
            )

    def _forget(self, survey: Survey) -> None:
        """Repositories that a complete list does not have any more."""
        for host, prefix in survey.catalogs:
            for place in list(self._state.places(f"{host}/{prefix}")):
                if not self._state.is_listed(place) and not survey.has_seen(place):
                    self._forget_place(place)

    def _forget_place(self, place: str) -> None:
        self._state.list_place(place, {}, self._now)
        for digest in self._state.unreached(place):
            self._state.lose(place, digest)

    def _scrub(self, survey: Survey) -> Iterator[Finding]:
        """Hash old blobs again; what is wrong becomes a fact of the artifacts that have it, and these are judged once more."""
        for done in scrub(self._state, survey, self.options.scrub, self._now, self.options.jobs):
            if done.error is not None:
                subject = Subject(done.place)
                yield from self._judge.unread(subject, f"{done.blob.digest} could not be hashed again", done.error)
                continue
            self.tally.scrubbed += done.blob.size
            for digest in self._state.users(done.place, done.blob.digest) if done.problem else ():
                artifact = self._state.artifact(done.place, digest)
                found = self._judge.artifact(artifact) if artifact else ()
                yield from (one for one in found if one.place == str(done.blob.digest))


class _Again:
    """Findings of a state, as often as they are wanted."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __iter__(self) -> Iterator[Finding]:
        return self._state.findings()
