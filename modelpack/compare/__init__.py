"""Two models, side by side: what is different between them, told without moving their weights."""

from modelpack.compare.comparing import compare
from modelpack.compare.difference import (
    Change,
    Difference,
    FileChange,
    FileState,
    How,
    TensorChange,
    Tensors,
    TensorShape,
    Transfer,
)
from modelpack.compare.sides import Trusted

__all__ = [
    "Change",
    "Difference",
    "FileChange",
    "FileState",
    "How",
    "TensorChange",
    "TensorShape",
    "Tensors",
    "Transfer",
    "Trusted",
    "compare",
]
