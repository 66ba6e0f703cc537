"""What something was made from, out of the state; and pictures of both directions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from modelpack.attest import Lineage
from modelpack.audit.facts import Ancestor
from modelpack.audit.lineage import Asked, Graph, ascent, descent_dot, lineage_dot, upwards
from modelpack.audit.lineage.upwards import MAX_DEPTH
from modelpack.errors import InputError, NotFound
from tests.audit.lineage.estates import COMMIT, HUB, Estate, base, digest, estate, hub, loose, place


@pytest.fixture(name="here")
def _here() -> Iterator[Estate]:
    with estate() as found:
        yield found


def climb(here: Estate, question: str, depth: int = 0) -> Lineage:
    """Ask."""
    return ascent(Graph(here.state.rows), Asked.parse(question), depth=depth)


def told(root: Lineage) -> list[tuple[str, str]]:
    """Name and note of all."""
    return [(one.name.rpartition("/")[2], one.note) for one in root.all()]


def test_ancestors(here: Estate) -> None:
    here.add("root", hub(COMMIT))
    here.add("middle", base("root"), loose("other"), Ancestor("base-model", "a name"))
    here.add("leaf", base("middle", "quantized"), base("unseen"))
    tree = climb(here, f"{place('leaf')}:v1")
    assert told(tree) == [
        ("leaf", ""),
        ("middle", ""),
        ("root", ""),
        ("base", "not in the state"),
        ("other", "by name only"),
        ("a name", "by name only"),
        ("unseen", "not in the state"),
    ]
    assert tree.uri == f"oci://{place('leaf')}:v1@{digest('leaf')}"
    assert [one.relation for one in tree.ancestors] == ["quantized", "finetune"]
    assert tree.ancestors[0].resolved
    assert next(one.uri for one in tree.all() if one.name == "org/base") == f"{HUB}@{COMMIT}"
    assert tree.descends_from(digest("root"))


def test_depth(here: Estate) -> None:
    here.many((f"m{number}", f"m{number - 1}") for number in range(1, 300))
    assert told(climb(here, str(digest("m299")), depth=2))[-1] == ("b", "deeper than was asked for")
    assert sum(1 for _ in climb(here, str(digest("m299"))).all()) == MAX_DEPTH + 2
    climb(here, str(digest("m299")), depth=10**9).to_json()


def test_too_many(here: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upwards, "MAX_TOLD", 2)
    for name in "abc":
        here.add(name)
    here.add("all", base("a"), base("b"), base("c"))
    assert [note for _, note in told(climb(here, str(digest("all"))))] == ["", "", "", "too many in one tree"]


def test_where_it_is_said_to_be(here: Estate) -> None:
    here.add("root", where="a-copy")
    here.add("root")
    here.add("child", base("root"))
    assert told(climb(here, str(digest("child"))))[1] == ("root", "")
    here.add("other", Ancestor("base-model", "x", "", "", digest("root")))
    assert told(climb(here, str(digest("other"))))[1] == ("a-copy", "")
    assert told(climb(here, f"{place('root')}@{digest('root')}"))[0] == ("root", "")


@pytest.mark.parametrize("question", ["hf:org/base", place("x"), COMMIT, "name"])
def test_questions_about_more_than_one(here: Estate, question: str) -> None:
    with pytest.raises(InputError, match="no single manifest"):
        climb(here, question)


@pytest.mark.parametrize("question", [f"{place('x')}:v1", str(digest("x"))])
def test_what_was_not_seen(here: Estate, question: str) -> None:
    with pytest.raises(NotFound):
        climb(here, question)


EVIL = 'a"]; evil [label="\\'


def test_pictures(here: Estate) -> None:
    here.add("child", base("root", EVIL))
    here.add("maybe", loose("child"))
    here.add("gone", base("child"))
    here.state.lose(place("gone"), digest("gone"))
    picture = descent_dot(here.ask(str(digest("root"))))
    lines = picture.splitlines()
    assert lines[0] == "digraph lineage {"
    assert f'  asked [label="{digest("root")}", shape=box, style=bold];' in lines
    assert '  asked -> n0 [label="a\\"]; evil [label=\\"\\\\"];' in lines
    assert '  n0 -> n2 [label="", style=dashed];' in lines
    assert any(line.startswith("  n1 [label=") and "color=grey" in line for line in lines)
    up = lineage_dot(climb(here, str(digest("maybe"))))
    assert '  n1 -> n0 [label="", style=dashed];' in up.splitlines()
    assert lineage_dot(Lineage("n" * 500 + "\n", "", None)).count("\n") == 4


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
def test_graphviz_reads_them(here: Estate) -> None:
    here.add("child", base("root", EVIL), Ancestor("base-model", "</svg><script>\x00\n"))
    for picture in (descent_dot(here.ask(str(digest("root")))), lineage_dot(climb(here, str(digest("child"))))):
        done = subprocess.run(["dot", "-Tsvg"], input=picture, capture_output=True, text=True, check=True)
        assert "<script>" not in done.stdout
        assert "evil [" in done.stdout or "script" in done.stdout
