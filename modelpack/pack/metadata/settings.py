"""What ``config.json`` (Transformers, MLX) and its relatives (sentence-transformers, diffusers, ModelOpt) say.

``architecture`` is the kind of network ("transformer", "cnn", "rnn": the examples of model-spec), ``family`` the lineage
(``model_type``: "qwen3"). The library called Transformers also runs networks of other kinds; those are listed here.
"""

from __future__ import annotations

import re
from typing import Any

from modelpack.formats import PRECISION
from modelpack.pack.metadata.facts import Fact, facts, text
from modelpack.pack.metadata.tasks import GENERATION

_NOT_TRANSFORMERS = {
    **dict.fromkeys(
        ("bit", "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet", "resnet", "vgg"),
        "cnn",
    ),
    **dict.fromkeys(("falcon_mamba", "mamba", "mamba2"), "ssm"),
    **dict.fromkeys(("rwkv", "rwkv5", "rwkv6", "rwkv7", "xlstm"), "rnn"),
}
_DTYPES = {
    "bf16": "bfloat16",
    "double": "float64",
    "float": "float32",
    "float8_e4m3fn": "float8_e4m3",
    "fp16": "float16",
    "fp32": "float32",
    "half": "float16",
}
_PRECISIONS = frozenset(PRECISION.values())
_NESTED = ("text_config", "llm_config", "language_config", "thinker_config")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def settings_facts(config: dict[str, Any], source: str) -> tuple[Fact, ...]:
    """Facts from a model's ``config.json``, which may nest those of its language model (``text_config``)."""
    found: list[Fact] = []
    for place, prefix in _places(config):
        found += _family(place, source)
        found += _precision(place, f"{source} {prefix}")
        found += _quantization(place, f"{source} {prefix}")
    names = [text(name) for name in _list(config.get("architectures"))]
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        found += facts(f"{source} architectures", input_types=GENERATION[0], output_types=GENERATION[1])
    return tuple(found)


def modelopt_facts(config: dict[str, Any], source: str) -> tuple[Fact, ...]:
    """Facts from ``hf_quant_config.json``."""
    return facts(f"{source} quant_algo", quantization=_word(_dict(config.get("quantization")).get("quant_algo")))


def component_folders(modules: object, index: object) -> frozenset[str]:
    """The folders that ``modules.json`` (a list of modules with a path) or ``model_index.json`` (name to library and
    class) count as components; empty without both.
    """
    listed = (_dict(module).get("path", None) for module in _list(modules))
    folders = {path.strip("/") or "." for path in listed if isinstance(path, str)}
    return frozenset(folders | {name for name, value in _dict(index).items() if isinstance(value, list)})


def _places(config: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    nested = [(config[name], f"{name}.") for name in _NESTED if isinstance(config.get(name), dict)]
    return [(config, ""), *nested]


def _family(place: dict[str, Any], source: str) -> tuple[Fact, ...]:
    model_type = _word(place.get("model_type"))
    if not model_type:
        return ()
    family = re.sub(r"_text(_model)?$", "", model_type)
    known = place.get("architectures") or place.get("transformers_version")
    architecture = _NOT_TRANSFORMERS.get(family, "transformer") if known else None
    return facts(f"{source} model_type", family=family, architecture=architecture)


def _precision(place: dict[str, Any], prefix: str) -> tuple[Fact, ...]:
    for key in ("dtype", "torch_dtype"):
        name = text(place.get(key)).removeprefix("torch.")
        name = _DTYPES.get(name, name)
        if name in _PRECISIONS:
            return facts(f"{prefix}{key}", precision=name)
    return ()


def _quantization(place: dict[str, Any], prefix: str) -> tuple[Fact, ...]:
    for key in ("quantization_config", "compression_config"):
        settings = _dict(place.get(key))
        if method := _word(settings.get("quant_method")):
            return facts(f"{prefix}{key}.quant_method", quantization=_with_bits(method.lower(), settings))
    bits = _dict(place.get("quantization")).get("bits")
    if type(bits) is int and 0 < bits <= 16:
        return facts(f"{prefix}quantization.bits", quantization=f"mlx-{bits}bit")
    return ()


def _with_bits(method: str, settings: dict[str, Any]) -> str:
    """bitsandbytes alone means two different things; the other methods go by their name, as in model-spec ("gptq")."""
    if method != "bitsandbytes":
        return method
    for bits in (4, 8):
        if settings.get(f"load_in_{bits}bit") is True:
            return f"bitsandbytes-{bits}bit"
    return method


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value[:1000] if isinstance(value, list) else []
