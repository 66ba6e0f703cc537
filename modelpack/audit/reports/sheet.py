"""Findings for spreadsheets (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from modelpack.audit.findings import Finding
from modelpack.audit.reports.text import visible
from modelpack.audit.results import Results

COLUMNS = (
    "severity",
    "rule",
    "title",
    "place",
    "tags",
    "digest",
    "where",
    "message",
    "remedy",
    "unchecked",
    "exempt",
)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "|", "%")  # noqa: RUF001  # full width ones count, too


def csv_report(results: Results) -> Iterator[bytes]:
    """A header and a line for each finding."""
    titles = {rule.id: rule.title for rule in results.rules}
    yield _row(COLUMNS)
    for found in results.findings:
        yield _row([inert(cell) for cell in _cells(found, titles.get(found.rule, ""))])


def inert(cell: str) -> str:
    """A cell that no spreadsheet computes, on one line."""
    # What was a tab or a line end at the front is a backslash now; what stood behind it may not come to the front.
    text = visible(cell)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _cells(found: Finding, title: str) -> Sequence[str]:
    subject = found.subject
    return (
        str(found.severity),
        found.rule,
        title,
        subject.place,
        " ".join(subject.tags),
        str(subject.digest or ""),
        found.place,
        found.message,
        found.remedy,
        "yes" if found.unchecked else "",
        found.exempt,
    )


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
