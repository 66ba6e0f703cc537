"""The report for programs: one JSON document (``schemas/modelpack-audit.schema.json``), or one object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelpack.audit.facts import Artifact
from modelpack.audit.findings import Finding
from modelpack.audit.reports.figures import figures, is_asked, signers, vouched, weight
from modelpack.audit.reports.text import encoded
from modelpack.audit.results import Results
from modelpack.audit.rules import Rule
from modelpack.oci import JSON, JSONObject, rfc3339

FORMAT = "modelpack-audit/1"
"""The number changes when something is taken away or changes its meaning, not when something is added."""


def json_report(results: Results) -> Iterator[bytes]:
    """Everything in one document, one finding or artifact a line."""
    head: list[tuple[str, JSON]] = [*_head(results).items(), ("summary", _summary(results))]
    yield b"{\n"
    for name, value in head:
        yield b"  " + encoded(name) + b": " + encoded(value) + b",\n"
    yield from _array("rules", map(_rule, results.rules), b",\n")
    yield from _array("findings", map(_finding, results.findings), b",\n")
    yield from _array("artifacts", map(artifact_json, results.estate.artifacts()), b"\n")
    yield b"}\n"


def json_lines(results: Results) -> Iterator[bytes]:
    """The same in the same order, an object a line with ``type``: "audit", "rule", "finding", "artifact", at last "summary"."""
    yield _line("audit", _head(results))
    yield from (_line("rule", _rule(rule)) for rule in results.rules)
    yield from (_line("finding", _finding(found)) for found in results.findings)
    yield from (_line("artifact", artifact_json(artifact)) for artifact in results.estate.artifacts())
    yield _line("summary", _summary(results))


def artifact_json(artifact: Artifact) -> JSONObject:
    """What an inventory says of an artifact. What is not known is left out."""
    stated, weights = artifact.stated, artifact.weights
    said: JSONObject = {
        "subject": artifact.subject.to_json(),
        "sort": str(artifact.sort),
        "media_type": artifact.media_type,
        "artifact_type": artifact.artifact_type,
        "size": weight(artifact),
        "refers_to": str(artifact.refers_to) if artifact.refers_to else "",
        "name": stated.name,
        "version": stated.version,
        "family": artifact.family or stated.family,
        "formats": [*weights.formats] or ([stated.format] if stated.format else []),
        "parameters": weights.parameters,
        "licenses": [*artifact.licenses],
        "signature": str(vouched(artifact)) if is_asked(artifact) else "",
        "signers": [*signers(artifact)],
        "documents": [{"role": each.role, "type": each.type, "signed": each.signed} for each in artifact.documents],
        "derived_from": [
            {
                "role": each.role,
                "name": each.name,
                "uri": each.uri,
                "commit": each.commit,
                "digest": str(each.digest) if each.digest else "",
                "relation": each.relation,
            }
            for each in artifact.ancestors
        ],
        "unchecked": [{"what": each.what, "reason": each.reason} for each in artifact.unchecked],
    }
    kept = {"subject", "sort", "size"}
    return {name: value for name, value in said.items() if name in kept or value not in ("", 0, [])}


def _head(results: Results) -> JSONObject:
    return {
        "format": FORMAT,
        "tool": results.tool,
        "started": rfc3339(results.started),
        "finished": rfc3339(results.finished),
        "complete": results.complete,
        "targets": [*results.targets],
    }


def _summary(results: Results) -> JSONObject:
    return {**results.summary.to_json(), **figures(results).to_json()}


def _rule(rule: Rule) -> JSONObject:
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": str(rule.severity),
        "explanation": rule.explanation,
        "remedy": rule.remedy,
    }


def _finding(found: Finding) -> JSONObject:
    return {**found.to_json(), "key": found.key}


def _line(kind: str, value: JSONObject) -> bytes:
    return encoded({"type": kind, **value}) + b"\n"


def _array(name: str, items: Iterable[JSONObject], end: bytes) -> Iterator[bytes]:
    yield b"  " + encoded(name) + b": ["
    separator = b"\n    "
    for item in items:
        yield separator + encoded(item)
        separator = b",\n    "
    yield b"\n  ]" + end
