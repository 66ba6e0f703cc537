"""What derives from what, small enough for a picture: only artifacts with relatives, crowds folded into one box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from modelpack.audit.facts import Ancestor, Artifact, Sort
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.policy.settings import fits
from modelpack.audit.reports.figures import is_asked, vouched
from modelpack.audit.reports.text import host, repository
from modelpack.audit.results import Results

MAX_NODES = 60
"""Boxes in a picture; more cannot be read."""

_MAX_EDGES = 20_000
_CROWD = 6
"""Ends of the graph that have the same neighbours; what is more becomes one box."""


Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A box. ``state`` is a :class:`Vouched`, "outside" for what is not in the audit, or "more"; ``worst`` of its findings."""

    key: str
    title: str
    detail: str
    state: str
    worst: Severity | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """``edges`` lead from a base to what was made of it. ``left_out`` boxes did not fit; ``alone`` models say no ancestor."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int = 0
    alone: int = 0


def lineage(results: Results) -> Lineage:
    """The picture's content."""
    nodes, edges, alone = _read(results)
    nodes, edges = _without_crowds(nodes, edges)
    kept = _chosen(nodes, edges)
    shown = tuple(sorted((base, made) for base, made in edges if base in kept and made in kept))
    return Lineage(
        tuple(nodes[key] for key in sorted(kept, key=lambda key: _position(nodes[key]))),
        shown,
        left_out=len(nodes) - len(kept),
        alone=alone,
    )


def _read(results: Results) -> tuple[dict[str, Node], set[Edge], int]:
    """All boxes with relatives, all arrows, and how many models have no relatives."""
    worst, revoked = _worst(results.findings)
    known: dict[str, Node] = {}
    edges: set[Edge] = set()
    outside: dict[str, Node] = {}
    for artifact in results.estate.artifacts():
        if artifact.sort not in (Sort.MODEL, Sort.INDEX):
            continue
        key = str(artifact.subject.digest)
        known.setdefault(key, _node(artifact, worst.get(key, ())))
        for ancestor in artifact.ancestors:
            base = _key(ancestor)
            if base != key and len(edges) < _MAX_EDGES:
                edges.add((base, key))
                outside.setdefault(base, _outside(base, ancestor, revoked))
    related = {key for edge in edges for key in edge}
    return {key: known.get(key) or outside[key] for key in related}, edges, len(set(known) - related)


def _worst(findings: Iterable[Finding]) -> tuple[Mapping[str, tuple[Severity, bool]], Collection[str]]:
    """By digest: the worst severity of what counts, and whether something revoked is in it; and what is revoked."""
    worst: dict[str, tuple[Severity, bool]] = {}
    names: set[str] = set()
    for found in findings:
        if found.exempt or found.unchecked:
            continue
        key, name = str(found.subject.digest), found.data.get("revoked")
        before, revoked = worst.get(key, (found.severity, False))
        worse = max(before, found.severity, key=lambda each: each.rank)
        worst[key] = worse, revoked or isinstance(name, str)
        if isinstance(name, str):
            names.add(name)
    return worst, names


def _node(artifact: Artifact, worst: tuple[Severity, bool] | tuple[()]) -> Node:
    subject = artifact.subject
    name = (repository(subject.place) or subject.place).rpartition("/")
    tag = f":{subject.tags[0]}" if subject.tags else ""
    detail = "/".join(part for part in (host(subject.place), name[0]) if part and part != subject.place)
    state = str(vouched(artifact)) if is_asked(artifact) else "variant"
    node = Node(str(subject.digest), name[2] + tag, detail, state)
    return replace(node, worst=worst[0], revoked=worst[1]) if worst else node


def _key(ancestor: Ancestor) -> str:
    return str(ancestor.digest or ancestor.commit or ancestor.uri or ancestor.name)


def _outside(key: str, ancestor: Ancestor, revoked: Collection[str]) -> Node:
    owner, _, name = ancestor.name.rpartition("/")
    kind = "data set" if ancestor.role == "dataset" else "not in this audit"
    pin = f"@{ancestor.commit[:8]}" if ancestor.commit else ""
    names = [each.lower() for each in (key, ancestor.commit, ancestor.name)]
    bad = any(fits(name, what.lower()) for name in names for what in revoked)
    return Node(
        key, (name or ancestor.uri or key) + pin, f"{owner} · {kind}" if owner else kind, "outside", revoked=bad
    )


def _without_crowds(nodes: dict[str, Node], edges: set[Edge]) -> tuple[dict[str, Node], set[Edge]]:
    """Fold models that were made from the same and of which nothing was made, and bases of the same that were made of nothing."""
    nodes, edges = _folded(nodes, edges, "made from the same")
    nodes, back = _folded(nodes, {(made, base) for base, made in edges}, "used for the same")
    return nodes, {(base, made) for made, base in back}


def _folded(nodes: dict[str, Node], edges: set[Edge], why: str) -> tuple[dict[str, Node], set[Edge]]:
    """Of ends with the same neighbours the worst stay; the rest becomes one box that says how many."""
    before: defaultdict[str, set[str]] = defaultdict(set)
    for base, made in edges:
        before[made].add(base)
    crowds: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for end in set(nodes) - {base for base, _ in edges}:
        crowds[tuple(sorted(before[end]))].append(end)
    folded: set[str] = set()
    more: dict[str, Node] = {}
    added: set[Edge] = set()
    for near, members in sorted(crowds.items()):
        rest = sorted(members, key=lambda key: _importance(nodes[key]))[_CROWD:]
        if len(rest) > 1:
            folded.update(rest)
            key = f"{why}:{len(more)}"
            more[key] = Node(key, f"{len(rest)} more", why, "more")
            added.update((other, key) for other in near)
    kept = {key: node for key, node in (nodes | more).items() if key not in folded}
    return kept, {edge for edge in edges if edge[1] not in folded} | added


def _position(node: Node) -> tuple[bool, str, str]:
    """Where a box stands in its column, if nothing pulls it elsewhere."""
    return node.state == "more", node.title, node.key


def _importance(node: Node) -> tuple[bool, int, str, str]:
    """What sorts first must be shown."""
    return not node.revoked, -(node.worst.rank if node.worst else -1), node.title, node.key


def _chosen(nodes: Mapping[str, Node], edges: Iterable[Edge]) -> set[str]:
    """At most ``MAX_NODES``, family after family: the ones with revoked members first, then the largest."""
    near: defaultdict[str, list[str]] = defaultdict(list)
    for base, made in sorted(edges):
        near[base].append(made)
        near[made].append(base)
    seen: set[str] = set()
    starts = sorted(nodes, key=lambda key: (_importance(nodes[key])[:2], -len(near[key]), key))
    families = [_family(start, near, seen) for start in starts if start not in seen]
    families.sort(key=lambda family: (not any(nodes[key].revoked for key in family), -len(family)))
    return {key for family in families for key in family} if len(nodes) <= MAX_NODES else _first(families)


def _family(start: str, near: Mapping[str, list[str]], seen: set[str]) -> list[str]:
    """Everything that hangs together with a box, nearest first."""
    seen.add(start)
    found = [start]
    for key in found:
        fresh = [other for other in near.get(key, ()) if other not in seen]
        seen.update(fresh)
        found.extend(fresh)
    return found


def _first(families: Iterable[list[str]]) -> set[str]:
    kept: list[str] = []
    for family in families:
        room = MAX_NODES - len(kept)
        # One box of a family says nothing.
        kept += family[:room] if min(room, len(family)) > 1 else []
    return set(kept)
