"""What is inside model files (safetensors, GGUF, ONNX, PyTorch): headers only, from any byte source."""

from modelpack.formats.header import read_header
from modelpack.formats.model import PRECISION, ModelFile, Tensor
from modelpack.formats.safetensors import check_shards
from modelpack.formats.source import ByteSource

__all__ = ["PRECISION", "ByteSource", "ModelFile", "Tensor", "check_shards", "read_header"]
