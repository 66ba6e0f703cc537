"""audit: registries against rules."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.commands.audit.manifests import ManifestsOption, referred
from modelpack_cli.commands.audit.reporting import Reports, Shown, reports
from modelpack_cli.options import Command, QuietOption, connects
from modelpack_cli.output import as_json, counted, note, result, table
from modelpack_cli.trust import Trust, audited

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.audit.auditing import Audit
    from modelpack.audit.results import Results, Tally
    from modelpack.audit.rules import Rule

FOUND = 1
INCOMPLETE = 2
_EXPLAIN = "explain"
_OFTEN = 5.0
"""Seconds between two lines of progress."""


class FailOn(StrEnum):
    """From which severity on an audit has failed."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(audited(reports(audit))))


def audit(
    access: Access,
    trust: Trust,
    reports: Reports,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="A registry, host/namespace/, a repository, a reference, oci:PATH, or @FILE with a list of them.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        list[Path] | None, typer.Option("--targets", metavar="FILE", help="A list of targets, one a line. Repeatable.")
    ] = None,
    from_manifests: ManifestsOption = False,
    audit_policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="The audit policy: severities, exemptions, licences, revocations, whom to trust.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FILE", help="What audits remember: the next one sees what changed, in no time."
        ),
    ] = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")] = FailOn.HIGH,
    scrub: Annotated[
        str | None,
        typer.Option("--scrub", metavar="SIZE", help="Hash so much stored content again (500M, 20G), oldest first."),
    ] = None,
    fresh: Annotated[
        float,
        typer.Option("--fresh", metavar="HOURS", min=0, help="Judge signatures again that were judged longer ago."),
    ] = 24.0,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with an audit that was cut off less than a day ago.")
    ] = True,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="Also ask the rules of other packages that are installed here.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Ask what is wrong with everything in a registry.

    No weights are downloaded: manifests, headers and small files are read. With --state, the next audit asks only where
    tags lead. One reference alone is explained rule by rule.
    Exit code 0: nothing at or above --fail-on; 1: something; 2: not everything could be checked.

    \b
    modelpack audit registry.example --policy audit.yaml --state audit.db --html report.html
    modelpack audit registry.example/ml/ --key signer.pub --fail-on critical
    modelpack audit registry.example/ml/llama:v1
    modelpack audit --from-manifests k8s/*.yaml --fail-on medium
    modelpack audit explain MP013
    """
    from modelpack.audit.policy import AuditPolicy
    from modelpack.auditing import audit as begin

    chosen = list(targets or ())
    if chosen[:1] == [_EXPLAIN]:
        _explain(chosen[1:], _rules(plugins=plugins), reports.shown)
        return
    rules = _rules(plugins=plugins)
    if from_manifests:
        chosen, rules = referred(chosen, rules)
    wanted = _targets(chosen, listed or [])
    reports.check()
    auditing = begin(
        wanted,
        rules=rules,
        policy=AuditPolicy.load(audit_policy) if audit_policy else None,
        trust=trust.policy,
        state=state,
        fresh=timedelta(hours=fresh),
        resume=resume,
        scrub=_size(scrub) if scrub else 0,
        watch=None if quiet else _Progress(),
        access=access,
    )
    with auditing:
        _run(auditing, reports, fail_on, quiet=quiet)


def _run(auditing: Audit, reports: Reports, fail_on: FailOn, *, quiet: bool) -> None:
    from modelpack.audit.findings import Severity

    failed = False
    for finding in auditing:
        counts = not finding.unchecked and not finding.exempt
        failed = failed or (
            counts and fail_on is not FailOn.NONE and finding.severity.rank >= Severity(fail_on.value).rank
        )
    results = auditing.results()
    if auditing.is_single and reports.shown is Shown.TABLE:
        _explained(results)
    reports.tell(results, quiet=quiet)
    if failed:
        raise typer.Exit(FOUND)
    if not results.complete:
        raise typer.Exit(INCOMPLETE)


def _rules(*, plugins: bool) -> list[Rule]:
    from modelpack.audit.rules import default, installed

    return default() + (installed() if plugins else [])


def _targets(chosen: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Arguments and lists, in this order; ``@FILE`` is a list too."""
    from modelpack.audit.running import read_targets

    found = []
    for target in chosen:
        found += read_targets(Path(target[1:])) if target.startswith("@") else [target]
    for path in files:
        found += read_targets(path)
    return found


def _size(text: str) -> int:
    """Bytes, as people write them. Raises InputError."""
    from modelpack import InputError

    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([kmgt]?)b?", text, re.IGNORECASE | re.ASCII)
    if not found:
        raise InputError(f"--scrub takes bytes, not {text[:40]!r}", hint="such as 500M, 20G or 1T")
    return math.ceil(float(found[1]) * (1 << 10 * " kmgt".index(found[2].lower() or " ")))


class _Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self._told >= _OFTEN:
            self._told = now
            seen = sum(tally.artifacts.values())
            found = sum(tally.severities.values())
            note(f"{counted(tally.repositories, 'place')}, {counted(seen, 'manifest')}, {counted(found, 'finding')}")


def _explained(results: Results) -> None:
    """Every rule about the one artifact."""
    from modelpack.audit.explaining import explained

    for artifact in results.estate.artifacts():
        result(f"{artifact.subject} ({artifact.sort})")
        rows = [
            (f"  {one.outcome}", one.rule.id, one.rule.title, "; ".join(one.reasons)[:300] or "-")
            for one in explained(results, artifact)
        ]
        table(("  OUTCOME", "RULE", "ABOUT", "WHY"), rows)
        result("")


def _explain(names: list[str], rules: list[Rule], shown: Shown) -> None:
    """One rule in full, or all in a line each."""
    from modelpack.audit.rules import rule

    told = [rule(name, rules) for name in names] or rules
    if shown is Shown.JSON:
        as_json([_as_json(one) for one in told])
    elif not names:
        table(("RULE", "SEVERITY", "ABOUT"), [(one.id, str(one.severity), one.title) for one in told])
    else:
        for one in told:
            result(f"{one.id}  {one.severity}  {one.title}")
            result(one.explanation)
            result(f"What to do: {one.remedy}")


def _as_json(one: Rule) -> dict[str, str]:
    said = {"rule": one.id, "severity": str(one.severity), "title": one.title}
    return {**said, "explanation": one.explanation, "remedy": one.remedy}
