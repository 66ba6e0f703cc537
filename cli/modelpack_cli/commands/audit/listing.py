"""An audit's findings for people at a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from modelpack_cli.output import counted, result, table

if TYPE_CHECKING:
    from modelpack.audit import Finding
    from modelpack.audit.results import Results


def show(results: Results) -> None:
    """Findings by what they are about, worst first, and the sum. What is exempt is only counted."""
    from modelpack.audit.reports import ordered

    told = [found for found in ordered(results.findings) if not found.exempt]
    told.sort(key=lambda found: (found.subject.place, found.subject.tags, str(found.subject.digest or "")))
    for subject, group in groupby(told, key=lambda found: found.subject):
        result(str(subject))
        table(("  SEVERITY", "RULE", "WHERE", "WHAT"), [_row(found) for found in group])
        result("")
    for line in summary(results):
        result(line)


def summary(results: Results) -> list[str]:
    """What it came to, in a few lines; the last is the verdict."""
    from modelpack.audit.reports import Vouched, figures

    seen, totals = figures(results), results.summary
    bad = [f"{count} {state}" for state, count in seen.signatures.items() if count and state is not Vouched.TRUSTED]
    signed = f"{seen.signatures[Vouched.TRUSTED]} signed by somebody trusted"
    severities = [f"{count} {severity}" for severity, count in totals.severities.items() if count]
    rest = f"{totals.unchecked} not checked, {totals.exempt} exempt"
    lines = [
        f"{counted(seen.models, 'model')} in {counted(totals.repositories, 'place')}, {seen.clean} clean",
        f"signatures: {', '.join([signed, *bad])}",
        f"findings: {', '.join([*sorted(severities, key=_rank), rest])}",
    ]
    return [*lines, "complete" if results.complete else "not complete: what was not checked is not clean"]


def _rank(counted: str) -> int:
    from modelpack.audit import Severity

    return -Severity(counted.rpartition(" ")[2]).rank


def _row(found: Finding) -> tuple[str, str, str, str]:
    severity = "not checked" if found.unchecked else str(found.severity)
    return f"  {severity}", found.rule, found.place or "-", found.message
