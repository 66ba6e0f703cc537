"""What a model file's header says, whatever its format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from modelpack.oci import JSONObject

PRECISION: Mapping[str, str] = MappingProxyType(
    {
        "F64": "float64",
        "F32": "float32",
        "F16": "float16",
        "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3",
        "F8_E5M2": "float8_e5m2",
        "C64": "complex64",
        "C128": "complex128",
        "I64": "int64",
        "I32": "int32",
        "I16": "int16",
        "I8": "int8",
        "U64": "uint64",
        "U32": "uint32",
        "U16": "uint16",
        "U8": "uint8",
        "BOOL": "bool",
    }
)
"""Our dtype names (those of safetensors, for all formats) to ModelPack's words for ``config.precision`` (model-spec,
``docs/config.md``). It has none for 4-bit and block formats: those belong in ``config.quantization``."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; ``begin`` and ``end`` are its bytes in the file (both 0 if it is stored elsewhere, or not told).

    ``shape`` is in the file's order: the outermost dimension first, except in GGUF, where the innermost is first.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes it takes in the file."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model file: ``format`` is "safetensors", "gguf", "onnx", "pt" or "pickle".

    ``metadata`` are the file's own words (see each reader). ``quantization`` is the word that GGUF files go by
    ("Q4_K_M"). ``warnings`` are sentences about what is legal and yet odd.
    """

    format: str
    tensors: tuple[Tensor, ...] = ()
    metadata: JSONObject = field(default_factory=dict, hash=False)
    quantization: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers all tensors hold."""
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def dtypes(self) -> dict[str, int]:
        """Parameters of each dtype, the most frequent first."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors:
            counts[tensor.dtype] += tensor.parameters
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
