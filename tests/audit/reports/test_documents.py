"""JSON and JSON Lines: what the schema says, the same twice, and nothing lost."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from modelpack.audit.reports import KINDS, write
from modelpack.audit.results import Results
from modelpack.oci.schema import schema_document, schema_problems
from tests.audit.reports.made import audited, hostile, ordinary

SCHEMA = "modelpack-audit.schema.json"


def written(kind: str, results: Results) -> bytes:
    stream = io.BytesIO()
    write(kind, results, stream)
    return stream.getvalue()


@pytest.fixture(scope="module", params=["ordinary", "hostile", "empty"])
def results(request: pytest.FixtureRequest) -> Results:
    match request.param:
        case "ordinary":
            return ordinary()
        case "hostile":
            return hostile()
    return audited(())


@pytest.mark.parametrize("kind", KINDS)
def test_equal_results_give_equal_bytes(kind: str) -> None:
    assert written(kind, ordinary()) == written(kind, ordinary())


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_utf8_and_ends_a_line(kind: str, results: Results) -> None:
    assert written(kind, results).decode().endswith("\n")


def test_the_schema_describes_the_report(results: Results) -> None:
    document = json.loads(written("json", results))
    assert schema_problems(document, SCHEMA, "audit") == ()
    assert len(document["findings"]) == len([*results.findings])
    assert len(document["artifacts"]) == len([*results.estate.artifacts()])


@pytest.mark.parametrize(
    "path", ["format", "started", "findings.0.severity", "targets", "artifacts.0.sort", "summary.clean"]
)
def test_the_schema_refuses_other_things(path: str) -> None:
    document: Any = json.loads(written("json", ordinary()))
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = "something else"
    assert schema_problems(document, SCHEMA, "audit")


def test_the_schema_knows_all_that_is_written() -> None:
    schema: Any = schema_document(SCHEMA)
    document = json.loads(written("json", ordinary()))
    assert set(document) <= set(schema["properties"])
    for name, items in (
        ("finding", document["findings"]),
        ("artifact", document["artifacts"]),
        ("rule", document["rules"]),
    ):
        assert {key for item in items for key in item} <= set(schema["$defs"][name]["properties"])
    assert set(document["summary"]) <= set(schema["$defs"]["summary"]["properties"])


def test_lines_say_the_same_as_the_document(results: Results) -> None:
    document = json.loads(written("json", results))
    lines = [json.loads(line) for line in written("jsonl", results).splitlines()]
    kinds = [line.pop("type") for line in lines]
    assert kinds == sorted(kinds, key=["audit", "rule", "finding", "artifact", "summary"].index)
    for name in ("rule", "finding", "artifact"):
        assert [line for line, kind in zip(lines, kinds, strict=True) if kind == name] == document[f"{name}s"]
    assert lines[-1] == document["summary"]
    assert lines[0] == {key: document[key] for key in ("format", "tool", "started", "finished", "complete", "targets")}
