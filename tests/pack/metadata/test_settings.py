from __future__ import annotations

from typing import Any

import pytest

from modelpack.pack.metadata.settings import component_folders, modelopt_facts, settings_facts


def said(config: dict[str, Any]) -> dict[str, object]:
    """Field to value, the first fact of each."""
    result: dict[str, object] = {}
    for fact in settings_facts(config, "config.json"):
        result.setdefault(fact.field, fact.value)
    return result


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"model_type": 3, "dtype": 4, "architectures": 5, "quantization_config": 6}, {}),
        ({"model_type": "bert"}, {"family": "bert"}),
        ({"model_type": "bert", "transformers_version": "4.8.2"}, {"family": "bert", "architecture": "transformer"}),
        ({"model_type": "resnet", "architectures": ["ResNetModel"]}, {"family": "resnet", "architecture": "cnn"}),
        ({"model_type": "mamba", "transformers_version": "5"}, {"family": "mamba", "architecture": "ssm"}),
        ({"model_type": "rwkv", "transformers_version": "4"}, {"family": "rwkv", "architecture": "rnn"}),
        ({"model_type": "gemma3_text"}, {"family": "gemma3"}),
        ({"model_type": "clip_text_model"}, {"family": "clip"}),
        ({"model_type": "a\n\x1b[1m"}, {}),
        (
            {"text_config": {"model_type": "qwen3_text", "dtype": "bfloat16"}},
            {"family": "qwen3", "precision": "bfloat16"},
        ),
        ({"model_type": "llava", "text_config": {"model_type": "llama"}}, {"family": "llava"}),
        ({"torch_dtype": "torch.float16"}, {"precision": "float16"}),
        ({"dtype": "bfloat16", "torch_dtype": "float32"}, {"precision": "bfloat16"}),
        ({"torch_dtype": "auto"}, {}),
        ({"dtype": "float8_e4m3fn"}, {"precision": "float8_e4m3"}),
        ({"architectures": ["LlamaForCausalLM"]}, {"input_types": ("text",), "output_types": ("text",)}),
        ({"architectures": ["GPT2LMHeadModel"]}, {"input_types": ("text",), "output_types": ("text",)}),
        ({"architectures": ["LlavaForConditionalGeneration", 3]}, {}),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, {"quantization": "gptq"}),
        ({"quantization_config": {"quant_method": "FP8"}}, {"quantization": "fp8"}),
        ({"quantization_config": {"quant_method": "mxfp4"}}, {"quantization": "mxfp4"}),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            {"quantization": "bitsandbytes-4bit"},
        ),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            {"quantization": "bitsandbytes-8bit"},
        ),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, {"quantization": "bitsandbytes"}),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, {"quantization": "compressed-tensors"}),
        ({"text_config": {"quantization_config": {"quant_method": "awq"}}}, {"quantization": "awq"}),
        ({"quantization_config": {"bits": 4}}, {}),
        ({"quantization": {"group_size": 64, "bits": 4}}, {"quantization": "mlx-4bit"}),
        ({"quantization": {"bits": True}}, {}),
        ({"quantization": {"bits": 99}}, {}),
    ],
)
def test_facts(config: dict[str, Any], expected: dict[str, object]) -> None:
    assert said(config) == expected


def test_sources() -> None:
    (fact,) = settings_facts({"text_config": {"torch_dtype": "float16"}}, "config.json")
    assert fact.source == "config.json text_config.torch_dtype"


def test_modelopt() -> None:
    (fact,) = modelopt_facts({"quantization": {"quant_algo": "NVFP4"}}, "hf_quant_config.json")
    assert (fact.field, fact.value) == ("quantization", "NVFP4")
    assert modelopt_facts({"quantization": []}, "hf_quant_config.json") == ()


@pytest.mark.parametrize(
    ("modules", "index", "expected"),
    [
        (None, None, set()),
        ([{"path": ""}, {"path": "1_Pooling/"}, {"path": 3}, "x"], None, {".", "1_Pooling"}),
        (None, {"_class_name": "P", "unet": ["diffusers", "UNet"], "vae": ["diffusers", "V"]}, {"unet", "vae"}),
        ({}, [], set()),
    ],
)
def test_components(modules: object, index: object, expected: set[str]) -> None:
    assert component_folders(modules, index) == expected
