"""JUnit's XML, by Python's reader and by a library that others use."""

from __future__ import annotations

import io
from collections import Counter
from xml.etree import ElementTree

import pytest

from modelpack.audit import Finding, Severity, Subject
from tests.audit.reports.made import audited, hostile, model, ordinary
from tests.audit.reports.test_documents import written


def test_cases_and_counts() -> None:
    root = ElementTree.fromstring(written("junit", ordinary()))
    cases = root.findall("testsuite/testcase")
    outcomes = Counter(case[0].tag if len(case) else "passed" for case in cases)
    # 23 models, of which eleven have findings, one of them exempt
    assert outcomes == {"failure": 14, "error": 2, "skipped": 1, "passed": 12}
    assert root.attrib == {
        "name": "modelpack audit",
        "tests": "29",
        "failures": "14",
        "errors": "2",
        "skipped": "1",
        "time": "72.500",
    }
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert suite.attrib["timestamp"] == "2026-11-24T06:00:00Z"


def test_a_failure_says_what_to_do() -> None:
    root = ElementTree.fromstring(written("junit", ordinary()))
    case = next(case for case in root.iter("testcase") if case.attrib["name"].startswith("MP051"))
    assert case.attrib["classname"] == "registry.example/speech/wake-word"
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "the pickle names os.system", "type": "critical"}
    assert "What to do: " in (failure.text or "")


def test_information_does_not_fail_a_build() -> None:
    found = Finding("X1", Severity.INFO, Subject("h/a"), "nothing bad")
    root = ElementTree.fromstring(written("junit", audited((model("h.example/a", "1"),), extra=(found,), rules=())))
    assert root.attrib["failures"] == "0"
    assert root.findtext("testsuite/testcase/system-out") == "nothing bad"


def test_another_reader_agrees() -> None:
    junitparser = pytest.importorskip("junitparser", reason="needs junitparser (extra oracles)")
    for results in (ordinary(), hostile()):
        read = junitparser.JUnitXml.fromroot(junitparser.JUnitXml.fromstring(written("junit", results))._elem)
        kinds = Counter(type(each).__name__ for suite in read for case in suite for each in case.result)
        root = ElementTree.parse(io.BytesIO(written("junit", results))).getroot()
        assert kinds["Failure"] == int(root.attrib["failures"]) == read.failures
        assert kinds["Error"] == int(root.attrib["errors"]) == read.errors
        assert kinds["Skipped"] == int(root.attrib["skipped"]) == read.skipped
        assert read.tests == sum(len(suite) for suite in read)
