"""SARIF 2.1.0, as GitHub's code scanning takes it.

GitHub refuses results without a location, locations that are no relative URI (a colon in the first segment, a space) and files
with more than 25,000 results; it follows an alert from upload to upload by path and fingerprint, so neither holds a digest.
What is exempt is left out: GitHub would open an alert for it. Places are ``repository/tag/file`` below the registry.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.figures import ordered
from modelpack.audit.reports.text import encoded, host, label, repository, visible
from modelpack.audit.results import Results
from modelpack.audit.rules import Rule
from modelpack.oci import JSON, JSONObject, rfc3339

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS = 25_000
"""GitHub's limit for one run."""

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.5"}
"""What GitHub makes the words critical, high, medium and low from (over 9.0, 7.0, 4.0, 0.1)."""

_MAX_MESSAGE = 1000
_MAX_DESCRIPTION = 1000


def sarif_report(results: Results) -> Iterator[bytes]:
    """One run; a result a line, worst first."""
    told = [found for found in ordered(results.findings) if not found.exempt]
    kept, left_out = told[:MAX_RESULTS], len(told[MAX_RESULTS:])
    bases = _bases(kept)
    worst: dict[str, Severity] = {}
    for found in kept:
        worst[found.rule] = max(worst.get(found.rule, found.severity), found.severity, key=lambda each: each.rank)
    numbers = {rule.id: number for number, rule in enumerate(results.rules)}
    yield b'{"$schema":' + encoded(SCHEMA) + b',"version":"2.1.0","runs":[{\n"tool":{"driver":'
    yield encoded(_driver(results, worst)) + b"},\n"
    yield b'"automationDetails":{"id":"modelpack-audit/"},\n"columnKind":"unicodeCodePoints",\n'
    yield b'"originalUriBaseIds":' + encoded(_roots(bases)) + b",\n"
    yield b'"invocations":' + encoded([_invocation(results, left_out)]) + b',\n"results":['
    for number, result in enumerate(_results(kept, bases, numbers)):
        yield (b",\n" if number else b"\n") + encoded(result)
    yield b"\n]}]}\n"


def uri(finding: Finding) -> str:
    """``repository/tag/file``: relative, without colons and spaces, the same after a new version was pushed."""
    subject = finding.subject
    parts = [repository(subject.place)]
    if subject.digest:
        parts.append(subject.tags[0] if subject.tags else "@untagged")
        parts.append(finding.place if ":" not in finding.place else "")
    segments = [part for text in parts for part in text.split("/") if part not in ("", ".", "..")]
    return "/".join(quote(visible(segment), safe="@") for segment in segments) or "@registry"


def _driver(results: Results, worst: dict[str, Severity]) -> JSONObject:
    name, _, version = results.tool.partition(" ")
    rules = [_rule(rule, worst.get(rule.id, rule.severity)) for rule in results.rules]
    return {"name": name or "modelpack", **({"version": version} if version else {}), "rules": [*rules]}


def _rule(rule: Rule, severity: Severity) -> JSONObject:
    """``severity`` is the worst that the policy makes of it: only rules, not results, may have a score."""
    title, why, what = visible(rule.title), visible(rule.explanation, _MAX_DESCRIPTION), visible(rule.remedy)
    properties: JSONObject = {"tags": ["security", "supply-chain", "model"], "precision": "high"}
    if severity in _SCORES:
        properties["security-severity"] = _SCORES[severity]
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in title.split())[:255],
        "shortDescription": {"text": title},
        "fullDescription": {"text": why or title},
        "help": {
            "text": f"{why}\n\nWhat to do: {what}",
            "markdown": f"{_markdown(why)}\n\n**What to do:** {_markdown(what)}\n\n`modelpack audit explain {rule.id}`",
        },
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": properties,
    }


def _markdown(text: str) -> str:
    """Plain words: nothing in them is markup."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|!&" else character for character in text)


def _bases(findings: Sequence[Finding]) -> dict[str, str]:
    """Names of the registries and layouts that findings are in."""
    hosts = sorted({host(found.subject.place) for found in findings})
    return {name: f"REGISTRY_{number}" if number > 1 else "REGISTRY" for number, name in enumerate(hosts, start=1)}


def _roots(bases: dict[str, str]) -> JSONObject:
    roots: JSONObject = {}
    for name, base in bases.items():
        said: JSONObject = {"description": {"text": visible(name)}}
        # A layout's path is of one machine; nobody could open it elsewhere.
        roots[base] = said if name.startswith("oci:") else {"uri": f"oci://{quote(visible(name), safe=':[]')}/", **said}
    return roots


def _invocation(results: Results, left_out: int) -> JSONObject:
    said: JSONObject = {
        "executionSuccessful": results.complete,
        "startTimeUtc": rfc3339(results.started),
        "endTimeUtc": rfc3339(results.finished),
    }
    if left_out:
        text = f"{left_out} more findings are left out; the report in JSON has them"
        notes: list[JSON] = [{"level": "warning", "message": {"text": text}}]
        said["toolExecutionNotifications"] = notes
    return said


def _results(findings: Sequence[Finding], bases: dict[str, str], numbers: dict[str, int]) -> Iterator[JSONObject]:
    seen = Counter[str]()
    for found in findings:
        where = uri(found)
        fingerprint = hashlib.sha256(
            f"{found.rule}\0{found.subject.place}\0{where}".encode("utf-8", "replace")
        ).hexdigest()
        seen[fingerprint] += 1
        number: JSONObject = {"ruleIndex": numbers[found.rule]} if found.rule in numbers else {}
        yield {
            "ruleId": found.rule,
            **number,
            "level": _LEVELS[found.severity],
            "message": {"text": _message(found)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": where, "uriBaseId": bases[host(found.subject.place)]},
                        "region": {"startLine": 1},
                    }
                }
            ],
            "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint[:32]}:{seen[fingerprint]}"},
            "properties": _properties(found),
        }


def _message(found: Finding) -> str:
    subject = visible(str(found.subject), _MAX_MESSAGE)
    said = visible(f"{found.message} ({found.place})" if found.place else found.message, _MAX_MESSAGE)
    return f"{'Could not be checked: ' if label(found) == 'unchecked' else ''}{said}. In {subject}"


def _properties(found: Finding) -> JSONObject:
    said: JSONObject = {
        "severity": str(found.severity),
        "place": found.subject.place,
        "digest": str(found.subject.digest or ""),
        "tags": [*found.subject.tags],
        "where": found.place,
        "remedy": found.remedy,
        "unchecked": found.unchecked,
    }
    return {name: value for name, value in said.items() if value not in ("", [], False)}
