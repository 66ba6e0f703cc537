"""SARIF: valid by the schema of the standard, and by what GitHub says and does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from jsonschema import Draft4Validator

from modelpack.audit import Finding, Severity, Subject
from modelpack.audit.reports import sarif
from modelpack.audit.reports.sarif import uri
from modelpack.audit.results import Results
from tests.audit.reports.made import audited, digest, hostile, model, ordinary, signature
from tests.audit.reports.test_documents import written

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0.schema.json").read_text(encoding="utf-8"))


def check_sarif(document: Any) -> dict[str, Any]:
    """The run of a document that the schema and GitHub accept."""
    assert [error.message for error in Draft4Validator(SCHEMA).iter_errors(document)] == []
    told = dict(document["runs"][0])
    _accepted(told)
    return told


def run(results: Results) -> dict[str, Any]:
    return check_sarif(json.loads(written("sarif", results)))


@pytest.mark.parametrize("make", [ordinary, hostile, lambda: audited(())])
def test_it_follows_the_schema_and_githubs_rules(make: Any) -> None:
    run(make())


def _accepted(told: dict[str, Any]) -> None:
    rules = told["tool"]["driver"]["rules"]
    assert len(rules) <= 25_000
    assert len(told["results"]) <= 25_000
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert len(rule["id"]) <= 255
        assert len(rule["name"]) <= 255
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert len(rule["properties"]["tags"]) <= 20
        assert rule["defaultConfiguration"]["level"] in ("note", "warning", "error")
    for result in told["results"]:
        _check(result, told)
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in told["results"]]
    assert len(set(prints)) == len(prints)


def _check(result: dict[str, Any], told: dict[str, Any]) -> None:
    place = result["locations"][0]["physicalLocation"]
    where = place["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~%@/-]+", where), where
    assert not urlsplit(where).scheme
    assert not where.startswith("/")
    assert not {".", ".."} & set(where.split("/"))
    assert place["artifactLocation"]["uriBaseId"] in told["originalUriBaseIds"]
    assert place["region"]["startLine"] == 1
    if "ruleIndex" in result:
        assert told["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["message"]["text"].isprintable()


def test_a_result() -> None:
    told = run(ordinary())
    result = next(each for each in told["results"] if each["ruleId"] == "MP051")
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "speech/wake-word/4.2.0/model.pt", "uriBaseId": "REGISTRY"}
    base = told["originalUriBaseIds"]["REGISTRY"]["uri"]
    assert base == "oci://registry.example/"
    assert result["level"] == "error"
    assert result["properties"]["digest"] == str(model("speech/wake-word", "4.2.0").subject.digest)
    rule = told["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["properties"]["security-severity"] == "9.5"
    assert "`modelpack audit explain MP051`" in rule["help"]["markdown"]
    assert told["invocations"] == [
        {"executionSuccessful": False, "startTimeUtc": "2026-11-24T06:00:00Z", "endTimeUtc": "2026-11-24T06:01:12Z"}
    ]


def test_what_is_exempt_opens_no_alert_and_what_was_not_checked_says_so() -> None:
    told = run(ordinary())
    assert "lab/merge-llama-qwen" not in json.dumps(told["results"])
    open_ones = [each for each in told["results"] if each["properties"].get("unchecked")]
    assert open_ones
    assert all(each["message"]["text"].startswith("Could not be checked: ") for each in open_ones)


def test_a_new_version_under_the_same_tag_is_the_same_alert() -> None:
    def prints(seed: int) -> list[str]:
        changed = model("ml/chat", "stable", signatures=(), billions=seed)
        changed = type(changed)(
            Subject(changed.subject.place, digest(str(seed)), ("stable",)), changed.sort, layers=changed.layers
        )
        return [each["partialFingerprints"]["primaryLocationLineHash"] for each in run(audited((changed,)))["results"]]

    assert prints(1) == prints(2)
    assert len(prints(1)) > 1


def test_the_same_said_twice_of_a_place_is_two_alerts() -> None:
    twice = model(
        "ml/chat", "1", signatures=(signature("bad", kind="attestation"), signature("bad", kind="attestation"))
    )
    found = [each for each in run(audited((twice,)))["results"] if each["ruleId"] == "MP016"]
    prints = [each["partialFingerprints"]["primaryLocationLineHash"] for each in found]
    assert [each[-2:] for each in prints] == [":1", ":2"]
    assert prints[0][:-2] == prints[1][:-2]


@pytest.mark.parametrize(
    ("subject", "place", "expected"),
    [
        (Subject("h:5000/a/b", digest("x"), ("v1",)), "sub dir/model.bin", "a/b/v1/sub%20dir/model.bin"),
        (Subject("h/a", digest("x"), ("v1",)), "sha256:abc", "a/v1"),
        (Subject("h/a", digest("x"), ("v1",)), "../../etc/./passwd", "a/v1/etc/passwd"),
        (Subject("h/a", digest("x")), "", "a/@untagged"),
        (Subject("h/a"), "", "a"),
        (Subject("h"), "", "@registry"),
        (Subject("oci:/models", digest("x"), ("a:b",)), "", "a%3Ab"),
    ],
)
def test_places(subject: Subject, place: str, expected: str) -> None:
    found = Finding("MP001", Severity.HIGH, subject, "x", place)
    assert uri(found) == expected
    assert urljoin("oci://h/", expected).startswith("oci://h/") or ":" not in expected


def test_registries_have_roots_of_their_own_and_layouts_none() -> None:
    three = (
        model("b.example:5000/x", "1", licence=""),
        model("oci:/var/models", "1", licence=""),
        model("a.example/x", "1", licence=""),
    )
    told = run(audited(three))
    assert told["originalUriBaseIds"] == {
        "REGISTRY": {"uri": "oci://a.example/", "description": {"text": "a.example"}},
        "REGISTRY_2": {"uri": "oci://b.example:5000/", "description": {"text": "b.example:5000"}},
        "REGISTRY_3": {"description": {"text": "oci:/var/models"}},
    }


def test_more_than_github_takes_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 3)
    told = run(ordinary())
    assert [each["level"] for each in told["results"]] == ["error"] * 3
    note = told["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert note == "13 more findings are left out; the report in JSON has them"


def test_a_rule_is_as_severe_as_the_policy_makes_it() -> None:
    found = Finding("MP014", Severity.CRITICAL, Subject("h/a"), "x")
    rules = run(audited((), extra=(found,)))["tool"]["driver"]["rules"]
    legacy = next(rule for rule in rules if rule["id"] == "MP014")
    assert legacy["properties"]["security-severity"] == "9.5"
    assert legacy["defaultConfiguration"]["level"] == "error"


def test_rules_that_nobody_registered_are_told_all_the_same() -> None:
    found = Finding("X1", Severity.INFO, Subject("h/a"), "x")
    result = run(audited((), extra=(found,), rules=()))["results"][0]
    assert (result["ruleId"], result["level"], "ruleIndex" in result) == ("X1", "note", False)
