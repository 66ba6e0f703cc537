"""Rules asked of facts, and the policy asked of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Finding, Severity, Subject
from modelpack.audit.policy import AuditPolicy, Settings, judge
from modelpack.audit.rules import EstateRule, Hit, Rule
from modelpack.scan import printable

UNREAD = "MP009"
"""The rule whose findings say that something could not be checked."""

MAX_HITS = 100
"""Findings of one rule about one artifact."""

MAX_ESTATE_HITS = 100_000
_SHOWN = 1000
_REMEDY = "Remove the cause that the finding names and audit again."


class Judge:
    """The rules, under a policy, at a time."""

    def __init__(self, rules: Sequence[Rule], policy: AuditPolicy | None, now: datetime) -> None:
        self.rules = tuple(rules)
        self.policy = policy or AuditPolicy()
        self.now = now
        self._known: tuple[str, Settings] | None = None

    def settings(self, place: str) -> Settings:
        """Those of a place; artifacts come by place, so that one is enough to remember."""
        if self._known is None or self._known[0] != place:
            self._known = (place, self.policy.settings_for(place, self.now))
        return self._known[1]

    def artifact(self, artifact: Artifact) -> Iterator[Finding]:
        """Everything that the rules say of one artifact."""
        settings = self.settings(artifact.subject.place)
        for rule in self.rules:
            if rule.id not in settings.disabled:
                yield from self._ask(rule, artifact, settings)

    def estate(self, estate: Estate) -> Iterator[Finding]:
        """Everything that they say of all artifacts together."""
        settings = self.settings("")
        for rule in self.rules:
            if isinstance(rule, EstateRule) and rule.id not in settings.disabled:
                yield from self._made(rule, _checked(rule, estate, settings), Subject(""), MAX_ESTATE_HITS)

    def unread(self, subject: Subject, sentence: str, error: Exception) -> Iterator[Finding]:
        """What could not be done, so that rules could not be asked."""
        said = str(error) or type(error).__name__
        known = next((rule for rule in self.rules if rule.id == UNREAD), None)
        finding = Finding(
            UNREAD,
            known.severity if known else Severity.MEDIUM,
            subject,
            printable(f"{sentence}: {said}", _SHOWN),
            remedy=known.remedy if known else _REMEDY,
            unchecked=True,
            data={"error": type(error).__name__},
        )
        yield from self._judged(finding)

    def _ask(self, rule: Rule, artifact: Artifact, settings: Settings) -> Iterator[Finding]:
        yield from self._made(rule, _asked(rule, artifact, settings), artifact.subject, MAX_HITS)

    def _made(self, rule: Rule, hits: Iterable[Hit | Exception], subject: Subject, most: int) -> Iterator[Finding]:
        for number, hit in enumerate(islice(hits, most + 1)):
            if isinstance(hit, Exception):
                yield from self.unread(subject, f"the rule {rule.id} failed", hit)
            elif number == most:
                more = Finding(rule.id, rule.severity, subject, f"more than {most} findings; only the first are told")
                yield from self._judged(replace(more, unchecked=True))
            else:
                yield from self._judged(_finding(rule, hit, subject))

    def _judged(self, finding: Finding) -> Iterator[Finding]:
        found = judge(finding, self.settings(finding.subject.place))
        if found is not None:
            yield found


def _asked(rule: Rule, artifact: Artifact, settings: Settings) -> Iterator[Hit | Exception]:
    """A rule that fails says nothing more, which is told."""
    try:
        yield from rule.check(artifact, settings)
    except Exception as error:  # noqa: BLE001  # rules may be users' own
        yield error


def _checked(rule: EstateRule, estate: Estate, settings: Settings) -> Iterator[Hit | Exception]:
    try:
        yield from rule.check_estate(estate, settings)
    except Exception as error:  # noqa: BLE001  # rules may be users' own
        yield error


def _finding(rule: Rule, hit: Hit, subject: Subject) -> Finding:
    return Finding(
        rule.id,
        rule.severity,
        hit.subject or subject,
        printable(hit.message, _SHOWN),
        printable(hit.place, _SHOWN),
        rule.remedy,
        unchecked=hit.unchecked,
        data=hit.data,
    )
