"""What an audit says: findings, about subjects, with a severity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from modelpack.oci import Digest, JSONObject


class Severity(StrEnum):
    """How bad a finding is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical, down to 0 for info."""
        return 4 - list(Severity).index(self)


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a finding is about: a manifest in a repository, a repository (no digest), or a registry (no slash in ``place``).

    ``place`` is ``host/repository``, ``oci:PATH`` or ``host``; ``tags`` are those that led to the manifest, sorted.
    """

    place: str
    digest: Digest | None = None
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``host/repository:tag@sha256:…``, with the first tag."""
        tag = f":{self.tags[0]}" if self.tags else ""
        return f"{self.place}{tag}" + (f"@{self.digest}" if self.digest else "")

    def to_json(self) -> JSONObject:
        """For programs."""
        return {"place": self.place, "digest": str(self.digest) if self.digest else None, "tags": list(self.tags)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule says of a subject.

    ``place`` is where in it (a file's path, a layer's digest, a signature's manifest), ``message`` one sentence without a stop.
    ``exempt`` is the reason for which the policy tolerates it, empty if it does not: then it counts for nothing. ``unchecked``
    says that something could not be looked at: neither good nor bad, and never clean. ``data`` is for programs.
    """

    rule: str
    severity: Severity
    subject: Subject
    message: str
    place: str = ""
    remedy: str = ""
    exempt: str = ""
    unchecked: bool = False
    data: JSONObject = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """What stays the same from audit to audit while the matter does: not the digest, which a new version changes."""
        return "|".join((self.rule, self.subject.place, self.subject.tags[0] if self.subject.tags else "", self.place))

    def to_json(self) -> JSONObject:
        """For programs (``schemas/modelpack-audit.schema.json``)."""
        said: JSONObject = {
            "rule": self.rule,
            "severity": str(self.severity),
            "subject": self.subject.to_json(),
            "place": self.place,
            "message": self.message,
            "remedy": self.remedy,
            "exempt": self.exempt,
            "unchecked": self.unchecked,
            "data": self.data,
        }
        return {key: value for key, value in said.items() if value not in ("", {}, False)}
