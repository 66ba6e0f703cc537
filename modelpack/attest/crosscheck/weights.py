"""Manifest, configuration and headers: what a model says about itself, against what it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from modelpack.attest.crosscheck.codes import Contradiction
from modelpack.attest.inventory import Inventory
from modelpack.formats import PRECISION
from modelpack.oci import LayerType, Manifest
from modelpack.oci.mediatypes import Codec

_TOLERANCE = 0.05
"""Between a count and what people round it to ("7B" for 6.74 billion)."""

_FORMATS = {"pytorch": {"pt", "pickle"}, "pt": {"pt", "pickle"}, "pickle": {"pt", "pickle"}, "bin": {"pt", "pickle"}}
_KNOWN_FORMATS = frozenset({"safetensors", "gguf", "onnx", *_FORMATS})
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMBTQ])", re.IGNORECASE)
_SCALE = {letter: 1000.0**power for power, letter in enumerate("KMBTQ", 1)}


def check_model(inventory: Inventory, manifest: Manifest) -> Iterator[Contradiction]:
    """Everything that needs no document."""
    if inventory.digest != manifest.descriptor.digest:
        yield Contradiction("XC01", "inventory", f"it is of {inventory.digest}, not of {manifest.descriptor.digest}")
        return
    yield from _precision(inventory)
    yield from _parameters(inventory)
    yield from _format(inventory)
    yield from _diff_ids(inventory, manifest)
    yield from _family(inventory)
    yield from _licenses(inventory)
    yield from _quantization(inventory)
    yield from (Contradiction("XC09", "shard index", problem) for problem in inventory.shard_problems)


def _precision(inventory: Inventory) -> Iterator[Contradiction]:
    """Block formats (GGUF) and what headers do not tell (pickles) have no word here, and contradict nothing."""
    present = {PRECISION[name] for name in inventory.dtypes if name in PRECISION}
    claimed = [word for word in re.split(r"[,\s]+", inventory.config.precision.lower()) if word]
    known = set(PRECISION.values())
    missing = [word for word in claimed if word in known and word not in present]
    if present and missing:
        have = ", ".join(sorted(present))
        yield Contradiction("XC02", "config.precision", f"{', '.join(missing)} is claimed, the weights have {have}")


def _parameters(inventory: Inventory) -> Iterator[Contradiction]:
    """A model may hold several variants of its weights: one file, one folder, one format or all may be what is meant."""
    match = _SIZE.fullmatch(inventory.config.param_size.strip())
    counted = _counts(inventory)
    packed = inventory.config.quantization and "gguf" not in inventory.formats
    if not match or not counted or packed:
        return
    claimed = float(match[1]) * _SCALE[match[2].upper()]
    if not any(abs(claimed - count) <= max(claimed, count) * _TOLERANCE for count in counted):
        nearest = min(counted, key=lambda count: abs(claimed - count))
        claim = inventory.config.param_size
        yield Contradiction("XC03", "config.paramSize", f"{claim[:40]} is claimed, the headers count {nearest}")


def _counts(inventory: Inventory) -> set[int]:
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for file in inventory.files:
        if file.tensors and file.tensors.parameters:
            folder = file.path.rpartition("/")[0]
            for key in (("file", file.path), ("folder", f"{folder}:{file.tensors.format}"), ("all", "")):
                sums[key] += file.tensors.parameters
            sums["format", file.tensors.format] += file.tensors.parameters
    return set(sums.values())


def _format(inventory: Inventory) -> Iterator[Contradiction]:
    claimed = inventory.config.format.lower()
    found = set(inventory.formats)
    if found and claimed in _KNOWN_FORMATS and not found & _FORMATS.get(claimed, {claimed}):
        yield Contradiction(
            "XC04", "config.format", f"{claimed} is claimed, the weight files are {', '.join(sorted(found))}"
        )


def _diff_ids(inventory: Inventory, manifest: Manifest) -> Iterator[Contradiction]:
    ids = inventory.config.diff_ids
    if not ids:
        return
    if len(ids) != len(manifest.layers):
        yield Contradiction("XC05", "config.modelfs.diffIds", f"{len(ids)} for {len(manifest.layers)} layers")
        return
    for index, (content, layer) in enumerate(zip(ids, manifest.layers, strict=True)):
        kind = LayerType.parse(layer.media_type)
        same_algorithm = content.algorithm == layer.digest.algorithm
        if kind and kind.codec in (Codec.RAW, Codec.TAR) and same_algorithm and content != layer.digest:
            yield Contradiction("XC06", f"config.modelfs.diffIds[{index}]", f"{content} for the layer {layer.digest}")


def _family(inventory: Inventory) -> Iterator[Contradiction]:
    """``qwen3`` and ``qwen3_moe`` are one family; what people add ("llama" to "llama3") is none either."""
    claimed, found = (_plain(name) for name in (inventory.config.family, inventory.config_family))
    if claimed and found and not (claimed.startswith(found) or found.startswith(claimed)):
        message = f"{inventory.config.family[:60]!a} is claimed, config.json says {inventory.config_family[:60]!a}"
        yield Contradiction("XC07", "config.family", message)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _licenses(inventory: Inventory) -> Iterator[Contradiction]:
    claimed, card = set(inventory.config.licenses), set(inventory.card.licenses)
    if claimed and card and not {one.lower() for one in claimed} & {one.lower() for one in card}:
        message = f"{', '.join(sorted(claimed))[:200]} is claimed, the model card says {', '.join(sorted(card))[:200]}"
        yield Contradiction("XC08", "descriptor.licenses", message)


def _quantization(inventory: Inventory) -> Iterator[Contradiction]:
    claimed = inventory.config.quantization.lower()
    found = {
        file.tensors.quantization.lower() for file in inventory.files if file.tensors and file.tensors.quantization
    }
    if claimed and found and claimed not in found:
        yield Contradiction(
            "XC10",
            "config.quantization",
            f"{claimed[:60]} is claimed, the weights say {', '.join(sorted(found))[:100]}",
        )
