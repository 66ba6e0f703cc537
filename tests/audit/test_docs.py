"""docs/audit.md says what is so, and its example is a package that works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import modelpack
from modelpack.audit.reports import MEANINGS, Vouched
from modelpack.audit.reports.html.drawing import SHORT
from modelpack.audit.reports.html.page import MAX_FINDINGS, MAX_MODELS
from modelpack.audit.reports.sarif import MAX_RESULTS
from tests.contract.sources import ROOT

TEXT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def part(name: str) -> str:
    """What stands between two marks."""
    return TEXT.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def block(name: str, language: str) -> str:
    """The first listing of a language between two marks."""
    found = re.search(rf"```{language}\n(.*?)```", part(name), re.DOTALL)
    assert found
    return found[1]


def test_the_states_are_those_of_reports() -> None:
    rows = dict(re.findall(r"^\| ([a-z ]+) \| (.+?) \| .* \|$", part("states"), re.MULTILINE))
    rows.pop("state")
    assert rows == {SHORT[state]: MEANINGS[state] for state in Vouched}


def test_the_bounds_are_those_of_reports() -> None:
    for number in (MAX_FINDINGS, MAX_MODELS, MAX_RESULTS):
        assert f"{number:,}" in TEXT


def test_pictures_are_small_and_there() -> None:
    named = re.findall(r"\]\((pictures/[a-z-]+\.png)\)", TEXT)
    assert len(named) == 3
    for name in named:
        picture = ROOT / "docs" / name
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 300_000


@pytest.fixture(name="acme")
def _acme(tmp_path: Path) -> Path:
    """A folder with the example's package, as if it were installed, and a layout to audit."""
    (tmp_path / "acme_rules.py").write_text(block("example", "python"))
    group = re.search(r'\[project\.entry-points\."(.*)"\]\n(\w+) = "(.*)"', block("example", "toml"))
    assert group
    info = tmp_path / "acme_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group[1]}]\n{group[2]} = {group[3]}\n")
    _models(tmp_path)
    return tmp_path


def _models(folder: Path) -> None:
    """The same weights under two licences; only one has an owner."""
    head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).ljust(64).encode()
    (folder / "files").mkdir()
    (folder / "files" / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    for licence, owner in (("MIT", {"com.acme.owner": "search"}), ("Apache-2.0", {})):
        packed = modelpack.pack(folder / "files", name="m", licenses=[licence], annotations=owner)
        modelpack.push(packed, f"oci:{folder}/layout:{licence}")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_example_runs_from_python(acme: Path) -> None:
    (acme / "script.py").write_text(block("script", "python"))
    done = run(acme, sys.executable, "script.py")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("ACME")]
    assert [line.split()[:2] for line in told] == [["ACME001", "medium"], ["ACME002", "high"], ["ACME002", "high"]]
    assert ":Apache-2.0@" in told[0]
    assert (acme / "report.html").read_text().count("ACME002") > 2


def test_the_example_is_found_by_the_command(acme: Path) -> None:
    command = [sys.executable, "-m", "modelpack_cli.main", "audit", "oci:./layout", "-f", "json", "--plugins"]
    done = run(acme, *command)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert sorted(each["rule"] for each in found if each["rule"].startswith("ACME")) == [
        "ACME001",
        "ACME002",
        "ACME002",
    ]
    assert "ACME" not in run(acme, *command[:-1]).stdout


def test_the_example_is_typed() -> None:
    """By the type checker that reads the same lines as a file of the tests."""
    assert block("example", "python") == (Path(__file__).parent / "acme_rules.py").read_text(encoding="utf-8")
