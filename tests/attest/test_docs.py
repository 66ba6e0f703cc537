"""docs/sbom.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from modelpack.attest import CODES, parse_provenance

TEXT = (Path(__file__).parents[2] / "docs" / "sbom.md").read_text(encoding="utf-8")


def test_all_contradictions_are_listed() -> None:
    assert dict(re.findall(r"^\| (XC\d\d) \| (.*) \|$", TEXT, re.MULTILINE)) == CODES


def test_the_example_of_a_provenance_file_is_read() -> None:
    example = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]
    pinned = example.replace("sha256:…", f"sha256:{'0' * 64}").replace("9b8c…", "1" * 64).replace("602455a2…", "2" * 64)
    found = parse_provenance(pinned.encode())
    assert [item.role for item in found.dependencies] == ["source", "base-model", "dataset", "dataset", "input-file"]
    assert found.invocation == "job-7"
