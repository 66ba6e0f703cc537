"""Whole models: folders, links, shards, missing files, and the report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modelpack.errors import InputError, NotFound, StoreError
from modelpack.scan import CODES, Finding, Report, Severity, scan_files, scan_folder
from modelpack.scan.findings import finding
from modelpack.scan.sources import Data
from tests.formats.build import info, safetensors
from tests.scan.build import BENIGN, EVIL
from tests.scan.hostile_files import WEIGHTS, external, onnx


def told(report: Report) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in (*report.findings, *report.unchecked)]


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "model.pkl").write_bytes(EVIL)
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    report = scan_folder(tmp_path, digests={"model.safetensors": "ab" * 32})
    assert [(file.path, file.format, file.size) for file in report.files] == [
        ("model.safetensors", "safetensors", len(WEIGHTS)),
        ("sub/model.pkl", "pickle", len(EVIL)),
    ]
    assert told(report) == [("SCAN-PICKLE-SYSTEM", "sub/model.pkl")]
    assert report.files[0].sha256 == "ab" * 32


def test_one_file(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(EVIL)
    assert told(scan_folder(tmp_path / "model.pkl")) == [("SCAN-PICKLE-SYSTEM", "model.pkl")]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        scan_folder(tmp_path / "absent")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "model.pkl").write_bytes(BENIGN)
    (tmp_path / "link").symlink_to("real/model.pkl")
    (tmp_path / "linked").symlink_to("real", target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    report = scan_folder(tmp_path)
    assert told(report) == [("SCAN-UNREADABLE", "dangling"), ("SCAN-UNCHECKED", "linked"), ("SCAN-UNCHECKED", "pipe")]
    assert [file.path for file in report.files] == ["link", "real/model.pkl"]
    assert report.verdict == "incomplete"


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert told(scan_folder(tmp_path)) == [("SCAN-UNREADABLE", ".")]


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.scan.folder._MAX_FILES", 1)
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="more than 1 files"):
        scan_folder(tmp_path)


class Failing:
    """A source whose disk fails."""

    size = 100

    def read_at(self, offset: int, length: int) -> bytes:
        raise StoreError("the disk fails")


def test_a_source_that_fails() -> None:
    report = scan_files([("a", Failing()), ("b.safetensors.index.json", Failing())])
    assert told(report) == [("SCAN-UNREADABLE", "a"), ("SCAN-UNREADABLE", "b.safetensors.index.json")]


def test_external_data_of_onnx() -> None:
    model = onnx(external("weights.bin"))
    here = [("m/model.onnx", Data(model)), ("m/weights.bin", Data(b"\x00" * 4))]
    assert told(scan_files(here)) == []
    assert told(scan_files(here[:1])) == [("SCAN-ONNX-MISSING", "m/model.onnx")]


def shards(total: int = 16, **changed: str) -> dict[str, bytes]:
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"} | changed
    index = {"metadata": {"total_size": total}, "weight_map": weights}
    files = {"model.safetensors.index.json": json.dumps(index).encode()}
    for number, name in enumerate("ab", 1):
        text = json.dumps({name: info("U8", [8], 0, 8)}).encode()
        files[f"model-0000{number}-of-00002.safetensors"] = safetensors(text + b" " * (-len(text) % 8), bytes(8))
    return files


def problems(files: dict[str, bytes]) -> list[str]:
    report = scan_files((f"x/{path}", Data(data)) for path, data in files.items())
    return [found.message for found in report.findings if found.code == "SCAN-SHARDS"]


def test_shards() -> None:
    assert problems(shards()) == []
    assert problems(shards(17)) == ["the index promises 17 bytes of tensors, the shards hold 16"]
    assert any("lacks 1 tensors" in problem for problem in problems(shards(a="model-00002-of-00002.safetensors")))
    assert any("lacks" in problem for problem in problems(shards(c="model-00001-of-00002.safetensors")))
    files = shards()
    del files["model-00002-of-00002.safetensors"]
    assert "the shard model-00002-of-00002.safetensors is not there" in problems(files)
    assert any(
        "does not name the shard" in text for text in problems(shards() | {"model-00003-of-00002.safetensors": WEIGHTS})
    )
    assert any("lacks" in text for text in problems(shards() | {"model-00001-of-00002.safetensors": b"broken"}))
    assert any("not a safetensors" in text for text in problems(shards() | {"model-00001-of-00002.safetensors": EVIL}))


def test_indexes_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(problems({"model.safetensors.index.json": b"[]"})) == 1
    assert len(problems({"model.safetensors.index.json": b"{}"})) == 1
    assert problems({"pytorch_model.bin.index.json": b'{"weight_map": {"a": "x.bin"}}'}) == [
        "the shard x.bin is not there"
    ]
    assert problems({"pytorch_model.bin.index.json": b'{"weight_map": {"a": "x.bin"}}', "x.bin": BENIGN}) == []
    monkeypatch.setattr("modelpack.scan.folder._MAX_SHARDS", 1)
    assert problems(shards()) == ["2 shards"]


def test_verdicts() -> None:
    info_only = finding("SCAN-ODD", "a", "", "odd")
    low = finding("SCAN-PYTHON", "a", "", "code")
    unchecked = finding("SCAN-LIMIT", "a", "", "limit")
    assert [Report.of((), found).verdict for found in ((), (info_only,), (low,), (unchecked,), (low, unchecked))] == [
        "clean",
        "clean",
        "findings",
        "incomplete",
        "findings",
    ]
    report = Report.of((), (low, info_only, unchecked))
    assert report.at_least(Severity.LOW) == (low,)
    assert report.at_least(Severity.INFO) == (low, info_only)
    assert [severity.rank for severity in Severity] == [3, 2, 1, 0]


def test_the_report_as_json() -> None:
    report = scan_files([("b.pkl", Data(EVIL)), ("a.pkl", Data(EVIL[:-1]))], digests={"b.pkl": "00"})
    assert report.to_json(scanner="modelpack", version="1") == {
        "scanner": {"name": "modelpack", "version": "1"},
        "verdict": "findings",
        "files": [
            {"path": "a.pkl", "size": len(EVIL) - 1, "format": "pickle"},
            {"path": "b.pkl", "size": len(EVIL), "format": "pickle", "sha256": "00"},
        ],
        "findings": [
            {
                "code": "SCAN-PICKLE-SYSTEM",
                "severity": "high",
                "path": path,
                "place": "byte 14",
                "message": "imports os.system",
            }
            for path in ("a.pkl", "b.pkl")
        ],
        "unchecked": [
            {
                "code": "SCAN-PICKLE-BROKEN",
                "severity": "medium",
                "path": "a.pkl",
                "place": "",
                "message": f"it ends at byte {len(EVIL) - 1}, before its end mark",
            }
        ],
    }
    assert json.loads(report.to_bytes(scanner="s", version="1"))["verdict"] == "findings"


def test_text_from_files_is_made_harmless() -> None:
    found = finding("SCAN-ODD", "a\x1b[31m", "x" * 400, "line\nline \u202e \ud800")
    assert found == Finding("SCAN-ODD", Severity.INFO, "a\\x1b[31m", "x" * 299 + "…", "line\\nline \\u202e \\ud800")


def test_every_code_says_what_to_do() -> None:
    for name, code in CODES.items():
        assert name == code.name
        assert name.startswith("SCAN-")
        assert code.explanation.endswith(".")
        assert code.remedy.endswith(".")
