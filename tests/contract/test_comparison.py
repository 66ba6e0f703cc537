"""Every claim in the comparison of docs/kubernetes.md is backed by tests that exist."""

from __future__ import annotations

import ast
import re

from tests.contract.sources import ROOT

TABLE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8").partition("## Compared")[2]
ROWS = [line.split("|")[1:-1] for line in TABLE.splitlines() if line.startswith("|") and not line.startswith("|---")]


def test_every_row_names_tests() -> None:
    head, *rows = ROWS
    assert [cell.strip() for cell in head[:3]] == ["", "modelpack stage", "tests"]
    assert len(rows) >= 20
    assert {len(row) for row in rows} == {len(head)}
    assert [row[0] for row in rows if not re.fullmatch(r"( `tests/[\w/]+\.py::test_\w+`)+ ", row[2])] == []
    assert [row[0] for row in rows if not row[1].strip()] == []


def test_the_tests_that_are_named_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TABLE))
    missing = [f"{file}::{name}" for file, name in sorted(named) if name not in functions(file)]
    assert missing == []


def functions(file: str) -> set[str]:
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_check_itself() -> None:
    assert "test_the_check_itself" in functions("tests/contract/test_comparison.py")
    assert functions("tests/contract/test_nothing.py") == set()
