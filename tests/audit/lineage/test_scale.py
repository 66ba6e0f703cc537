"""Ten thousand artifacts, and graphs that are made to hurt. Times are of the processor, and wide bounds: what they catch is a
query without an index, and work that grows with the square.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from modelpack.audit.lineage import MAX_FOUND, Asked, Graph, ascent, descent
from modelpack.audit.lineage.downwards import MAX_WAY
from modelpack.audit.lineage.graph import LOOSE
from modelpack.audit.state import StoredEstate
from tests.audit.lineage.estates import Estate, digest, estate, place

COUNT = 10_000
SHAPES = {
    "wide": [(f"m{number}", "root") for number in range(COUNT)],
    "deep": [(f"m{number}", f"m{number - 1}" if number else "root") for number in range(COUNT)],
    "tree": [(f"m{number}", f"m{(number - 1) // 3}" if number else "root") for number in range(COUNT)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_artifacts(shape: str, tmp_path: Path) -> None:
    """One query for each, whatever the shape: half a second of an idle processor (docs/lineage.md)."""
    with estate(tmp_path / "audit.db") as here:
        here.many(SHAPES[shape])
        statements = 0

        def count(_: str) -> None:
            nonlocal statements
            statements += 1

        here.state.database.set_trace_callback(count)
        begun = time.process_time()
        found = here.ask(str(digest("root")))
        here.state.database.set_trace_callback(None)
        assert time.process_time() - begun < 5
        assert (len(found.found), found.truncated) == (COUNT, False)
        assert statements < COUNT + 20
        longest = max((way for _, way in StoredEstate(here.state).derived(digest("root"))), key=len)
        json.dumps(found.to_json())
        assert time.process_time() - begun < 15
        assert len(longest) == {"wide": 1, "deep": MAX_WAY, "tree": 10}[shape]


def test_long_ways_keep_their_ends(tmp_path: Path) -> None:
    with estate(tmp_path / "audit.db") as here:
        here.many(SHAPES["deep"][:300])
        last = here.ask(str(digest("root"))).found[-1]
        names = [one.subject.place.rpartition("/")[2] for one in last.line]
        assert names == [f"m{number}" for number in (*range(50), *range(250, 300))]


def test_very_many_lines_of_one_artifact_about_itself() -> None:
    with estate() as here:
        here.many([("self", "self")])
        here.state.database.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
            INSERT INTO ancestors SELECT place, digest, i, role, name, uri, "commit", ancestor, relation, source
            FROM ancestors, n"""
        )
        tracemalloc.start()
        begun = time.process_time()
        assert here.told(str(digest("self"))) == ["self"]
        root = ascent(Graph(here.state.rows), Asked.parse(str(digest("self"))))
        assert time.process_time() - begun < 5
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
        assert [one.note for one in root.ancestors] == ["told above"]


def test_more_than_an_answer_may_have() -> None:
    with estate() as here:
        insert_many(here, MAX_FOUND // 10 + 5)
        found = descent(Graph(here.state.rows), Asked.parse(str(digest("root"))), limit=MAX_FOUND // 10)
        assert (len(found.found), found.truncated) == (MAX_FOUND // 10, True)


def insert_many(here: Estate, count: int) -> None:
    """That many lines about one base, of artifacts that are not there."""
    here.state.database.execute(
        """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO ancestors SELECT ?, printf('sha256:%064x', i), 0, '', 'b', '', '', ?, '', '' FROM n""",
        (count, place("many"), str(digest("root"))),
    )


def test_a_lattice_does_not_explode() -> None:
    """Forty layers of two that were each made from both of the layer below: 2^40 ways."""
    with estate() as here:
        for layer in range(40):
            for side in "ab":
                links = [(f"l{layer}{side}", f"l{layer - 1}{below}" if layer else "root") for below in "ab"]
                here.many(links[:1])
                here.state.database.execute(
                    "INSERT INTO ancestors VALUES (?, ?, 1, '', 'b', '', '', ?, '', '')",
                    (place(links[1][0]), str(digest(links[1][0])), str(digest(links[1][1]))),
                )
        begun = time.process_time()
        assert len(here.told(str(digest("root")))) == 80
        tree = ascent(Graph(here.state.rows), Asked.parse(str(digest("l39a"))))
        assert sum(1 for _ in tree.all()) < 200
        assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("SELECT * FROM ancestors WHERE name = ? COLLATE NOCASE", "ancestors_name"),
        ("SELECT * FROM ancestors WHERE uri = ? COLLATE NOCASE", "ancestors_uri"),
        ("SELECT * FROM ancestors WHERE [commit] = ?", "ancestors_commit"),
        (
            "SELECT place, min(number) FROM ancestors WHERE ancestor = ? GROUP BY place, digest ORDER BY place, digest",
            "ancestors_anc",
        ),
    ],
)
def test_questions_have_an_index(question: str, index: str) -> None:
    with estate() as here:
        plan = " ".join(str(row[3]) for row in here.state.rows(f"EXPLAIN QUERY PLAN {question}", ("x",)))
        assert index in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


def test_tags_of_one_digest_are_found_among_many() -> None:
    """Asked for each artifact: SQLite must not go through all tags of the repository, which it would to have them sorted."""
    with estate() as here:
        query = "SELECT tag FROM tags WHERE place = ? AND digest = ? AND gone = 0 ORDER BY tag"
        plan = [str(row[3]) for row in here.state.rows(f"EXPLAIN QUERY PLAN {query}", ("a", "b"))]
        assert "tags_digest (digest=? AND place=?)" in plan[0]


def test_questions_of_a_revocation_list_that_find_nothing_are_cheap() -> None:
    """Thousands of revocations over many artifacts: none of them reads more than its own line of an index."""
    with estate() as here:
        here.many(SHAPES["wide"][:1000])
        here.state.database.execute("UPDATE ancestors SET uri = 'oci://registry.example/x', ancestor = ''")
        statements: list[str] = []
        here.state.database.set_trace_callback(statements.append)
        found = [list(StoredEstate(here.state).derived(name)) for name in ("nobody", "sha256:" + "0" * 64, "c" * 40)]
        here.state.database.set_trace_callback(None)
        assert found == [[], [], []]
        assert not any("lower(uri)" in statement or "json_each" in statement for statement in statements)
        plan = next(here.state.rows("EXPLAIN QUERY PLAN " + LOOSE, ()))
        assert "ancestors_loose" in plan[3]
