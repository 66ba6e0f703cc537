"""Folders with small but true models, each with weights of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from tests.cli.models import safetensors

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {"embeddings.weight": ("F16", (50, 20))}
CARD = """---
license: {licence}
language: [en]
pipeline_tag: feature-extraction
{more}---
# {name}

A model of a few numbers.
"""


def card(name: str, licence: str = "apache-2.0", more: str = "") -> bytes:
    """A model card."""
    return CARD.format(name=name, licence=licence, more=more).encode()


def config(**more: object) -> bytes:
    """``config.json``."""
    return json.dumps({"model_type": "bert", "architectures": ["BertModel"], **more}).encode()


def weights(name: str, shapes: dict[str, tuple[str, tuple[int, ...]]] | None = None) -> bytes:
    """A safetensors file whose numbers are nobody else's."""
    raw = safetensors(shapes or SHAPES)
    own = sha256(name.encode()).digest()
    return raw[: -len(own)] + own


def write(folder: Path, name: str, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """A model's folder: weights, settings, card; with other files, or without (None)."""
    files: dict[str, bytes | None] = {
        "model.safetensors": weights(name),
        "config.json": config(),
        "README.md": card(name),
        **(changes or {}),
    }
    for path, data in files.items():
        if data is not None:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return folder
