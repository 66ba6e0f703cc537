"""JUnit's XML, as CI systems read it: a suite for each repository, a case for each finding and each artifact without one.

A finding is a failure; of severity "info" a case that passes; what could not be checked an error; what is exempt is skipped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from xml.etree import ElementTree

from modelpack.audit.facts import Artifact
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.figures import is_asked, ordered
from modelpack.audit.reports.text import label, short, visible
from modelpack.audit.results import Results
from modelpack.oci import rfc3339

_OUTCOMES = {"exempt": "skipped", "unchecked": "error", str(Severity.INFO): ""}
_TOTALS = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))


def junit_report(results: Results) -> Iterator[bytes]:
    """One suite at a time."""
    suites = _suites(results)
    seconds = f"{(results.finished - results.started).total_seconds():.3f}"
    counts = sum((_counts(cases) for cases in suites.values()), Counter[str]())
    totals = "".join(f' {name}="{counts[outcome]}"' for name, outcome in _TOTALS)
    yield b"<?xml version='1.0' encoding='utf-8'?>\n"
    yield f'<testsuites name="modelpack audit" tests="{counts["tests"]}"{totals} time="{seconds}">\n'.encode()
    for place, cases in suites.items():
        yield ElementTree.tostring(_suite(place, cases, rfc3339(results.started)), encoding="utf-8") + b"\n"
    yield b"</testsuites>\n"


def _suites(results: Results) -> dict[str, list[ElementTree.Element]]:
    suites: defaultdict[str, list[ElementTree.Element]] = defaultdict(list)
    found = set()
    for finding in ordered(results.findings):
        found.add((finding.subject.place, finding.subject.digest))
        suites[finding.subject.place].append(_case(finding))
    for artifact in results.estate.artifacts():
        if is_asked(artifact) and (artifact.subject.place, artifact.subject.digest) not in found:
            suites[artifact.subject.place].append(_passed(artifact))
    return dict(sorted(suites.items()))


def _suite(place: str, cases: list[ElementTree.Element], time: str) -> ElementTree.Element:
    counts = _counts(cases)
    totals = {name: str(counts[outcome]) for name, outcome in _TOTALS}
    attributes = {"name": visible(place), "tests": str(len(cases)), "timestamp": time, **totals}
    suite = ElementTree.Element("testsuite", attributes)
    suite.extend(cases)
    ElementTree.indent(suite)
    return suite


def _counts(cases: list[ElementTree.Element]) -> Counter[str]:
    return Counter(tests=len(cases)) + Counter(child.tag for case in cases for child in case)


def _case(finding: Finding) -> ElementTree.Element:
    subject = finding.subject
    what = " ".join((finding.rule, *subject.tags[:1], short(subject.digest), finding.place)).replace("  ", " ").strip()
    case = ElementTree.Element("testcase", classname=visible(subject.place), name=visible(what))
    outcome = _OUTCOMES.get(label(finding), "failure")
    text = visible(finding.message)
    if not outcome:
        ElementTree.SubElement(case, "system-out").text = text
    elif outcome == "skipped":
        ElementTree.SubElement(case, outcome, message=visible(f"{finding.message} (exempt: {finding.exempt})"))
    else:
        said = ElementTree.SubElement(case, outcome, message=text, type=str(finding.severity))
        remedy = f"\nWhat to do: {visible(finding.remedy)}" if finding.remedy else ""
        said.text = f"{visible(str(subject))}\n{text}{remedy}"
    return case


def _passed(artifact: Artifact) -> ElementTree.Element:
    subject = artifact.subject
    name = " ".join((*subject.tags[:1], short(subject.digest)))
    return ElementTree.Element("testcase", classname=visible(subject.place), name=visible(name))
