"""The figures in the docs are those of the last measurement that was kept."""

from __future__ import annotations

import json
from typing import Any

from tests.deploy.engine import ROOT


def measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "bench" / "results" / "staging.json").read_text())
    return found


def test_the_page_about_the_image() -> None:
    text = " ".join((ROOT / "docs" / "image.md").read_text(encoding="utf-8").split())
    seconds = measured()["seconds"]
    hit, ratio = seconds["hit"], seconds["ratio"]
    assert f"**{hit['wall']:.2f} s** for the whole process inside the container, {hit['cpu']:.2f} s of them" in text
    assert f"podman takes {seconds['podman']:.2f} s more" in text
    assert f"takes {ratio['full check of 100 GB, reckoned']:.0f} s" in text
    assert f"**{ratio['to a hit']:.0f} times**" in text


def test_the_page_about_staging() -> None:
    text = " ".join((ROOT / "docs" / "staging.md").read_text(encoding="utf-8").split())
    found = measured()
    little, much = (found["seconds"]["limits"][name] for name in ("64m", "2g"))
    rates = [limit["read again, bytes a second"] / 1e9 for limit in (little, much)]
    assert found["mib"] == 4096
    assert f"in {little['wall']:.1f} s, against {much['wall']:.1f} s with 2 GiB" in text
    assert f"{little['in the page cache'] / 1e6:.0f} MB were left" in text
    assert f"{much['in the page cache'] / 1e9:.2f} GB with 2 GiB" in text
    assert f"{rates[0]:.2f} against {rates[1]:.2f} GB/s" in text
    assert max(limit["rss"] for limit in (little, much)) < 50 << 20
