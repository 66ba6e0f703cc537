"""The table of rules, their words, and rules of other packages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.audit.rules import EstateRule, Rule, default, installed, rule
from modelpack.errors import InputError


def test_ids_are_our_own_and_in_order() -> None:
    ids = [one.id for one in default()]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"MP\d{3}", name) for name in ids)
    assert len({one.title for one in default()}) == len(ids)


def test_the_rules_of_the_reference_are_there() -> None:
    wanted = (
        "001 002 003 010 011 012 013 014 020 021 022 023 030 031 032 033 040 041 042 050 051 052 053 054 060 061 070 071 "
        "072 080 081 082 090 100 101 102 103 110 111"
    )
    assert {f"MP{number}" for number in wanted.split()} <= {one.id for one in default()}


@pytest.mark.parametrize("one", default(), ids=lambda one: one.id)
def test_words(one: Rule) -> None:
    assert one.title[0].islower()
    assert len(one.title) <= 60
    assert one.explanation.endswith(".")
    assert one.explanation.count(". ") >= 1 or len(one.explanation) > 100
    assert one.remedy.endswith((".", "`"))
    assert isinstance(one, Rule)
    assert "|" not in one.title + one.explanation + one.remedy, "they stand in a table"


def test_a_new_list_each_time() -> None:
    default().clear()
    assert default()


def test_one_rule() -> None:
    assert rule("mp013").id == "MP013"
    assert rule("ACME1", [replace(rule("MP010"), id="ACME1")]).title == "not signed"  # type: ignore[type-var]
    with pytest.raises(InputError, match="there is no rule 'MP999'"):
        rule("MP999")


def test_rules_over_the_estate_say_nothing_of_one() -> None:
    from tests.audit.rules.artifacts import NOW, Listed, clean, estate_hits

    wide = {one.id for one in default() if isinstance(one, EstateRule)}
    assert wide == {"MP082", "MP083", "MP090", "MP091", "MP092", "MP103", "MP120", "MP130"}
    assert estate_hits(Listed((clean(),))) == {}
    assert NOW.tzinfo


PLUGIN = """
from modelpack.audit import Severity
from modelpack.audit.rules import ArtifactCheck, Hit

def made(name):
    return ArtifactCheck(name, "no owner", Severity.LOW, "Nobody to ask.", "Name one.", lambda a, s: [Hit("nobody")])

ONE = made("ACME1")
LIST = [made("ACME2"), made("ACME3")]
TAKEN = made("MP010")
TEXT = "MP010"
def several(): return (made("ACME4"),)
def failing(): raise RuntimeError("no database")

class Own:
    id, title, severity = "ACME5", "own", Severity.INFO
    explanation, remedy = "Why.", "What."
    def check(self, artifact, settings): return ()

OWN = Own()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a distribution with entry points importable."""
    (tmp_path / "acme_rules.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Install(tmp_path)
    sys.modules.pop("acme_rules", None)


class Install:
    """A distribution whose entry points are to be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *entries: str) -> None:
        info = self.folder / "acme_rules-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
        lines = [f"r{number} = acme_rules:{entry}" for number, entry in enumerate(entries)]
        (info / "entry_points.txt").write_text("\n".join(["[modelpack.rules]", *lines, ""]))


def test_nothing_is_installed_here() -> None:
    assert installed() == []


def test_rules_of_other_packages(install: Install) -> None:
    install("ONE", "LIST", "several", "OWN")
    found = installed()
    assert [one.id for one in found] == ["ACME1", "ACME2", "ACME3", "ACME4", "ACME5"]
    assert all(isinstance(one, Rule) for one in found)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "failing",
            "the entry point r0 = acme_rules:failing of acme-rules cannot be loaded: RuntimeError: no database",
        ),
        ("missing", "the entry point r0 = acme_rules:missing of acme-rules cannot be loaded: AttributeError"),
        ("TEXT", "gives str, which is no rule"),
        ("TAKEN", "has a rule 'MP010', an id that is taken"),
    ],
)
def test_an_entry_that_fails_is_named(install: Install, entry: str, message: str) -> None:
    install(entry)
    with pytest.raises(InputError, match=re.escape(message)):
        installed()
