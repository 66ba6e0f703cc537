"""The graph as Graphviz reads it. Names come from artifacts, so each is quoted and none can be more than a label."""

from __future__ import annotations

from collections.abc import Iterator

from modelpack.attest import Lineage
from modelpack.audit.lineage.downwards import Derived, Descent

_LABEL = 120


def descent_dot(found: Descent) -> str:
    """What was made from something, as a directed graph (DOT); dashed lines are doubtful, grey artifacts are gone."""
    names: dict[Derived | None, str] = {None: "asked"}
    lines = [_node("asked", found.asked.text, "shape=box, style=bold")]
    for number, one in enumerate(found.found):
        names[one] = f"n{number}"
        lines.append(_node(names[one], str(one.subject), "color=grey, fontcolor=grey" if one.gone else ""))
    # A parent is always found before what was made from it.
    lines += (_edge(names[one.parent], names[one], one.said.relation, doubtful=not one.certain) for one in found.found)
    return _graph(lines)


def lineage_dot(root: Lineage) -> str:
    """What something was made from, as a directed graph (DOT); grey is what was not asked or seen."""
    return _graph(list(_ancestors(root)))


def _ancestors(root: Lineage) -> Iterator[str]:
    todo: list[tuple[Lineage, str]] = [(root, "")]
    for number, (one, child) in enumerate(todo):
        name = f"n{number}"
        label = (one.uri or one.name).removeprefix("oci://") or str(one.digest)
        yield _node(name, label, "" if one.resolved else "color=grey, fontcolor=grey")
        if child:
            yield _edge(name, child, one.relation, doubtful=not one.digest)
        todo.extend((ancestor, name) for ancestor in one.ancestors)


def _graph(lines: list[str]) -> str:
    return "\n".join(("digraph lineage {", '  rankdir="TB"; node [shape=ellipse];', *lines, "}", ""))


def _node(name: str, label: str, more: str) -> str:
    return f"  {name} [label={_quoted(label)}{', ' if more else ''}{more}];"


def _edge(start: str, end: str, label: str, *, doubtful: bool) -> str:
    style = ", style=dashed" if doubtful else ""
    return f"  {start} -> {end} [label={_quoted(label)}{style}];"


def _quoted(text: str) -> str:
    """A DOT string: a quote and a backslash are escaped, and what is not printable is left out."""
    short = text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
    clean = "".join(character for character in short if character.isprintable())
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
