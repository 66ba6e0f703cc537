"""Which models are in the picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelpack.audit import Severity
from modelpack.audit.facts import Ancestor, Sort
from modelpack.audit.policy import Revocation
from modelpack.audit.reports.html import graph as module
from modelpack.audit.reports.html.graph import MAX_NODES, lineage
from tests.audit.reports.made import REGISTRY, SETTINGS, audited, base_of, hub, model, ordinary


def test_the_ordinary_registry() -> None:
    found = lineage(ordinary())
    titles = {node.key: node.title for node in found.nodes}
    edges = {(titles[base], titles[made]) for base, made in found.edges}
    assert ("llama-3-8b:1.0", "chat:1.4.0") in edges
    assert ("chat:1.4.0", "support-bot:3.0.1") in edges
    assert ("llama-3-8b@5f0b02c7", "llama-3-8b:1.0") in edges
    assert ("chat:1.4.0", "5 more") in edges
    assert (found.left_out, found.alone) == (0, 3)
    revoked = {node.title for node in found.nodes if node.revoked}
    assert revoked == {"minilm-base@c9c9c9c9", "minilm-l6:2.1.0", "reranker:2.0", "query-encoder:1.1.0"}
    support = next(node for node in found.nodes if node.title.startswith("support"))
    assert (support.state, support.worst, support.detail) == ("unknown", Severity.HIGH, f"{REGISTRY}/ml")


def test_what_says_nothing_is_not_drawn() -> None:
    found = lineage(audited((model("a", "1"), model("b", "1"))))
    assert (found.nodes, found.edges, found.alone) == ((), (), 2)


def test_only_models_are_drawn_and_none_from_itself() -> None:
    base = model("base", "1")
    loop = replace(base, ancestors=(base_of(base),))
    other = model("x", "1", sort=Sort.ATTACHMENT, ancestors=(base_of(base),))
    assert lineage(audited((loop, other))).edges == ()


def test_a_copy_in_another_place_is_the_same_box() -> None:
    base = model("base", "1")
    child = model("child", "1", ancestors=(base_of(base),))
    copied = replace(child, subject=replace(child.subject, place=f"{REGISTRY}/mirror/child"))
    found = lineage(audited((base, child, copied)))
    assert (len(found.nodes), len(found.edges), found.alone) == (2, 1, 0)


def test_variants_of_an_index_and_ancestors_without_a_name() -> None:
    index = model("i", "1", sort=Sort.INDEX)
    variant = model(
        "v", listed_by=(index.subject.digest,), ancestors=(Ancestor("base-model", "", uri="https://x.example/w"),)
    )
    nodes = {node.title: node for node in lineage(audited((index, variant))).nodes}
    assert nodes["v"].state == "variant"
    assert nodes["https://x.example/w"].detail == "not in this audit"


def test_a_family_that_is_too_large_is_cut_and_revoked_ones_come_first() -> None:
    chain = [model("m0", "1")]
    for number in range(1, 100):
        chain.append(model(f"m{number}", "1", ancestors=(base_of(chain[-1]),)))
    pair = [model("p", "1", ancestors=(hub("example-org/minilm-base"),))]
    found = lineage(audited((*chain, *pair)))
    assert len(found.nodes) == MAX_NODES
    assert found.left_out == 102 - MAX_NODES
    assert {"p:1", "minilm-base"} <= {node.title for node in found.nodes}
    kept = {node.key for node in found.nodes}
    assert all(base in kept and made in kept for base, made in found.edges)


def test_no_single_box_fills_the_last_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NODES", 3)
    pairs = [model(f"p{number}", "1", ancestors=(hub(f"org/b{number}"),)) for number in range(3)]
    found = lineage(audited(pairs))
    assert (len(found.nodes), len(found.edges), found.left_out) == (2, 1, 4)


def test_what_a_pattern_revokes_is_marked() -> None:
    settings = replace(SETTINGS, revoked=(Revocation("Evil/*", "account taken over"),))
    found = lineage(audited((model("m", "1", ancestors=(hub("evil/x"), hub("good/x"))),), settings=settings))
    assert [node.revoked for node in found.nodes if node.title == "m:1"] == [True]
    assert sorted((node.detail, node.revoked) for node in found.nodes if node.state == "outside") == [
        ("evil · not in this audit", True),
        ("good · not in this audit", False),
    ]


def test_many_bases_of_the_same_are_folded() -> None:
    many = model("m", "1", ancestors=tuple(hub(f"org/d{number}", role="dataset") for number in range(20)))
    found = lineage(audited((many,)))
    titles = {node.key: node.title for node in found.nodes}
    assert sorted(titles.values()) == ["14 more", *(f"d{number}" for number in (0, 1, 10, 11, 12, 13)), "m:1"]
    assert all(titles[made] == "m:1" for _, made in found.edges)
    assert len(found.edges) == 7


def test_arrows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_EDGES", 4)
    many = model("m", "1", ancestors=tuple(hub(f"org/b{number}") for number in range(9)))
    assert len(lineage(audited((many,))).edges) == 4
