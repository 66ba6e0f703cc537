"""The page in a real browser: it sorts, filters, draws, prints, asks the network for nothing and runs nothing of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.audit.reports import write_file
from tests.audit.reports.html.browser import Browser, browser
from tests.audit.reports.made import hostile, ordinary

ROWS = "[...document.querySelectorAll('#findings tbody tr')].filter((row) => row.offsetParent)"


@pytest.fixture(scope="module", name="tab")
def _tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the reports."""
    folder = tmp_path_factory.mktemp("reports")
    write_file("html", ordinary(), folder / "ordinary.html")
    write_file("html", hostile(), folder / "hostile.html")
    return {path.stem: path.as_uri() for path in folder.iterdir()}


@pytest.fixture
def ordinary_page(tab: Browser, pages: dict[str, str]) -> Browser:
    tab.screen(1280, 900)
    tab.open(pages["ordinary"])
    return tab


def shown(tab: Browser, column: int) -> list[str]:
    """What stands in a column of the rows that are seen."""
    return list(tab.value(f"{ROWS}.map((row) => row.cells[{column}].firstElementChild.innerText)"))


@pytest.mark.parametrize("name", ["ordinary", "hostile"])
def test_no_complaint_no_request_no_foreign_script(tab: Browser, pages: dict[str, str], name: str) -> None:
    tab.screen(1280, 900)
    tab.open(pages[name])
    assert tab.complaints() == []
    assert tab.requests() == [pages[name]]
    assert tab.value("document.title").startswith("Registry audit: ")
    assert tab.value("document.scripts.length") == 2
    assert (
        tab.value(
            "document.querySelectorAll('[onerror], [onload], img, iframe, link, object, embed, form, base').length"
        )
        == 0
    )
    assert tab.value("[...document.links].every((link) => link.protocol === 'file:' && link.hash)") is True
    assert len(shown(tab, 0)) > 10


def test_everything_on_a_hostile_page_can_be_clicked(tab: Browser, pages: dict[str, str]) -> None:
    tab.open(pages["hostile"])
    for _ in range(2):  # the second time severities are on again
        tab.value("document.querySelectorAll('button, summary').forEach((each) => each.click())")
    for number in range(1, 6):
        tab.value("document.querySelectorAll('details').forEach((each) => each.open = true)")
        tab.click(f"#findings tr:nth-child({number}) td a")
        assert tab.value("location.hash").startswith("#rule-")
    tab.value(
        "for (const id of ['rule', 'place']) for (const option of document.getElementById(id).options) {"
        " option.selected = true; document.getElementById(id).dispatchEvent(new Event('input')); }"
    )
    assert tab.value("document.title").startswith("Registry audit: ")
    assert tab.complaints() == []
    assert tab.requests() == [pages["hostile"]]


def test_a_script_that_is_not_ours_does_not_run(ordinary_page: Browser) -> None:
    ordinary_page.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s); })()"
    )
    assert ordinary_page.value("document.title") == "Registry audit: registry.example"
    assert any("script-src" in complaint for complaint in ordinary_page.complaints())


def test_it_sorts_by_each_column(ordinary_page: Browser) -> None:
    tab = ordinary_page
    before = shown(tab, 1)
    for column in range(4):
        head = f"#findings th:nth-child({column + 1})"
        tab.click(f"{head} button")
        assert tab.value(f"document.querySelector({head!r}).getAttribute('aria-sort')") == "ascending"
        up = shown(tab, column)
        tab.click(f"{head} button")
        assert tab.value(f"document.querySelector({head!r}).getAttribute('aria-sort')") == "descending"
        assert tab.value("document.querySelectorAll('#findings [aria-sort]').length") == 1
        down = shown(tab, column)
        if column:
            assert up == sorted(up)
            assert down == sorted(up, reverse=True)
        else:
            ranks = ["critical", "high", "medium", "low", "not checked", "exempt"]
            assert up == sorted(up, key=ranks.index)
            assert down == up[::-1]
    assert sorted(before) == sorted(shown(tab, 1))


def test_it_sorts_models_by_severity_and_by_number(ordinary_page: Browser) -> None:
    ordinary_page.click("#models th:nth-child(5) button")
    cells = ordinary_page.value(
        "[...document.querySelectorAll('#models tbody tr')].map((row) => row.cells[4].innerText.trim())"
    )
    order = [cell.split()[0] for cell in cells]
    assert order == sorted(order, key=["critical", "high", "medium", "low", "none"].index)


def test_it_filters_by_severity_rule_place_and_text(ordinary_page: Browser) -> None:
    tab = ordinary_page
    state = "document.getElementById('shown').textContent"
    assert tab.value(state) == "17 shown"
    tab.click("#kinds button.critical")
    assert tab.value("document.querySelector('#kinds .critical').getAttribute('aria-pressed')") == "false"
    assert "critical" not in shown(tab, 0)
    assert tab.value(state) == "12 of 17 shown"
    tab.click("#kinds button.critical")
    choose(tab, "rule", "MP090")
    assert shown(tab, 1) == ["MP090"] * 3
    choose(tab, "place", "registry.example/search/reranker")
    assert tab.value(state) == "1 of 17 shown"
    choose(tab, "rule", "")
    choose(tab, "place", "")
    tab.click("#text")
    tab.call("Input.insertText", text="OS.System wake")
    assert shown(tab, 3) == ["the pickle names os.system"]
    tab.click("#model-text")
    tab.call("Input.insertText", text="whisper")
    assert tab.value("document.getElementById('models-shown').textContent") == "1 of 23 shown"


def choose(tab: Browser, name: str, value: str) -> None:
    tab.value(
        f"(() => {{ const s = document.getElementById({name!r}); s.value = {value!r};"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def test_it_works_with_the_keyboard_alone(ordinary_page: Browser) -> None:
    tab = ordinary_page
    tab.value("document.querySelector('#findings th button').focus()")
    tab.key("Enter", 13, "\r")
    tab.key("Tab", 9)
    tab.key(" ", 32, " ")
    assert tab.value("document.activeElement.textContent") == "Rule"
    assert tab.value("document.querySelector('#findings th:nth-child(2)').getAttribute('aria-sort')") == "ascending"
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_picture_is_seen(ordinary_page: Browser) -> None:
    tab = ordinary_page
    boxes = tab.value(
        "[...document.querySelectorAll('svg.lineage svg')].map((box) => { const r = box.getBoundingClientRect();"
        " return [r.x, r.y, r.right, r.bottom]; })"
    )
    assert len(boxes) == 19
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert right - left > 200
        for other in boxes[number + 1 :]:
            assert other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
    assert tab.value("document.querySelectorAll('svg.lineage path').length") > 15
    assert (
        tab.value("[...document.querySelectorAll('svg.lineage path')].every((path) => path.getTotalLength() > 50)")
        is True
    )
    widths = tab.value(
        "[...document.querySelectorAll('svg.bar rect')].map((each) => each.getBoundingClientRect().width)"
    )
    assert len(widths) == 7
    assert sum(widths) == pytest.approx(
        tab.value("document.querySelector('svg.bar').getBoundingClientRect().width"), abs=1
    )


@pytest.mark.parametrize("name", ["ordinary", "hostile"])
@pytest.mark.parametrize("width", [320, 390, 900])
def test_nothing_is_wider_than_a_small_screen(tab: Browser, pages: dict[str, str], name: str, width: int) -> None:
    tab.open(pages[name])
    tab.screen(width, 844, phone=True)
    tab.value("document.querySelectorAll('details').forEach((each) => each.open = true)")
    assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.value("innerWidth") == width


def test_a_link_to_a_rule_opens_the_list_that_hides_it(ordinary_page: Browser) -> None:
    tab = ordinary_page
    tab.value("document.querySelector('#rules details').open = false")
    tab.value("location.hash = document.querySelector('#rules details li').id")
    tab.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert tab.value("document.querySelector('#rules details').open") is True


def test_it_prints(ordinary_page: Browser) -> None:
    tab = ordinary_page
    assert tab.paper().startswith(b"%PDF-")
    tab.screen(700, 1000, dark=True)
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert tab.value("getComputedStyle(document.querySelector('#findings tbody tr')).display") == "table-row"
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.value("document.documentElement.scrollWidth") == 700
    assert tab.value("getComputedStyle(document.getElementById('filters')).display") == "none"
    tab.value("dispatchEvent(new Event('beforeprint'))")
    assert tab.value("document.querySelectorAll('section > details:not([open])').length") == 0
    tab.value("dispatchEvent(new Event('afterprint'))")
    assert tab.value("document.querySelectorAll('details[open]').length") == 0
    tab.call("Emulation.setEmulatedMedia", media="")


def test_it_is_read_without_javascript(tab: Browser, pages: dict[str, str]) -> None:
    tab.screen(1280, 900)
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(pages["ordinary"])
        assert shown(tab, 0)[:6] == ["critical"] * 5 + ["high"]
        assert len(shown(tab, 0)) == 17
        assert tab.value("document.querySelectorAll('#filters, #model-filters')[0].offsetParent") is None
        assert tab.value("document.querySelectorAll('button').length") == 0
        assert tab.value("document.querySelector('svg.lineage').getBoundingClientRect().height") > 300
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)


CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = (colour) => { const [r, g, b] = numbers(colour).map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { for (; node; node = node.parentElement) { const colour = getComputedStyle(node).backgroundColor;
    if (numbers(colour)[3] !== 0) return colour; } return "rgb(255, 255, 255)"; };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.offsetParent) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(`${node.tagName}.${node.className} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [...new Set(bad)];
})()"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_is_accessible_by_the_rules_of_wcag(tab: Browser, pages: dict[str, str], width: int, dark: bool) -> None:
    folder = os.environ.get("MODELPACK_TEST_NPM", "")
    if not folder:
        pytest.skip("needs axe (npm install --prefix DIR axe-core@4, then MODELPACK_TEST_NPM=DIR)")
    tab.screen(width, 900, phone=width < 500, dark=dark)
    tab.open(pages["ordinary"])
    tab.value((Path(folder) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    told = "found.violations.map((each) => [each.id, each.nodes[0].html])"
    assert tab.value(f"axe.run(document, {{ runOnly: {tags} }}).then((found) => {told})") == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_contrast(tab: Browser, pages: dict[str, str], dark: bool) -> None:
    tab.screen(1280, 900, dark=dark)
    tab.open(pages["ordinary"])
    assert tab.value(CONTRAST) == []
    assert (tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") != dark
