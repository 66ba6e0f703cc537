"""What an audit came to: everything that a report is made of. Nothing of it is held in memory but the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelpack.audit.facts import Estate
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.rules import Rule
from modelpack.oci import JSONObject


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts. ``artifacts`` by sort, ``severities`` and ``rules`` of findings that count, ``exempt`` of those that the policy
    tolerates, ``unchecked`` of those that say that something could not be looked at.

    ``collected`` artifacts were read now, ``kept`` were known from before. ``requests`` are HTTP requests, ``scrubbed`` bytes
    that were hashed again.
    """

    repositories: int = 0
    tags: int = 0
    artifacts: Mapping[str, int] = field(default_factory=dict, hash=False)
    severities: Mapping[Severity, int] = field(default_factory=dict, hash=False)
    rules: Mapping[str, int] = field(default_factory=dict, hash=False)
    exempt: int = 0
    unchecked: int = 0
    collected: int = 0
    kept: int = 0
    requests: int = 0
    scrubbed: int = 0
    seconds: float = 0.0

    def to_json(self) -> JSONObject:
        """For programs."""
        return {
            "repositories": self.repositories,
            "tags": self.tags,
            "artifacts": dict(sorted(self.artifacts.items())),
            "severities": {str(severity): self.severities.get(severity, 0) for severity in Severity},
            "rules": dict(sorted(self.rules.items())),
            "exempt": self.exempt,
            "unchecked": self.unchecked,
            "collected": self.collected,
            "kept": self.kept,
            "requests": self.requests,
            "scrubbed": self.scrubbed,
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class Tally:
    """Counts while they grow."""

    artifacts: Counter[str] = field(default_factory=Counter)
    severities: Counter[Severity] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    exempt: int = 0
    unchecked: int = 0
    repositories: int = 0
    tags: int = 0
    collected: int = 0
    kept: int = 0
    scrubbed: int = 0

    def add(self, finding: Finding) -> None:
        """Count a finding for what it is."""
        if finding.exempt:
            self.exempt += 1
        elif finding.unchecked:
            self.unchecked += 1
        else:
            self.severities[finding.severity] += 1
            self.rules[finding.rule] += 1

    def summary(self, *, requests: int = 0, seconds: float = 0.0) -> Summary:
        """What was counted so far."""
        return Summary(
            repositories=self.repositories,
            tags=self.tags,
            artifacts=dict(self.artifacts),
            severities=dict(self.severities),
            rules=dict(self.rules),
            exempt=self.exempt,
            unchecked=self.unchecked,
            collected=self.collected,
            kept=self.kept,
            requests=requests,
            scrubbed=self.scrubbed,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class Results:
    """One audit. ``findings`` may be gone through several times, in the order in which they were made: of artifacts, repository
    by repository, then of all together. ``complete`` says that it came to its end and that nothing remained unchecked.

    ``rules`` are those that were asked; ``estate.artifacts()`` are the artifacts.
    """

    started: datetime
    finished: datetime
    targets: tuple[str, ...]
    rules: tuple[Rule, ...]
    findings: Iterable[Finding]
    summary: Summary
    estate: Estate
    complete: bool
    tool: str = ""
    """Name and version of who audited: ``modelpack 0.1.0``."""
