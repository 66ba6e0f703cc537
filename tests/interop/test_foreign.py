"""Artifacts as other tools write them (``fixtures/foreign``): read in full, or refused for the right reason."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from modelpack import InsecureAcceptAnything, errors, inspect, pull
from tests.contract.sources import ROOT

FOREIGN = ROOT / "fixtures" / "foreign"
CASES = sorted(path.parent.name for path in FOREIGN.glob("*/expected.json"))
GOOD = [case for case in CASES if not case.endswith("_fail")]
BAD = [case for case in CASES if case.endswith("_fail")]


def _tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _expected(case: str) -> dict[str, dict[str, str]]:
    found = json.loads((FOREIGN / case / "expected.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("case", GOOD)
def test_files_come_out_whole(case: str, tmp_path: Path) -> None:
    pull(f"oci:{FOREIGN / case / 'layout'}:v1", tmp_path / "model", policy=InsecureAcceptAnything())
    found = _tree(tmp_path / "model")
    found.pop(".modelpack.json", None)
    assert found == _expected(case)["files"]


@pytest.mark.parametrize("case", GOOD)
def test_inspect_says_what_is_inside(case: str) -> None:
    inspection, _ = inspect(f"oci:{FOREIGN / case / 'layout'}:v1", tensors=True)
    assert inspection.size > 0
    assert any(entry.kind == "weight" for entry in inspection.files)


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_refused(case: str, tmp_path: Path) -> None:
    expected = tuple(getattr(errors, name) for name in _expected(case)["errors"])
    with pytest.raises(expected):
        pull(f"oci:{FOREIGN / case / 'layout'}:v1", tmp_path / "model", policy=InsecureAcceptAnything())
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "escape").exists()


def test_the_generator_makes_these_bytes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", FOREIGN / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    for case in CASES:
        assert _tree(tmp_path / case) == _tree(FOREIGN / case), case
    assert sorted(path.name for path in tmp_path.iterdir()) == CASES
