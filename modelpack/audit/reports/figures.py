"""The figures of an audit: what all reports say at the top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelpack.audit.facts import Artifact, Cause, Sort
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.text import label
from modelpack.audit.results import Results
from modelpack.oci import JSONObject


class Vouched(StrEnum):
    """Who vouches for a model, by its best signature. Only the first is good."""

    TRUSTED = "trusted"
    LEGACY = "legacy"
    """By somebody who is trusted, but only in a format that new tools no longer write."""

    UNKNOWN = "unknown"
    """A sound signature of somebody whom the policy does not name."""

    EXPIRED = "expired"
    """The key or certificate had ended when it was used, or was revoked."""

    WRONG = "wrong"
    """A signature of something else."""

    UNSIGNED = "unsigned"
    """None, or only broken ones."""

    UNCHECKED = "unchecked"
    """It could not be found out."""


MEANINGS: Mapping[Vouched, str] = {
    Vouched.TRUSTED: "by somebody whom the policy trusts",
    Vouched.LEGACY: "trusted, but newer tools may not see it",
    Vouched.UNKNOWN: "sound, but by nobody whom the policy trusts",
    Vouched.EXPIRED: "the signer's key or certificate had ended, or was revoked",
    Vouched.WRONG: "made for another manifest or repository",
    Vouched.UNSIGNED: "no signature, or a broken one",
    Vouched.UNCHECKED: "it could not be found out",
}


def is_asked(artifact: Artifact) -> bool:
    """Whether somebody has to vouch for it: a model, or an index of variants, of which then only the index is asked."""
    return artifact.sort in (Sort.MODEL, Sort.INDEX) and not (artifact.listed_by and not artifact.subject.tags)


def vouched(artifact: Artifact) -> Vouched:
    """The state of a model's signatures, as rules MP010 to MP014 have it. Attestations do not vouch for a model."""
    signatures = [fact for fact in artifact.signatures if fact.kind != "attestation"]
    verified = [fact for fact in signatures if fact.status == "verified"]
    if verified:
        return Vouched.LEGACY if all(fact.legacy for fact in verified) else Vouched.TRUSTED
    causes = {fact.cause for fact in signatures}
    if Cause.OTHER_SUBJECT in causes:
        return Vouched.WRONG
    if causes & {Cause.EXPIRED, Cause.REVOKED}:
        return Vouched.EXPIRED
    statuses = {fact.status for fact in signatures if fact.cause is not Cause.BROKEN} - {"bad"}
    if "untrusted" in statuses:
        return Vouched.UNKNOWN
    return Vouched.UNCHECKED if statuses or artifact.is_unknown("MP010") else Vouched.UNSIGNED


def weight(artifact: Artifact) -> int:
    """Bytes of its layers."""
    return sum(layer.size for layer in artifact.layers)


def signers(artifact: Artifact) -> tuple[str, ...]:
    """Who is trusted and signed it, sorted."""
    verified = (fact for fact in artifact.signatures if fact.status == "verified" and fact.kind != "attestation")
    return tuple(sorted({name for fact in verified for name in fact.signers}))


@dataclass(frozen=True, slots=True)
class Figures:
    """What the audit's own summary does not count.

    ``signatures`` counts models that somebody has to vouch for by state; ``clean`` those of which everything could be
    checked and no rule said anything but "info"; ``rules`` findings that count by rule and severity; ``bytes`` are those of
    all layers that were named, as often as they were.
    """

    models: int
    clean: int
    bytes: int
    signatures: Mapping[Vouched, int]
    rules: Mapping[tuple[str, Severity], int]

    def to_json(self) -> JSONObject:
        """For programs."""
        return {
            "models": self.models,
            "clean": self.clean,
            "bytes": self.bytes,
            "signatures": {str(state): count for state, count in self.signatures.items()},
        }


def figures(results: Results) -> Figures:
    """Count, in one pass over everything that was seen."""
    rules = Counter[tuple[str, Severity]]()
    troubled = set()
    for found in results.findings:
        if found.severity is not Severity.INFO and not found.exempt:
            troubled.add((found.subject.place, found.subject.digest))
        if label(found) == found.severity:
            rules[found.rule, found.severity] += 1
    states = Counter[Vouched]()
    size = clean = 0
    for artifact in results.estate.artifacts():
        size += weight(artifact)
        if is_asked(artifact):
            states[vouched(artifact)] += 1
            clean += not artifact.unchecked and (artifact.subject.place, artifact.subject.digest) not in troubled
    signatures = {state: states[state] for state in Vouched}
    return Figures(states.total(), clean, size, signatures, dict(sorted(rules.items())))


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first: what counts, then what could not be checked, then what is exempt; equal for equal findings."""
    return sorted(
        findings,
        key=lambda found: (
            bool(found.exempt),
            -found.severity.rank,
            found.unchecked,
            found.rule,
            found.subject.place,
            found.subject.tags,
            str(found.subject.digest or ""),
            found.place,
            found.message,
        ),
    )
