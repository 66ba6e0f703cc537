from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelpack.scan import CODES
from tests.cli.program import modelpack, program
from tests.scan.benign import TORCHSCRIPT
from tests.scan.build import BENIGN, EVIL, torch_zip


@pytest.fixture
def model() -> Path:
    folder = Path("model")
    folder.mkdir()
    (folder / "model.pt").write_bytes(torch_zip(BENIGN))
    (folder / "script.pt").write_bytes(TORCHSCRIPT)
    return folder


def test_a_clean_model(model: Path) -> None:
    (model / "script.pt").unlink()
    ran = modelpack("scan", model).done()
    assert (ran.out, ran.err) == ("clean: 1 file, 0 findings, 0 not checked\n", "")
    assert modelpack("scan", model / "model.pt").done().out == ran.out


def test_findings_with_their_remedies(model: Path) -> None:
    (model / "evil.pkl").write_bytes(EVIL)
    ran = modelpack("scan", model)
    assert ran.code == 1
    assert ran.lines[:4] == [
        ["evil.pkl"],
        ["SEVERITY", "CODE", "WHERE", "WHAT"],
        ["high", "SCAN-PICKLE-SYSTEM", "byte", "14", "imports", "os.system"],
        ["SCAN-PICKLE-SYSTEM:", *CODES["SCAN-PICKLE-SYSTEM"].remedy.split()],
    ]
    assert ran.last == "findings: 3 files, 2 findings, 0 not checked"
    assert "--explain" in ran.err
    assert modelpack("scan", model, "-q").err == ""


@pytest.mark.parametrize(
    ("content", "fail_on", "code"),
    [
        (TORCHSCRIPT, "medium", 0),
        (TORCHSCRIPT, "low", 1),
        (EVIL, "high", 1),
        (EVIL, "none", 0),
        (b"\x80\x02N", "high", 1),
        (b"\x80\x02N", "none", 0),
    ],
)
def test_when_it_fails(content: bytes, fail_on: str, code: int) -> None:
    Path("model.pt").write_bytes(content)
    assert modelpack("scan", "model.pt", "--fail-on", fail_on).code == code


def test_json(model: Path) -> None:
    from modelpack import __version__

    told = modelpack("scan", model, "-f", "json").done().json
    assert told["scanner"] == {"name": "modelpack", "version": __version__}
    assert (told["verdict"], [item["code"] for item in told["findings"]]) == ("findings", ["SCAN-TORCHSCRIPT"])


def test_explain() -> None:
    told = modelpack("scan", "--explain", "SCAN-PICKLE-BROKEN").done().out
    assert told.startswith("SCAN-PICKLE-BROKEN  medium, not checked\nThe pickle is truncated")
    assert "\nWhat to do: Fetch the file again" in told
    assert modelpack("scan", "--explain", "torchscript", "-f", "json").done().json["severity"] == "low"
    modelpack("scan", "--explain", "nonsense").failed(2, "no code 'nonsense'", "SCAN-NATIVE")


def test_wrong_calls() -> None:
    modelpack("scan").failed(2, "PATH is missing")
    modelpack("scan", "absent").failed(5, "absent")


def test_names_of_files_cannot_drive_the_terminal(model: Path) -> None:
    (model / "\x1b[31mred.pkl").write_bytes(EVIL)
    ran = modelpack("scan", model)
    assert "\x1b" not in ran.out
    assert "\\x1b[31mred.pkl" in ran.out


def test_as_a_program(model: Path) -> None:
    assert json.loads(program("scan", str(model), "-f", "json").out)["verdict"] == "findings"
