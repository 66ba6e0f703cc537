"""A registry of a hundred models, most with one defect: every rule speaks exactly where it should, and nowhere else.

They are made by modelpack, oras, cosign and by hand, served by `modelpack serve`, and audited twice, with changes in between.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import pytest

from modelpack.access import Access
from modelpack.audit.auditing import Audit, Options
from modelpack.audit.findings import Finding
from modelpack.audit.policy import AuditPolicy
from modelpack.audit.reports import KINDS
from modelpack.audit.results import Summary
from modelpack.audit.rules import default
from modelpack.oci.schema import schema_problems
from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.audit.reports.test_documents import SCHEMA, written
from tests.audit.reports.test_sarif import check_sarif
from tests.audit.seed import building, changes
from tests.audit.seed.kit import CASES, Kit
from tests.audit.seed.workshop import Workshop
from tests.real.tools import run


@dataclass(frozen=True)
class Audited:
    """What is to be said of each place, and what was."""

    expected: Mapping[str, set[str]]
    findings: Mapping[str, tuple[Finding, ...]]
    summary: Summary
    reports: Mapping[str, bytes]

    def difference(self) -> dict[str, tuple[list[str], list[str]]]:
        """Places of which other rules speak than should: which should, which do."""
        places = sorted({*self.expected, *self.findings})
        said = {place: {one.rule for one in self.findings.get(place, ())} for place in places}
        return {
            place: (sorted(self.expected.get(place, ())), sorted(said[place]))
            for place in places
            if said[place] != self.expected.get(place, set())
        }


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Audited, Audited]]:
    """The registry, audited before and after the changes."""
    folder = tmp_path_factory.mktemp("seeded")
    for name in ("work", "cosign"):
        (folder / name).mkdir()
    run("cosign", "generate-key-pair", cwd=folder / "cosign", env={"COSIGN_PASSWORD": "", "HOME": str(folder)})
    with (
        LayoutStore(folder / "layout") as layout,
        LayoutStore(folder / "other") as other,
        Server(layout) as server,
        Server(other) as elsewhere,
    ):
        shop = Workshop()
        kit = Kit(server.host, elsewhere.host, folder / "work", folder / "cosign", shop, shop.lose, shop.junk)
        expected = building.build(kit, live=False)
        shop.pour(folder / "layout")
        kit.access = Access()
        expected |= building.build(kit, live=True)
        expected[kit.place("nowhere")] = {"MP120"}
        policy = AuditPolicy.load(building.policy(kit))
        first = audit(kit, policy, expected)
        changes.change(kit)
        second = audit(kit, policy, expected | {kit.place(name): rules for name, rules in changes.CHANGED.items()})
        yield first, second


def audit(kit: Kit, policy: AuditPolicy, expected: Mapping[str, set[str]]) -> Audited:
    """One audit of both registries."""
    found: dict[str, list[Finding]] = defaultdict(list)
    options = Options(policy=policy, jobs=4)
    with Audit(Access(), [kit.host, kit.other], building.rules(kit), kit.folder / "audit.db", options) as running:
        for finding in running:
            found[finding.subject.place].append(finding)
        results = running.results()
        reports = {kind: written(kind, results) for kind in KINDS}
    told = {place: tuple(several) for place, several in found.items()}
    return Audited(expected, told, results.summary, reports)


def test_each_rule_speaks_where_it_should_and_nowhere_else(audits: tuple[Audited, Audited]) -> None:
    assert audits[0].difference() == {}


def test_and_again_after_the_changes(audits: tuple[Audited, Audited]) -> None:
    assert audits[1].difference() == {}


def test_every_rule_has_spoken(audits: tuple[Audited, Audited]) -> None:
    spoken = {one.rule for audited in audits for several in audited.findings.values() for one in several}
    assert {rule.id for rule in default()} - spoken == set()


def test_there_are_enough_models() -> None:
    defects = [one for one in CASES if one.rules]
    assert len(defects) >= 60
    assert len(CASES) - len(defects) >= 20
    assert len({one.name for one in CASES}) == len(CASES)


def test_findings_are_about_the_model_and_say_what_to_do(audits: tuple[Audited, Audited]) -> None:
    remedies = {rule.id: rule.remedy for rule in default()}
    for several in audits[0].findings.values():
        for finding in several:
            assert finding.remedy == remedies[finding.rule]
            assert finding.message
            assert not finding.message.endswith(".")
            assert finding.message.isprintable()
            assert finding.subject.digest or finding.rule in ("MP120", "MP130")


def test_the_second_audit_reads_only_what_changed(audits: tuple[Audited, Audited]) -> None:
    first, second = (audited.summary for audited in audits)
    assert first.kept == 0
    assert second.collected <= 2
    assert second.requests < first.requests / 5


def test_what_was_said_before_is_said_again(audits: tuple[Audited, Audited]) -> None:
    """From what is remembered, word for word."""
    first, second = audits
    same = set(first.expected) - {place for place in first.expected if "/later-" in place}
    for place in same:
        assert _said(second, place) == _said(first, place), place


def _said(audited: Audited, place: str) -> set[tuple[str, str, str]]:
    found = (replace(one, data={}) for one in audited.findings.get(place, ()))
    return {(one.rule, one.place, one.message) for one in found}


def test_reports_are_valid_and_say_the_same(audits: tuple[Audited, Audited]) -> None:
    for audited in audits:
        document = json.loads(audited.reports["json"])
        assert schema_problems(document, SCHEMA, "audit") == ()
        assert {one["rule"] for one in document["findings"]} == {
            one.rule for several in audited.findings.values() for one in several
        }
        told = check_sarif(json.loads(audited.reports["sarif"]))
        assert len(told["results"]) == len(document["findings"])
        junit = ElementTree.fromstring(audited.reports["junit"]).attrib
        assert int(junit["errors"]) == document["summary"]["unchecked"]
        assert b"MP013" in audited.reports["html"]


def test_the_bar_of_signatures_says_what_the_rules_say(audits: tuple[Audited, Audited]) -> None:
    """Each state has a rule of its own, which speaks once of a model."""
    rules = {"unsigned": "MP010", "unknown": "MP011", "expired": "MP012", "wrong": "MP013", "legacy": "MP014"}
    summary = json.loads(audits[0].reports["json"])["summary"]
    assert {state: summary["signatures"][state] for state in rules} == {
        state: summary["rules"][rule] for state, rule in rules.items()
    }
    assert sum(summary["signatures"].values()) == summary["models"]
