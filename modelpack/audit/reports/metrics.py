"""Figures for Prometheus, as node_exporter's textfile collector reads them (text format 0.0.4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from modelpack.audit.facts import Sort
from modelpack.audit.findings import Severity
from modelpack.audit.reports.figures import figures
from modelpack.audit.results import Results

MAX_RULES = 200
"""Rules that get time series of their own; findings of others are counted together as ``other``."""

_SUCCESS = "modelpack_audit_last_success_timestamp_seconds"
_LABELS: Mapping[str, str] = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}

Series = Mapping[tuple[tuple[str, str], ...], float]


def metrics(results: Results, before: float | None = None) -> Iterator[bytes]:
    """Gauges. ``before`` is when the last complete audit before this one ended (seconds since 1970): a file that is replaced by
    one of an incomplete audit must go on saying it, or no alarm could ask how long ago that was.
    """
    seen = figures(results)
    kinds = {str(sort): results.summary.artifacts.get(sort, 0) for sort in Sort}
    finished = results.finished.timestamp()
    success = finished if results.complete else before
    yield _gauge("findings", "Findings that count, by rule and severity.", _findings(results, seen.rules))
    yield _gauge("exempt", "Findings that the policy tolerates.", _one(results.summary.exempt))
    yield _gauge("unchecked", "Things that could not be checked; never clean.", _one(results.summary.unchecked))
    yield _gauge(
        "artifacts",
        "Manifests that were seen, by kind.",
        _by("kind", kinds),
    )
    yield _gauge("models_clean", "Models without findings, and of which all could be checked.", _one(seen.clean))
    yield _gauge(
        "signatures",
        "Models by the state of their signatures.",
        _by("state", {str(state): count for state, count in seen.signatures.items()}),
    )
    yield _gauge("repositories", "Repositories that were seen.", _one(results.summary.repositories))
    seconds = (results.finished - results.started).total_seconds()
    yield _gauge("duration_seconds", "How long the audit took.", _one(seconds))
    yield _gauge(
        "complete", "1 if the audit came to its end and nothing remained unchecked, or 0.", _one(results.complete)
    )
    yield _gauge("last_run_timestamp_seconds", "When the last audit ended.", _one(finished))
    if success is not None:
        yield _gauge("last_success_timestamp_seconds", "When the last complete audit ended.", _one(success))


def last_success(text: str) -> float | None:
    """When a metrics file that was written before says that the last complete audit ended."""
    found = re.search(rf"^{_SUCCESS} ([0-9]{{1,12}}(?:\.[0-9]{{1,9}})?)$", text, re.MULTILINE | re.ASCII)
    return float(found[1]) if found else None


def escaped(value: str) -> str:
    """A label's value."""
    return "".join(_LABELS.get(character, character) for character in value)


def _findings(results: Results, counted: Mapping[tuple[str, Severity], int]) -> Series:
    """Rules that found nothing have a series, too: zero is not the same as nothing."""
    named = {rule.id for rule in [*results.rules][:MAX_RULES]}
    series = Counter[tuple[tuple[str, str], ...]]()
    for rule in [*results.rules][:MAX_RULES]:
        series[("rule", rule.id), ("severity", str(rule.severity))] += 0
    for (rule_id, severity), count in counted.items():
        series[("rule", rule_id if rule_id in named else "other"), ("severity", str(severity))] += count
    return dict(sorted(series.items()))


def _by(label: str, counts: Mapping[str, int]) -> Series:
    return {((label, str(value)),): count for value, count in counts.items()}


def _one(value: float) -> Series:
    return {(): value}


def _gauge(name: str, meaning: str, series: Series) -> bytes:
    full = f"modelpack_audit_{name}"
    lines = [f"# HELP {full} {meaning}", f"# TYPE {full} gauge"]
    for labels, value in series.items():
        inner = ",".join(f'{label}="{escaped(said)}"' for label, said in labels)
        lines.append(f"{full}{f'{{{inner}}}' if inner else ''} {_number(value)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
