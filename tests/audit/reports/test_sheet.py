"""CSV that no spreadsheet computes."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.audit.reports.sheet import COLUMNS, inert
from tests.audit.reports.made import hostile, ordinary
from tests.audit.reports.test_documents import written


def test_a_line_for_each_finding() -> None:
    rows = [*csv.DictReader(io.StringIO(written("csv", ordinary()).decode(), newline=""))]
    assert tuple(rows[0]) == COLUMNS
    assert [(row["rule"], row["message"]) for row in rows] == [
        (found.rule, found.message) for found in ordinary().findings
    ]
    assert {row["exempt"] for row in rows} == {"", "the lab signs on release"}
    assert {row["unchecked"] for row in rows} == {"", "yes"}


def test_hostile_cells_are_text() -> None:
    text = written("csv", hostile()).decode()
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert '\'=HYPERLINK("http://evil.example","x")' in cells
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "|calc", "%0A"])  # noqa: RUF001  # full width
def test_formulas(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(codec=None), max_size=8))
def test_no_cell_begins_a_formula_or_breaks_a_line(cell: str) -> None:
    assert inert(cell).isprintable()
    assert not inert(cell).lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
