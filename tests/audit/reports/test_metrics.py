"""The textfile for Prometheus."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from modelpack.audit import Finding, Severity, Subject
from modelpack.audit.reports import metrics as module
from modelpack.audit.reports.metrics import escaped, last_success, metrics
from modelpack.audit.results import Results
from modelpack.audit.rules import default
from tests.audit.reports.made import FINISHED, audited, hostile, ordinary

LINE = re.compile(r'(modelpack_audit_[a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? ([0-9.]+)')


def series(results: Results, before: float | None = None) -> dict[tuple[str, str], float]:
    """Read as the text format says: HELP and TYPE before each family, each line once."""
    told: dict[tuple[str, str], float] = {}
    typed: list[str] = []
    for line in b"".join(metrics(results, before)).decode().splitlines():
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
            continue
        if line.startswith("# HELP "):
            continue
        match = LINE.fullmatch(line)
        assert match, line
        assert match[1] == typed[-1]
        assert (match[1], match[2] or "") not in told
        told[match[1], match[2] or ""] = float(match[3])
    assert len(set(typed)) == len(typed)
    return told


def test_figures() -> None:
    told = series(replace(ordinary(), complete=True))
    assert told["modelpack_audit_findings", 'rule="MP051",severity="critical"'] == 1
    assert told["modelpack_audit_findings", 'rule="MP001",severity="medium"'] == 0
    assert told["modelpack_audit_artifacts", 'kind="model"'] == 23
    assert told["modelpack_audit_signatures", 'state="expired"'] == 1
    assert told["modelpack_audit_unchecked", ""] == 2
    assert told["modelpack_audit_exempt", ""] == 1
    assert told["modelpack_audit_models_clean", ""] == 13
    assert told["modelpack_audit_repositories", ""] == 15
    assert told["modelpack_audit_duration_seconds", ""] == 72.5
    assert told["modelpack_audit_complete", ""] == 1
    assert told["modelpack_audit_last_success_timestamp_seconds", ""] == FINISHED.timestamp()


def test_hostile_rules_are_labels() -> None:
    told = series(hostile())
    assert any("<script>" in labels for _, labels in told)
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def test_an_incomplete_audit_keeps_the_last_success() -> None:
    name = ("modelpack_audit_last_success_timestamp_seconds", "")
    assert name not in series(ordinary())
    told = series(ordinary(), before=1700000000.25)
    assert (told[name], told["modelpack_audit_complete", ""]) == (1700000000.25, 0)
    assert told["modelpack_audit_last_run_timestamp_seconds", ""] == FINISHED.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "modelpack_audit_last_success_timestamp_seconds x",
        "modelpack_audit_last_success_timestamp_seconds " + "9" * 40,
    ],
)
def test_a_file_without_a_success(text: str) -> None:
    assert last_success(text) is None


def test_the_success_that_was_written_is_read() -> None:
    assert last_success(b"".join(metrics(replace(ordinary(), complete=True))).decode()) == FINISHED.timestamp()


def test_cardinality_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RULES", 5)
    extra = tuple(Finding(f"X{number}", Severity.LOW, Subject("h/a"), "x") for number in range(300))
    told = series(audited((), extra=extra))
    labels = [labels for name, labels in told if name == "modelpack_audit_findings"]
    assert len(labels) == 6
    assert told["modelpack_audit_findings", 'rule="other",severity="low"'] == 300
    assert [rule.id for rule in default()[:5]] == sorted(
        {re.findall('rule="(.*?)"', each)[0] for each in labels} - {"other"}
    )
