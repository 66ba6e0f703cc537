"""What is in a model and what it was made from: one typed list, from manifest, configuration, headers and small files."""

from modelpack.attest.inventory.gather import inventory
from modelpack.attest.inventory.model import (
    ChatTemplate,
    Completeness,
    Inventory,
    InventoryFile,
    Origin,
    TensorSummary,
)
from modelpack.attest.inventory.origins import origin

__all__ = [
    "ChatTemplate",
    "Completeness",
    "Inventory",
    "InventoryFile",
    "Origin",
    "TensorSummary",
    "inventory",
    "origin",
]
