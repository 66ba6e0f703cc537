"""Every rule about one artifact: passed, failed, not checked; and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from modelpack.audit.facts import Artifact
from modelpack.audit.findings import Finding
from modelpack.audit.results import Results
from modelpack.audit.rules import EstateRule, Rule


class Outcome(StrEnum):
    """What came of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    EXEMPT = "exempt"
    UNCHECKED = "not checked"
    ELSEWHERE = "not asked"
    """It compares artifacts, and there was one; or an earlier audit, and there was none."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A rule, its outcome, and sentences that say why."""

    rule: Rule
    outcome: Outcome
    reasons: tuple[str, ...] = ()


_DRIFT = frozenset({"MP080", "MP081", "MP084"})
"""Rules that compare with an earlier audit."""


def explained(results: Results, artifact: Artifact) -> Iterator[Explained]:
    """All rules of an audit about one of its artifacts, by id."""
    found = [one for one in results.findings if one.subject.digest == artifact.subject.digest]
    for rule in sorted(results.rules, key=lambda rule: rule.id):
        yield _one(rule, artifact, [one for one in found if one.rule == rule.id])


def _one(rule: Rule, artifact: Artifact, found: list[Finding]) -> Explained:
    told = tuple(f"{one.place}: {one.message}" if one.place else one.message for one in found)
    if any(not one.unchecked and not one.exempt for one in found):
        return Explained(rule, Outcome.FAILED, told)
    missing = tuple(f"{one.what}: {one.reason}" for one in artifact.unchecked if rule.id in one.rules)
    if missing or any(one.unchecked and not one.exempt for one in found):
        return Explained(rule, Outcome.UNCHECKED, (*told, *missing))
    if found:
        return Explained(rule, Outcome.EXEMPT, tuple(dict.fromkeys(one.exempt for one in found)))
    if isinstance(rule, EstateRule):
        return Explained(rule, Outcome.ELSEWHERE, ("it looks across all artifacts of a registry",))
    if rule.id in _DRIFT and artifact.before.first_seen is None:
        return Explained(rule, Outcome.ELSEWHERE, ("there was no earlier audit with this state file",))
    return Explained(rule, Outcome.PASSED)
