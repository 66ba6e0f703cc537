"""docs/scan.md says what the code does. ``python -m tests.scan.test_docs`` writes its table of codes anew."""

from __future__ import annotations

import re
from pathlib import Path

from modelpack.scan import CODES
from tests.scan.hostile_files import CONTAINERS, DOCUMENTS, POLYGLOTS, UNSAFE_TEMPLATES
from tests.scan.hostile_pickles import ACTORS, DAMAGED, HIDDEN

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scan.md"
BEGIN, END = "<!-- codes -->\n", "<!-- /codes -->\n"


def table() -> str:
    lines = ["| code | severity | what it means | what to do |", "| --- | --- | --- | --- |"]
    for name, code in CODES.items():
        severity = f"{code.severity}, not checked" if code.unchecked else str(code.severity)
        lines.append(f"| `{name}` | {severity} | {code.explanation} | {code.remedy} |")
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def test_the_table_of_codes_is_current() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert written(text) == text


def test_the_figures_about_the_corpus_are_current() -> None:
    samples = len(HIDDEN) + len(DAMAGED) + len(CONTAINERS) + len(POLYGLOTS) + len(DOCUMENTS) + len(UNSAFE_TEMPLATES)
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    assert re.search(rf"assemble {samples} hostile files .* name {len(ACTORS)} functions", text), (samples, len(ACTORS))


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
