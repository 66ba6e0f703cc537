"""docs/lineage.md shows commands that the program takes, and says what is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from modelpack.audit import rules
from modelpack.audit.lineage import MAX_FOUND, Asked
from tests.manifests.test_kubernetes import parsed

TEXT = (Path(__file__).parents[3] / "docs" / "lineage.md").read_text(encoding="utf-8")
SHOWN = [
    command.strip()
    for line in re.findall(r"^\$ (.*?)(?: +#.*)?$", TEXT, re.MULTILINE)
    for command in re.split(r"&&|\||>", line)
    if command.strip().startswith("modelpack ")
]


@pytest.mark.parametrize("line", SHOWN)
def test_commands(line: str) -> None:
    command, values = parsed(shlex.split(line)[1:])
    assert command in ("audit", "lineage", "diff")
    if command == "lineage":
        Asked.parse(values["question"].replace("…", "0" * 64))


def test_enough_is_shown() -> None:
    assert len(SHOWN) >= 10
    assert f"{MAX_FOUND:,}" in TEXT


def test_rules_that_are_named_exist() -> None:
    known = {rule.id for rule in rules.default()}
    assert set(re.findall(r"MP\d{3}", TEXT)) <= known


def test_links_lead_somewhere() -> None:
    docs = Path(__file__).parents[3] / "docs"
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (docs / link).exists(), link
