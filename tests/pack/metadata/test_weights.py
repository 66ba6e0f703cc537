from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.pack.metadata import Weights
from modelpack.pack.metadata.weights import param_size, read_weights
from tests.pack.metadata.models import entries, gguf, safetensors, write


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (49, ""),
        (50, "0.1K"),
        (1000, "1K"),
        (784_519, "784.5K"),
        (999_949, "999.9K"),
        (999_950, "1M"),
        (22_713_728 + 512, "22.7M"),
        (268_098_176, "268.1M"),
        (950_000_000, "950M"),
        (6_738_415_616, "6.7B"),
        (8_030_261_248, "8B"),
        (671_026_419_200, "671B"),
        (1_000_000_000_000, "1T"),
        (10**15, "1Q"),
        (10**19, "10000Q"),
    ],
)
def test_param_size(count: int, text: str) -> None:
    assert param_size(count) == text


@settings(deadline=None)
@given(st.integers(50, 10**18))
def test_param_size_is_within_a_rounding(count: int) -> None:
    text = param_size(count)
    scale = 10 ** (3 * ("KMBTQ".index(text[-1]) + 1))
    assert abs(float(text[:-1]) * scale - count) <= scale / 20 * 1.0001


@pytest.mark.parametrize(
    ("dtypes", "parameters", "precision"),
    [
        ({"F32": 22_713_216, "I64": 512}, 22_713_216, "float32"),
        ({"BF16": 1000, "F32": 5}, 1005, "bfloat16"),
        ({"F8_E4M3": 900, "BF16": 100}, 1000, "float8_e4m3,bfloat16"),
        ({"I8": 900, "F16": 100}, 1000, "int8,float16"),
        ({"I64": 10}, 10, "int64"),
        ({"Q4_K": 900, "F32": 100}, 1000, ""),
        ({"F8_E8M0": 900}, 900, ""),
        ({"BF16": 900, "F8_E8M0": 100}, 1000, "bfloat16"),
        ({}, 0, ""),
    ],
)
def test_dtypes(dtypes: dict[str, int], parameters: int, precision: str) -> None:
    weights = Weights("safetensors", ("a",), dtypes)
    assert (weights.parameters, weights.precision) == (parameters, precision)


def test_packed() -> None:
    weights = Weights("safetensors", ("a",), {"I32": 800, "F16": 100, "F32": 0})
    assert weights.packed
    assert weights.floating == "float16"
    assert not Weights("safetensors", ("a",), {"I8": 800, "F16": 100}).packed
    assert Weights("safetensors", ("a",), {"U8": 1}).floating == ""


def chosen(folder: Path, *components: str) -> tuple[Weights, tuple[str, ...]]:
    weights, warnings = read_weights(entries(folder), components)
    assert weights is not None
    return weights, warnings


def test_nothing(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "# x")
    write(tmp_path, "strange.bin", b"\x00" * 100)
    assert read_weights(entries(tmp_path), ()) == (None, ())


def test_shards_add_up(tmp_path: Path) -> None:
    safetensors(tmp_path, "model-00001-of-00002.safetensors", BF16=1000)
    safetensors(tmp_path, "model-00002-of-00002.safetensors", BF16=500, F32=1)
    weights, warnings = chosen(tmp_path)
    assert dict(weights.dtypes) == {"BF16": 1500, "F32": 1}
    assert weights.source == "2 safetensors headers"
    assert warnings == ()


def test_the_same_model_twice_counts_once(tmp_path: Path) -> None:
    safetensors(tmp_path, "consolidated.safetensors", BF16=1500)
    safetensors(tmp_path, "model-00001-of-00002.safetensors", BF16=1000)
    safetensors(tmp_path, "model-00002-of-00002.safetensors", BF16=500)
    gguf(tmp_path, "model.gguf", {}, (256, 6))
    write(tmp_path, "pytorch_model.bin", b"\x80\x02}q\x00.")
    weights, warnings = chosen(tmp_path)
    assert (weights.format, weights.parameters, len(weights.files)) == ("safetensors", 1500, 2)
    assert any("2 variants of the safetensors weights" in warning for warning in warnings)


def test_a_small_adapter_is_not_the_model(tmp_path: Path) -> None:
    safetensors(tmp_path, "adapter.safetensors", F32=10)
    gguf(tmp_path, "model.gguf", {"general.file_type": 15}, (256, 10))
    weights, _ = chosen(tmp_path)
    assert (weights.format, weights.quantization, weights.parameters) == ("gguf", "Q4_K_M", 2560)
    assert weights.source == "model.gguf header"


def test_training_state_is_not_the_model(tmp_path: Path) -> None:
    safetensors(tmp_path, "optimizer.safetensors", F32=9000)
    safetensors(tmp_path, "model.safetensors", F32=3000)
    assert chosen(tmp_path)[0].parameters == 3000


def test_checkpoints_below_are_not_added(tmp_path: Path) -> None:
    safetensors(tmp_path, "model.safetensors", F32=100)
    safetensors(tmp_path, "checkpoint-500/model.safetensors", F32=100)
    weights, warnings = chosen(tmp_path)
    assert (weights.files, weights.parameters, warnings) == (("model.safetensors",), 100, ())


def test_components_are_added(tmp_path: Path) -> None:
    for name, count in (("unet", 1000), ("vae", 100)):
        safetensors(tmp_path, f"{name}/diffusion_pytorch_model.safetensors", F16=count)
        safetensors(tmp_path, f"{name}/diffusion_pytorch_model.fp16.safetensors", F16=count)
    safetensors(tmp_path, "all-in-one.safetensors", F16=1100)
    weights, warnings = chosen(tmp_path, "unet", "vae", "scheduler")
    assert weights.parameters == 1100
    assert weights.files == tuple(f"{name}/diffusion_pytorch_model.safetensors" for name in ("unet", "vae"))
    assert "3 variants of the safetensors weights" in warnings[0]


def test_damaged_files_become_warnings(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors", b"\x00" * 7)
    safetensors(tmp_path, "other.safetensors", F32=10)
    weights, warnings = chosen(tmp_path)
    assert weights.files == ("other.safetensors",)
    assert warnings[0].startswith("model.safetensors: ")


def test_what_is_odd_about_a_file_is_passed_on(tmp_path: Path) -> None:
    gguf(tmp_path, "model.safetensors", {})
    weights, warnings = chosen(tmp_path)
    assert weights.format == "gguf"
    assert warnings == ("model.safetensors: the name is that of a safetensors file, the content that of a gguf file",)


def test_formats_without_a_reader(tmp_path: Path) -> None:
    write(tmp_path, "notes.bin", b"\x00" * 100)
    write(tmp_path, "tf_model.h5", b"\x89HDF\r\n\x1a\n")
    weights, _ = chosen(tmp_path)
    assert weights == Weights("h5", ("tf_model.h5",))
