"""The lineage as an SVG picture: colours come from the page's style, every box says in words what its colour says."""

from __future__ import annotations

from collections.abc import Sequence

from modelpack.audit.reports.figures import MEANINGS, Vouched
from modelpack.audit.reports.html.graph import Lineage, Node
from modelpack.audit.reports.html.layout import placed
from modelpack.audit.reports.html.markup import Markup, element, joined
from modelpack.audit.reports.text import visible

_WIDTH, _HEIGHT = 216, 48
_ACROSS, _DOWN = 280, 62
"""From one column to the next, and from one row to the next, in the SVG's units."""

_EDGE = 8
_LETTERS = 27
_SMALL_LETTERS = 34


def drawing(graph: Lineage) -> Markup:
    """The picture. Text alternatives are in it; the same stands in the table that comes with it."""
    plan = placed([node.key for node in graph.nodes], graph.edges)
    width = (plan.columns - 1) * _ACROSS + _WIDTH + 2 * _EDGE
    height = round((plan.rows - 1) * _DOWN) + _HEIGHT + 2 * _EDGE
    ways = (_arrow(plan.ways[edge]) for edge in graph.edges)
    boxes = (_box(node, *_corner(plan.at[node.key])) for node in graph.nodes)
    return element(
        "svg",
        element("title", f"{len(graph.nodes)} models and what they were made from, {len(graph.edges)} arrows"),
        element("g", *ways, class_="ways"),
        element("g", *boxes),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        class_="lineage",
    )


def _corner(at: tuple[int, float]) -> tuple[float, float]:
    return at[0] * _ACROSS + _EDGE, at[1] * _DOWN + _EDGE


def _arrow(points: Sequence[tuple[int, float]]) -> Markup:
    """A line from the right side of a box, through the gaps of columns between, to the left side of another."""
    corners = [_corner(point) for point in points]
    x, y = corners[0][0] + _WIDTH, corners[0][1] + _HEIGHT / 2
    path = [f"M{_n(x)} {_n(y)}"]
    for number, (left, top) in enumerate(corners[1:], start=2):
        y_next, bend = top + _HEIGHT / 2, (left - x) / 2
        path.append(f"C{_n(x + bend)} {_n(y)} {_n(left - bend)} {_n(y_next)} {_n(left)} {_n(y_next)}")
        x, y = left, y_next
        if number < len(corners):
            x = left + _WIDTH
            path.append(f"H{_n(x)}")
    path.append("m-6 -4l6 4l-6 4")
    return element("path", d="".join(path))


def _box(node: Node, left: float, top: float) -> Markup:
    """An inner picture, because that cuts off text which is wider than letters usually are."""
    words = _words(node)
    height = _HEIGHT - 2
    return element(
        "svg",
        element("title", "; ".join((f"{node.title} ({node.detail})", *words))),
        element("rect", x=1, y=1, width=_WIDTH - 2, height=height, rx=6, class_="frame"),
        element("rect", x=6, y=8, width=4, height=height - 14, rx=2, class_="mark"),
        element("text", _cut(node.title, _LETTERS), x=17, y=20, class_="name"),
        element("text", _cut("; ".join(words) or node.detail, _SMALL_LETTERS), x=17, y=37, class_="said"),
        x=_n(left),
        y=_n(top),
        width=_WIDTH,
        height=_HEIGHT,
        class_=" ".join(["box", f"state-{node.state}", *(["revoked"] if node.revoked else [])]),
    )


def _words(node: Node) -> list[str]:
    said = ["base revoked" if node.state != "outside" else "revoked"] if node.revoked else []
    if node.state in SHORT:
        said.append(SHORT[Vouched(node.state)])
    if node.worst and not node.revoked:
        said.append(f"worst: {node.worst}")
    return said


SHORT = {
    Vouched.TRUSTED: "trusted",
    Vouched.LEGACY: "old format",
    Vouched.UNKNOWN: "unknown signer",
    Vouched.EXPIRED: "expired signer",
    Vouched.WRONG: "of something else",
    Vouched.UNSIGNED: "unsigned",
    Vouched.UNCHECKED: "not checked",
}
"""The states in a word or two."""


def bar(counts: dict[Vouched, int]) -> Markup:
    """The states of all models as one bar."""
    total = sum(counts.values())
    parts: list[Markup] = []
    left = 0.0
    for state, count in counts.items():
        width = 1000 * count / total if total else 0
        if count:
            name = element("title", f"{SHORT[state]}: {count} of {total}")
            rect = element("rect", x=_n(left), y=0, width=_n(width), height=28, class_="mark")
            parts.append(element("g", name, rect, class_=f"state-{state}"))
        left += width
    words = ", ".join(f"{count} {SHORT[state]}" for state, count in counts.items() if count)
    return element(
        "svg",
        element("title", f"Signatures of {total} models: {words or 'none'}"),
        joined(*parts),
        viewBox="0 0 1000 28",
        preserveAspectRatio="none",
        role="img",
        class_="bar",
    )


def legend(counts: dict[Vouched, int]) -> Markup:
    """The bar in words and numbers."""
    total = sum(counts.values())
    items = (
        element(
            "li",
            element("span", class_=f"swatch state-{state}"),
            element("b", str(count)),
            element("span", f" {SHORT[state]}", class_="state"),
            element("span", f"{_percent(count, total)} · {MEANINGS[state]}", class_="quiet"),
            class_=None if count else "none",
        )
        for state, count in counts.items()
    )
    return element("ul", *items, class_="legend")


def _percent(count: int, total: int) -> str:
    """Never 0 % of something, nor 100 % of not all."""
    share = 100 * count / total if total else 0
    if 0 < share < 1:
        return "< 1 %"
    return "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


def _cut(words: str, most: int) -> str:
    text = visible(words)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
