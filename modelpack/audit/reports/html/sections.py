"""The sections of the page that are no long tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.figures import Figures
from modelpack.audit.reports.html.drawing import bar, drawing, legend
from modelpack.audit.reports.html.graph import Lineage
from modelpack.audit.reports.html.markup import Markup, element, joined, prose
from modelpack.audit.results import Results
from modelpack.audit.rules import Rule

_MANY_TARGETS = 8
_NO_MODEL_FOUND = "No model was seen."


def anchor(number: int) -> str:
    """The place of a rule on the page; its id may hold anything."""
    return f"rule-{number}"


def top(results: Results) -> str:
    """Title, what was audited, when, and whether it came to an end."""
    targets = [element("li", target) for target in results.targets[:_MANY_TARGETS]]
    if (rest := len(results.targets) - _MANY_TARGETS) > 0:
        targets.append(element("li", f"and {rest} more"))
    state = "Complete" if results.complete else "Not complete"
    mark = element("span", state, class_="badge" if results.complete else "badge bad")
    when = element("span", _times(results.started, results.finished))
    facts = (mark, " ", when, element("span", results.tool) if results.tool else "")
    head = element(
        "header",
        element("h1", "Registry audit"),
        element("ul", *targets, class_="targets"),
        element("p", *facts, class_="quiet facts"),
        "" if results.complete else _warning(results),
    )
    return head + "\n"


def _warning(results: Results) -> Markup:
    count = results.summary.unchecked
    what = f"{_counted(count, 'thing')} could not be checked" if count else "It ended before everything was seen"
    return element(
        "p",
        element("b", "This audit is not complete. "),
        f"{what}. What was not checked is not clean.",
        class_="warning",
        role="note",
    )


def summary(results: Results, seen: Figures) -> str:
    """The figures."""
    counted = results.summary
    severities = [
        _figure(str(counted.severities.get(severity, 0)), str(severity), str(severity)) for severity in Severity
    ]
    others = [
        _figure(str(counted.unchecked), "not checked", "unchecked"),
        _figure(str(counted.exempt), "exempt", "exempt"),
    ]
    models = f"{_counted(seen.models, 'model')} in {_counted(counted.repositories, 'place')}"
    clean = f"{seen.clean:,} of them clean (checked in full, and nothing found)" if seen.clean else "none of them clean"
    return section(
        "summary",
        "Summary",
        element("p", element("b", models), element("span", f", {clean}." if seen.models else ".")),
        element("dl", *severities, *others, class_="figures"),
    )


def _figure(value: str, name: str, kind: str) -> Markup:
    return element(
        "div", element("dt", name), element("dd", value), class_=f"figure {kind}{'' if value != '0' else ' zero'}"
    )


def signatures(seen: Figures) -> str:
    """Who vouches for the models."""
    if not seen.models:
        return section("signatures", "Who vouches for the models", element("p", _NO_MODEL_FOUND, class_="quiet"))
    counts = dict(seen.signatures)
    return section("signatures", "Who vouches for the models", bar(counts), legend(counts))


def findings_head(total: int, left_out: int) -> str:
    """The beginning of the section; its end is the caller's."""
    if not total:
        return _open("findings-section", "Findings", element("p", "None.", class_="quiet"))
    note = f"The worst {total - left_out:,} of {total:,}; the reports in JSON and CSV have all." if left_out else ""
    filters = element(
        "div",
        element("div", id="kinds", class_="chips", role="group", aria_label="Severity"),
        element("label", "Rule ", element("select", id="rule")),
        element("label", "Place ", element("select", id="place")),
        element("label", "Text ", element("input", type="search", id="text", autocomplete="off", spellcheck="false")),
        element("output", id="shown", aria_live="polite"),
        id="filters",
        class_="filters",
        role="search",
        aria_label="Findings",
        hidden="",
    )
    return _open("findings-section", "Findings", element("p", note, class_="note") if note else "", filters)


def models_head(total: int, left_out: int, seen: Figures) -> str:
    """The beginning of the section; its end is the caller's."""
    if not total:
        return _open("models-section", "Models", element("p", _NO_MODEL_FOUND, class_="quiet"))
    note = f"The first {total - left_out:,} of {total:,}; the report in JSON has all. " if left_out else ""
    search = element(
        "div",
        element(
            "label", "Text ", element("input", type="search", id="model-text", autocomplete="off", spellcheck="false")
        ),
        element("output", id="models-shown", aria_live="polite"),
        id="model-filters",
        class_="filters",
        role="search",
        aria_label="Models",
        hidden="",
    )
    told = f"{note}{_bytes(seen.bytes)} in all layers that manifests name."
    return _open("models-section", "Models", element("p", told, class_="quiet"), search)


def relations(graph: Lineage) -> str:
    """The lineage as a picture, and in words."""
    alone = (
        f"{_counted(graph.alone, 'model')} {'says' if graph.alone == 1 else 'say'} nothing of what they were made from"
    )
    if not graph.nodes:
        return section("lineage", "What derives from what", element("p", f"{alone}.", class_="quiet"))
    names = {node.key: node.title for node in graph.nodes}
    rows = (element("tr", element("td", names[base]), element("td", names[made])) for base, made in graph.edges)
    table = element(
        "table",
        element("thead", element("tr", element("th", "Made from", scope="col"), element("th", "Model", scope="col"))),
        element("tbody", *rows),
    )
    notes = [f"{_counted(graph.left_out, 'box', 'boxes')} did not fit"] if graph.left_out else []
    notes += [alone] if graph.alone else []
    return section(
        "lineage",
        "What derives from what",
        element("p", "Arrows lead from what was used to what was made of it. Dashed boxes are not in this audit."),
        element("div", drawing(graph), class_="scroll", tabindex=0, role="region", aria_label="Picture of the lineage"),
        element("p", f"{'; '.join(notes)}.", class_="note") if notes else "",
        element("details", element("summary", "The same as a table"), table),
    )


def rules(results: Results, findings: Iterable[Finding]) -> str:
    """Those that found something, explained, and the names of those that did not."""
    counts = Counter(found.rule for found in findings if not found.exempt)
    numbered = [(number, rule) for number, rule in enumerate(results.rules)]
    told = [_rule(rule, counts[rule.id], anchor(number)) for number, rule in numbered if counts[rule.id]]
    # Exempt findings lead to a rule as well.
    silent = [
        element("li", element("b", rule.id), f" {rule.title}", id=anchor(n))
        for n, rule in numbered
        if not counts[rule.id]
    ]
    rest = element(
        "details",
        element("summary", f"{_counted(len(silent), 'rule')} found nothing that counts"),
        element("ul", *silent),
    )
    return section("rules", "Rules", element("div", *told), rest if silent else "")


def _rule(rule: Rule, count: int, place: str) -> Markup:
    return element(
        "article",
        element(
            "h3",
            element("span", rule.id, class_="id"),
            f" {rule.title} ",
            element("span", _counted(count, "finding"), class_="quiet"),
        ),
        element("p", prose(rule.explanation)),
        element("p", element("b", "What to do: "), prose(rule.remedy)),
        id=place,
    )


def bottom() -> str:
    """How to read it."""
    words = (
        "“Not checked” means that something could not be found out: it is neither good nor bad, and not clean. "
        "“Exempt” findings are tolerated by the policy, for the reason that they state. "
        "Digests are shortened in tables and whole under “more”."
    )
    return element("footer", element("p", words)) + "\n"


def section(name: str, title: str, *content: str) -> str:
    """A whole section."""
    return _open(name, title, *content) + "</section>\n"


def _open(name: str, title: str, *content: str) -> str:
    inner = joined(element("h2", title, id=f"{name}-title"), *content)
    return f'<section id="{name}" aria-labelledby="{name}-title">{inner}\n'


def _times(start: datetime, end: datetime) -> str:
    """``2026-11-24 06:00 to 06:01 UTC``."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%Y-%m-%d %H:%M'}} UTC"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"
