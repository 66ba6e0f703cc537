"""The registry of the pictures: a real audit says of it what the pictures are to show."""

from __future__ import annotations

import json
from pathlib import Path

from modelpack.audit.reports import Vouched, figures
from modelpack.audit.reports.html.graph import lineage
from modelpack.oci.schema import schema_problems
from tests.audit.reports.showcase import showcase
from tests.audit.reports.test_documents import SCHEMA, written
from tests.audit.reports.test_sarif import check_sarif


def test_it_shows_each_state_and_kind(tmp_path: Path) -> None:
    with showcase(tmp_path) as results:
        seen, drawn = figures(results), lineage(results)
        states = {state for state, count in seen.signatures.items() if count}
        assert states == set(Vouched) - {Vouched.UNCHECKED}
        assert (seen.models, seen.clean) == (22, 12)
        assert {str(found.severity) for found in results.findings} == {"critical", "high", "medium", "low"}
        assert (results.summary.exempt, results.summary.unchecked, results.complete) == (1, 1, False)
        assert {node.title for node in drawn.nodes if node.revoked} == {
            "minilm-base@c9745ed1",
            "minilm-l6:2.1.0",
            "query-encoder:1.1.0",
            "reranker:2.0.0",
        }
        assert {node.title for node in drawn.nodes if node.state == "more"} == {"4 more"}
        assert schema_problems(json.loads(written("json", results)), SCHEMA, "audit") == ()
        assert len(check_sarif(json.loads(written("sarif", results)))["results"]) == 15
