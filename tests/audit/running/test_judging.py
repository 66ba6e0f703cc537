"""Rules of users' own, policies, and the call that scripts make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Severity
from modelpack.audit.policy import AuditPolicy, Settings
from modelpack.audit.rules import ArtifactCheck, EstateWideCheck, Hit, Rule
from modelpack.errors import InputError
from tests.audit.running.making import QUICK, audit, fill, run, said
from tests.faults import FaultyRegistry


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as registry:
        yield registry


def rule(name: str, check: Callable[[Artifact, Settings], Iterator[Hit]]) -> ArtifactCheck:
    """A rule of a user's own."""
    return ArtifactCheck(name, "t", Severity.LOW, "e", "r", check)


def failing(_: Artifact, __: Settings) -> Iterator[Hit]:
    yield Hit("before")
    raise ZeroDivisionError("oops")


def many(_: Artifact, __: Settings) -> Iterator[Hit]:
    return (Hit(f"one\n{number}") for number in range(1000))


def whole(estate: Estate, _: Settings) -> Iterator[Hit]:
    yield Hit("all", subject=next(iter(estate.artifacts())).subject)
    raise KeyError


def test_rules_of_users_may_fail(faulty: FaultyRegistry) -> None:
    fill(faulty, 1, 1)
    rules: list[Rule] = [
        rule("ACME1", failing),
        rule("ACME2", many),
        EstateWideCheck("ACME3", "t", Severity.LOW, "e", "r", whole),
    ]
    found, results = run(faulty.host, rules=rules)
    assert [one.message for one in found if one.rule == "ACME1"] == ["before"]
    assert [one.message for one in found if one.rule == "MP009"] == [
        "the rule ACME1 failed: oops",
        "the rule ACME3 failed: KeyError",
    ]
    told = [one for one in found if one.rule == "ACME2"]
    assert (len(told), told[0].message, told[-1].unchecked) == (101, "one\\n0", True)
    assert not results.complete
    with pytest.raises(InputError, match="two rules have the same id"):
        audit(faulty.host, rules=[rules[0], rules[0]])


def test_the_policy_decides(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 2, 1)
    policy = tmp_path / "audit.yaml"
    policy.write_text(
        f"""
version: 1
scopes:
  - scope: "{faulty.host}/ml/r0"
    disabled: [MP020]
    severities: {{MP010: critical}}
exemptions:
  - rules: [MP030]
    scope: "{faulty.host}/*"
    reason: later
    expires: 2027-01-01
"""
    )
    found, results = run(faulty.host, policy=AuditPolicy.load(policy))
    assert said(found, "MP020") == {("MP020", "ml/r1:v0")}
    severities = {one.subject.place.rpartition("/")[2]: str(one.severity) for one in found if one.rule == "MP010"}
    assert severities == {"r0": "critical", "r1": "high"}
    assert {one.exempt for one in found if one.rule == "MP030"} == {"later"}
    assert results.summary.exempt == 2


def test_the_facade(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    policy = tmp_path / "audit.yaml"
    policy.write_text("version: 1\nscopes: [{scope: '*', disabled: [MP010]}]\n")
    seen: list[int] = []
    with modelpack.audit(
        faulty.host,
        rules=modelpack.rules.default(),
        policy=policy,
        state=tmp_path / "state",
        watch=lambda tally: seen.append(sum(tally.artifacts.values())),
        access=QUICK,
    ) as running:
        found = list(running)
        assert running.results().tool == f"modelpack {modelpack.__version__}"
    assert {"MP020", "MP030"} <= {one.rule for one in found}
    assert "MP010" not in {one.rule for one in found}
    assert seen == [1]
