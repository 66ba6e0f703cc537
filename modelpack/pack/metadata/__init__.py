"""What a model's own files say about it: headers, config.json, model card, licence texts."""

from modelpack.pack.metadata.card import ModelCard
from modelpack.pack.metadata.infer import Inferred, apply_overrides, infer
from modelpack.pack.metadata.weights import Weights

__all__ = ["Inferred", "ModelCard", "Weights", "apply_overrides", "infer"]
