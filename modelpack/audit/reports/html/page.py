"""The page.

Nothing on it is fetched, and a policy in it forbids fetching and any script or style but its own (Content-Security-Policy with
their hashes). All text is escaped by :mod:`modelpack.audit.reports.html.markup`; what the script needs stands behind the tables
as JSON in which no ``<`` occurs. Without the script the tables are there, worst first.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from modelpack.audit.facts import Sort
from modelpack.audit.findings import Finding, Severity
from modelpack.audit.reports.figures import Figures, figures, ordered
from modelpack.audit.reports.html import sections
from modelpack.audit.reports.html.graph import lineage
from modelpack.audit.reports.html.markup import Markup, element, joined
from modelpack.audit.reports.html.rows import FINDING_COLUMNS, MODEL_COLUMNS, Row, finding_row, model_row
from modelpack.audit.reports.text import encoded
from modelpack.audit.results import Results
from modelpack.oci import JSON, Digest

MAX_FINDINGS = 5000
MAX_MODELS = 2000
"""Rows of the tables; other reports have all."""

Counts = Mapping[tuple[str, Digest | None], tuple[int, Severity | None]]


def html_report(results: Results) -> Iterator[bytes]:
    """The page, section by section."""
    for piece in _page(results):
        yield piece.encode("utf-8", "backslashreplace")


def _page(results: Results) -> Iterator[str]:
    seen, findings = figures(results), ordered(results.findings)
    yield _head(results)
    yield "<body>\n"
    yield sections.top(results) + "<main>\n"
    yield sections.summary(results, seen) + sections.signatures(seen)
    data: dict[str, JSON] = {}
    yield from _findings(results, findings, data)
    yield from _models(results, seen, _by_artifact(findings), data)
    yield sections.relations(lineage(results))
    yield sections.rules(results, findings)
    yield "</main>\n" + sections.bottom()
    yield f'<script type="application/json" id="data">{encoded(data).decode()}</script>\n'
    yield f"<script>{_asset('page.js')}</script>\n</body>\n</html>\n"


def _head(results: Results) -> str:
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = joined(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Registry audit: {', '.join(results.targets[:3])}"),
        Markup(f"<style>{style}</style>"),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n'


@cache
def _asset(name: str) -> str:
    return (files("modelpack.audit.reports.html") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _findings(results: Results, findings: Sequence[Finding], data: dict[str, JSON]) -> Iterator[str]:
    shown = findings[:MAX_FINDINGS]
    titles = {rule.id: (rule.title, sections.anchor(number)) for number, rule in enumerate(results.rules)}
    rows = (finding_row(found, *titles.get(found.rule, ("", ""))) for found in shown)
    yield sections.findings_head(len(findings), len(findings) - len(shown))
    if shown:
        yield from _table("findings", FINDING_COLUMNS, rows, data)
    yield "</section>\n"


def _models(results: Results, seen: Figures, counts: Counts, data: dict[str, JSON]) -> Iterator[str]:
    """At most ``MAX_MODELS``: the first by place, as nothing else could be said of the rest without holding all of them."""
    rows: list[Row] = []
    total = 0
    for artifact in results.estate.artifacts():
        if artifact.sort in (Sort.MODEL, Sort.INDEX):
            total += 1
            if len(rows) < MAX_MODELS:
                rows.append(
                    model_row(artifact, counts.get((artifact.subject.place, artifact.subject.digest), (0, None)))
                )
    yield sections.models_head(total, total - len(rows), seen)
    if rows:
        yield from _table("models", MODEL_COLUMNS, sorted(rows, key=lambda row: str(row.keys[0])), data)
    yield "</section>\n"


def _table(name: str, columns: Sequence[str], rows: Iterable[Row], data: dict[str, JSON]) -> Iterator[str]:
    heads = (element("th", column, scope="col") for column in columns)
    yield f'<table id="{name}">' + element("thead", element("tr", *heads)) + "<tbody>\n"
    keys: list[JSON] = []
    for row in rows:
        keys.append(row.to_json())
        yield row.markup + "\n"
    data[name] = keys
    yield "</tbody></table>\n"


def _by_artifact(findings: Iterable[Finding]) -> Counts:
    """How many findings count for each artifact, and the worst severity. They come worst first."""
    numbers, worst = Counter[tuple[str, Digest | None]](), dict[tuple[str, Digest | None], Severity]()
    for found in findings:
        if not found.exempt and not found.unchecked:
            key = found.subject.place, found.subject.digest
            numbers[key] += 1
            worst.setdefault(key, found.severity)
    return {key: (number, worst[key]) for key, number in numbers.items()}
