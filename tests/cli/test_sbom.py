"""modelpack sbom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelpack.attest import problems
from tests.cli.program import Ran, modelpack


def test_here_then_there(packed: Ran, reference: str) -> None:
    here = modelpack("sbom", reference).done()
    assert here.err == "from the local store\n"
    assert problems(here.out.encode()) == ()
    component = json.loads(here.out)["metadata"]["component"]
    assert component["hashes"][0]["content"] == packed.last.removeprefix("sha256:")
    modelpack("sbom", reference, "--remote").failed(5, "ml/tiny")
    modelpack("push", reference).done()
    there = modelpack("sbom", reference, "-r").done()
    assert (there.out, there.err) == (here.out, "from the registry\n")
    assert modelpack("sbom", reference, "-q").done().err == ""


def test_formats(packed: Ran, reference: str) -> None:
    for arguments in (("--spec-version", "1.7"), ("--format", "spdx"), ("--supplier", "Acme")):
        ran = modelpack("sbom", reference, *arguments).done()
        assert problems(ran.out.encode()) == ()
        assert modelpack("sbom", reference, *arguments).out == ran.out
    found = modelpack("sbom", reference, "-f", "inventory").done().json
    assert (found["digest"], found["parameters"], found["dtypes"]) == (packed.last, 4040, {"F16": 4000, "F32": 40})
    modelpack("sbom", reference, "--spec-version", "1.4").failed(2, "versions are: 1.6, 1.7")


def test_time_comes_from_the_environment(packed: Ran, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "timestamp" not in modelpack("sbom", reference).done().json["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert modelpack("sbom", reference).done().json["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"


def test_into_a_file(packed: Ran, reference: str, tmp_path: Path) -> None:
    place = tmp_path / "bom.json"
    assert modelpack("sbom", reference, "-o", place).done().out == ""
    assert place.read_text() == modelpack("sbom", reference).done().out
    modelpack("sbom", reference, "-o", tmp_path / "no" / "folder").failed(5, "cannot write")


def test_remarks(folder: Path, reference: str) -> None:
    (folder / "README.md").write_text("---\n[\n---\n")
    modelpack("pack", folder, "-t", reference).done()
    assert "README.md: front matter: not YAML" in modelpack("sbom", reference).done().err
