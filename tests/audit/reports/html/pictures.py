"""``python -m tests.audit.reports.html.pictures`` makes the pictures of docs/audit.md anew."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from modelpack.audit.reports import write_file
from tests.audit.reports.html.browser import Browser, browser
from tests.audit.reports.showcase import showcase
from tests.contract.sources import ROOT

DOCS = ROOT / "docs" / "pictures"


def take(tab: Browser, name: str, *, top: str, bottom: str) -> None:
    """A picture of the page from the top of one element to the end of another."""
    edge = "document.querySelector({!r}).getBoundingClientRect().{} + scrollY"
    first, last = tab.value(edge.format(top, "top")), tab.value(edge.format(bottom, "bottom"))
    start = max(first - 16, 0)
    clip = {"x": 0, "y": start, "width": tab.value("innerWidth"), "height": last + 16 - start, "scale": 1}
    shot = tab.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    (DOCS / name).write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, browser(Path(folder)) as tab:
        with showcase(Path(folder), port=5000) as results:
            write_file("html", results, Path(folder) / "report.html")
        tab.open((Path(folder) / "report.html").as_uri())
        tab.screen(1120, 900)
        take(tab, "audit.png", top="body", bottom="#findings tr:nth-child(5)")
        take(tab, "audit-lineage.png", top="#lineage", bottom="#lineage .scroll")
        tab.screen(390, 844, phone=True, dark=True, scale=1.5)
        take(tab, "audit-phone.png", top="body", bottom="#signatures")


if __name__ == "__main__":
    main()
