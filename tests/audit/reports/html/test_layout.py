"""The layered drawing: what holds for any graph."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.audit.reports.html.layout import Edge, placed

NAMES = [f"n{number}" for number in range(12)]
EDGES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda edge: edge[0] != edge[1]), unique=True
)


def used(edges: list[Edge]) -> list[str]:
    return sorted({name for edge in edges for name in edge})


@settings(max_examples=100, deadline=None, derandomize=True)
@given(EDGES)
def test_boxes_never_overlap_and_every_arrow_has_a_way(edges: list[Edge]) -> None:
    plan = placed(used(edges), edges)
    assert set(plan.at) == set(used(edges))
    assert set(plan.ways) == set(edges)
    columns: dict[int, list[float]] = {}
    for column, row in plan.at.values():
        columns.setdefault(column, []).append(row)
    for rows in map(sorted, columns.values()):
        assert all(second - first >= 1 - 1e-9 for first, second in pairwise(rows))
    assert all(0 <= column < plan.columns and -1e-9 <= row <= plan.rows for column, row in plan.at.values())
    for (base, made), way in plan.ways.items():
        assert (way[0], way[-1]) == (plan.at[base], plan.at[made])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(EDGES)
def test_without_circles_all_arrows_lead_to_the_right(edges: list[Edge]) -> None:
    forward = [edge for edge in edges if edge[0] < edge[1]]
    plan = placed(used(forward), forward)
    for way in plan.ways.values():
        assert [column for column, _ in way] == [*range(way[0][0], way[-1][0] + 1)]
        assert len(way) > 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(EDGES)
def test_the_same_graph_gives_the_same_drawing(edges: list[Edge]) -> None:
    assert placed(used(edges), edges) == placed(used(edges), edges)


def test_a_chain_is_a_straight_line() -> None:
    plan = placed(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert dict(plan.at) == {"a": (0, 0.0), "b": (1, 0.0), "c": (2, 0.0)}


def test_a_base_stands_in_the_middle_of_what_was_made_of_it() -> None:
    plan = placed(["a", "b", "c", "d"], [("a", "b"), ("a", "c"), ("a", "d")])
    assert plan.at["a"] == (0, 1.0)
    assert [plan.at[name][1] for name in "bcd"] == [0.0, 1.0, 2.0]


def test_arrows_do_not_cross_where_they_need_not() -> None:
    plan = placed(["a", "b", "c", "d"], [("a", "d"), ("b", "c")])
    assert (plan.at["a"][1] < plan.at["b"][1]) == (plan.at["d"][1] < plan.at["c"][1])


def test_what_begins_late_stands_near() -> None:
    plan = placed(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert plan.at["late"][0] == 1


def test_nothing() -> None:
    assert placed([], []).columns == 0
