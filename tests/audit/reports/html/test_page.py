"""The page as text: well-formed, self-contained, and nothing in it but what we wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.audit import Finding, Severity, Subject
from modelpack.audit.facts import Sort, Stated, Weights
from modelpack.audit.reports.html import page
from modelpack.audit.reports.html.markup import element
from modelpack.audit.reports.text import visible
from modelpack.audit.results import Results
from tests.audit.reports.made import HOSTILE, audited, hostile, model, ordinary
from tests.audit.reports.test_documents import written

VOID = {"meta", "input"}
TAGS = {
    *VOID, "a", "article", "b", "body", "code", "dd", "details", "div", "dl", "dt", "footer", "g", "h1", "h2", "h3", "head",
    "header", "html", "label", "li", "main", "output", "p", "path", "rect", "script", "section", "select", "span", "style",
    "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "aria-label", "aria-labelledby", "aria-live", "autocomplete", "charset", "class", "content", "d", "data-label", "height",
    "hidden", "href", "http-equiv", "id", "lang", "name", "preserveaspectratio", "role", "rx", "scope", "spellcheck", "tabindex",
    "type", "viewbox", "width", "x", "y",
}  # fmt: skip


class Read(HTMLParser):
    """Tags that are open and closed in order, and what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        else:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read(results: Results) -> Read:
    return Read(written("html", results).decode())


@pytest.mark.parametrize("make", [ordinary, hostile, lambda: audited(())])
def test_only_our_own_tags_and_attributes(make: Any) -> None:
    found = read(make())
    assert {tag for tag, _ in found.tags} <= TAGS
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in found.tags:
        assert (attributes.get("href") or "#")[0] == "#"
        assert (attributes.get("href") or "#x")[1:] in (*ids, "x")
        assert attributes.get("aria-labelledby") in (None, *ids)


@pytest.mark.parametrize("make", [ordinary, hostile])
def test_the_policy_allows_exactly_our_style_and_script(make: Any) -> None:
    found = read(make())
    policy = next(at["content"] for tag, at in found.tags if at.get("http-equiv") == "Content-Security-Policy")
    assert policy
    data, script = found.raw["script"]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (found.raw["style"][0], script)
    ]
    ours = f"style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    assert policy == f"default-src 'none'; {ours}; base-uri 'none'; form-action 'none'"
    assert "url(" not in found.raw["style"][0]
    assert "@import" not in found.raw["style"][0]
    assert "innerHTML" not in script
    assert "<" not in data
    rows = json.loads(data)
    assert set(rows) == {"findings", "models"}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(["<!--", "-->", "]]>", "</p>", "&lt;", "'\"`", "\0<b>"])
)
def test_any_text_is_text(said: str) -> None:
    found = Read(element("p", said, element("b", said), title=said))
    assert found.tags == [("p", {"title": visible(said)}) if said else ("p", {"title": None}), ("b", {})]
    assert "".join(found.text) == visible(said) * 2


def test_nothing_hostile_is_lost_or_invisible() -> None:
    found = read(hostile())
    text = " ".join(found.text)
    for name in HOSTILE:
        assert (name if name.isprintable() else "abc\\u202etxt.exe\\u2066\\u200b\\x1b[31m\\x00\\ud800") in text
    raw = written("html", hostile()).decode()
    assert not re.findall("[^\n\x20-\uffff]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", raw)


def test_without_the_script_everything_is_there_worst_first() -> None:
    found = read(ordinary())
    text = " ".join(found.text)
    for finding in ordinary().findings:
        assert finding.message in text
    pills = [at["class"] for tag, at in found.tags if tag == "span" and (at.get("class") or "").startswith("pill ")]
    order = (
        ["pill critical"] * 5
        + ["pill high"] * 4
        + ["pill unchecked"]
        + ["pill medium"] * 4
        + ["pill unchecked", "pill low", "pill exempt"]
    )
    assert pills[: len(order)] == order
    hidden = [at.get("id") for _, at in found.tags if "hidden" in at]
    assert hidden == ["filters", "model-filters"]


def test_headings_lead_through_the_page_and_columns_are_named() -> None:
    found = read(ordinary())
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[:2] == [1, 2]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(at.get("scope") == "col" for tag, at in found.tags if tag == "th")
    assert [at["role"] for tag, at in found.tags if tag == "svg" and "role" in at] == ["img", "img"]


def test_rows_are_bounded_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_FINDINGS", 3)
    monkeypatch.setattr(page, "MAX_MODELS", 2)
    found = read(ordinary())
    data = json.loads(found.raw["script"][0])
    assert (len(data["findings"]), len(data["models"])) == (3, 2)
    text = " ".join(found.text)
    assert "The worst 3 of 17; the reports in JSON and CSV have all." in text
    assert "The first 2 of 23; the report in JSON has all." in text


def test_an_empty_audit() -> None:
    text = " ".join(read(audited(())).text)
    assert "0 models in 0 places" in text
    assert text.count("No model was seen.") == 2
    assert " None. " in text
    assert "Complete" in text


def test_many_targets_and_an_audit_that_stopped() -> None:
    results = audited((), targets=tuple(f"h{number}.example" for number in range(10)), complete=False)
    text = " ".join(read(results).text)
    assert "h7.example" in text
    assert "h8.example" not in text
    assert "and 2 more" in text
    assert (
        "This audit is not complete.  It ended before everything was seen. What was not checked is not clean." in text
    )


def test_models_of_all_kinds() -> None:
    index = model("i", "1", sort=Sort.INDEX, members=())
    variant = model(
        "i",
        listed_by=(index.subject.digest,),
        weights=Weights(),
        stated=Stated(param_size="70B", format="gguf"),
        family="",
    )
    tiny = model("tiny", "1", billions=0.0000001, weights=Weights(("onnx",), 100), licence="")
    other = model("image", "1", sort=Sort.OTHER)
    text = " ".join(read(audited((index, variant, tiny, other), rules=())).text)
    assert "registry.example/image" not in text
    assert "index of 0" in text
    assert "gguf · 70B" in text
    assert "by its index" in text
    assert "bert" not in text
    assert "onnx · 100" in text
    assert "not known" in text


def test_a_finding_says_what_one_asks_next() -> None:
    subject = Subject("h.example/a", model("a").subject.digest, ("1", "2"))
    found = Finding("X1", Severity.LOW, subject, "bad", "file.bin", "do this", "because", data={"<n>": 1})
    text = " ".join(read(audited((), extra=(found,))).text)
    for said in ("file.bin", "do this", "because", "1, 2", str(subject.digest), '{"\\u003cn\\u003e":1}', "low"):
        assert said in text


def test_a_digest_as_a_place_is_short_and_whole_under_more() -> None:
    layer = str(model("a").subject.digest)
    found = Finding("X1", Severity.LOW, Subject("h.example/a"), "bad", layer)
    text = " ".join(read(audited((), extra=(found,))).text)
    assert f"{layer[:19]}…" in text
    assert text.count(layer) == 1


def test_text_between_backticks_is_code_only_in_pairs() -> None:
    from modelpack.audit.reports.html.markup import prose

    assert prose("use `a<b` or `c`.") == "use <code>a&lt;b</code> or <code>c</code>."
    assert prose("it`s <b>") == "it`s &lt;b&gt;"


@pytest.mark.parametrize(("part", "said"), [(0, "0 %"), (1, "< 1 %"), (500, "50 %"), (999, "> 99 %"), (1000, "100 %")])
def test_percentages_do_not_round_to_none_or_all(part: int, said: str) -> None:
    from modelpack.audit.reports.html.drawing import _percent

    assert _percent(part, 1000) == said
    assert _percent(0, 0) == "0 %"


def test_sizes() -> None:
    from modelpack.audit.reports.html.sections import _bytes

    assert [_bytes(10**power) for power in (2, 5, 8, 11, 14)] == [
        "100 B",
        "100.0 kB",
        "100.0 MB",
        "100.0 GB",
        "100.00 TB",
    ]
