"""The tables of findings and of models: rows as they are seen, and the keys by which the script sorts and filters them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelpack.audit.facts import Artifact, Sort
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.figures import Vouched, is_asked, signers, vouched
from modelpack.audit.reports.html.drawing import SHORT
from modelpack.audit.reports.html.markup import Markup, element, joined, prose, text
from modelpack.audit.reports.text import MAX_TEXT, encoded, label, short, visible
from modelpack.oci import JSON

FINDING_COLUMNS = ("Severity", "Rule", "Where", "What")
MODEL_COLUMNS = ("Model", "What it is", "Licence", "Vouched for", "Findings")
LABELS = (*map(str, Severity), "unchecked", "exempt")
NAMES = {"unchecked": "not checked"}

_MAX_DATA = 4000
_DIGEST = re.compile("sha(256|512):[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Row:
    """``keys`` are one a column, ``facets`` what filters choose from, ``words`` what a search looks through, in lower case."""

    markup: Markup
    keys: tuple[JSON, ...]
    facets: tuple[str, ...] = ()
    words: str = ""

    def to_json(self) -> JSON:
        """For the script."""
        return {"k": [*self.keys], "f": [*self.facets], "w": self.words}


def finding_row(finding: Finding, title: str, anchor: str) -> Row:
    """``title`` and ``anchor`` are the rule's."""
    subject, kind = finding.subject, label(finding)
    rule = element("a", finding.rule, href=f"#{anchor}") if anchor else text(finding.rule)
    tags = ", ".join(subject.tags)
    where = joined(
        element("span", f"{subject.place}{':' if subject.tags else ''}", class_="place"),
        element("span", subject.tags[0], class_="tag") if subject.tags else "",
        element("span", short(subject.digest), class_="digest") if subject.digest else "",
    )
    within = element("span", _shortened(finding.place), class_="quiet") if finding.place else ""
    cells = (
        element("td", element("span", NAMES.get(kind, kind), class_=f"pill {kind}"), data_label="Severity"),
        element("td", rule, element("span", title, class_="quiet"), data_label="Rule"),
        element("td", where, data_label="Where"),
        element("td", element("p", finding.message), within, _details(finding), data_label="What"),
    )
    said = (finding.rule, title, subject.place, tags, str(subject.digest or ""), finding.place, finding.message)
    return Row(
        element("tr", *cells),
        (LABELS.index(kind), visible(finding.rule), visible(f"{subject.place}:{tags}"), visible(finding.message)),
        (kind, visible(finding.rule), visible(subject.place)),
        visible(" ".join((*said, finding.exempt)).lower()),
    )


def _shortened(place: str) -> str:
    """A digest as far as people read one."""
    return f"{place[:19]}…" if _DIGEST.fullmatch(place) else place


def _details(finding: Finding) -> Markup:
    """What is only read when one looks closer."""
    subject = finding.subject
    code = element("code", encoded(finding.data).decode()[:_MAX_DATA]) if finding.data else ""
    pairs = (
        ("in", finding.place if _shortened(finding.place) != finding.place else ""),
        ("what to do", prose(finding.remedy)),
        ("exempt because", finding.exempt),
        ("severity", str(finding.severity) if label(finding) != finding.severity else ""),
        ("tags", ", ".join(subject.tags) if len(subject.tags) > 1 else ""),
        ("digest", element("code", str(subject.digest)) if subject.digest else ""),
        ("data", code),
    )
    told = [joined(element("dt", name), element("dd", value)) for name, value in pairs if value]
    return element("details", element("summary", "more"), element("dl", *told)) if told else joined()


def model_row(artifact: Artifact, counts: tuple[int, Severity | None]) -> Row:
    """``counts`` are how many findings count, and the worst severity among them."""
    subject, (number, worst) = artifact.subject, counts
    state = vouched(artifact) if is_asked(artifact) else None
    name = joined(
        element("span", f"{subject.place}{':' if subject.tags else ''}", class_="place"),
        element("span", ", ".join(subject.tags), class_="tag") if subject.tags else "",
        element("span", short(subject.digest), class_="digest"),
    )
    what, licence = _what(artifact), ", ".join(artifact.licenses)
    people = ", ".join(signers(artifact))
    found = element("span", str(worst), class_=f"pill {worst}") if worst else joined()
    cells = (
        element("td", name, data_label="Model"),
        _said("What it is", what),
        _said("Licence", licence or element("span", "not known", class_="quiet")),
        _said("Vouched for", _state(state), element("span", people, class_="quiet") if people else ""),
        _said("Findings", found, f" {number}" if number else "none"),
    )
    return Row(
        element("tr", *cells),
        (
            visible(f"{subject.place}:{','.join(subject.tags)}"),
            visible(what),
            visible(licence),
            [*Vouched].index(state) if state else len(Vouched),
            -(1000 * (1 + worst.rank) + number) if worst else 0,
        ),
        words=visible(
            " ".join((subject.place, *subject.tags, str(subject.digest), what, licence, people)).lower(), 2 * MAX_TEXT
        ),
    )


def _said(name: str, *content: str) -> Markup:
    """A cell that has its column's name beside it where the table is too wide for the screen."""
    return element("td", element("div", *content), data_label=name)


def _state(state: Vouched | None) -> Markup:
    if state is None:
        return element("span", "by its index", class_="quiet")
    return joined(element("span", class_=f"swatch state-{state}"), f" {SHORT[state]}")


def _what(artifact: Artifact) -> str:
    stated, weights = artifact.stated, artifact.weights
    if artifact.sort is Sort.INDEX:
        return f"index of {len(artifact.members)}"
    size = _count(weights.parameters) if weights.parameters else stated.param_size
    formats = ", ".join(weights.formats) or stated.format
    return " · ".join(part for part in (artifact.family or stated.family, formats, size, weights.quantization) if part)


def _count(number: int) -> str:
    for unit, scale in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= scale:
            return f"{number / scale:.1f}{unit}"
    return str(number)
