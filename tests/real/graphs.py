"""A small graph that looks like a model, with the extremes that one may have."""

from __future__ import annotations

import random

from modelpack.oci import Descriptor, Manifest, dumps
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST, TITLE
from modelpack.store import BytesSource, Store

WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
LARGE = 20_000_000


def push_graph(store: Store, name: str = "tiny", *, layers: int = 3, large: int = LARGE) -> Manifest:
    """A model of its own for each ``name``, since some registries share content among repositories.

    It has an empty file, a large one, names in several scripts, and ``layers`` small files.
    """
    contents = [("leer/vide/空.txt", b""), ("model.safetensors", random.Random(name).randbytes(large))]
    contents += [(f"parts/{number:03}.bin", f"{name} {number} ".encode() * 10) for number in range(layers)]
    described = tuple(
        _store(store, WEIGHT, data).annotated(**{FILEPATH: name, TITLE: name.rpartition("/")[2]})
        for name, data in contents
    )
    config = _store(store, MODEL_CONFIG, dumps({"descriptor": {"name": name}}))
    manifest = Manifest.build(
        artifact_type=MODEL_MANIFEST,
        config=config,
        layers=described,
        annotations={"org.opencontainers.image.title": "Größe <&> 模型 \u2028 🦙", "empty": ""},
    )
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest


def _store(store: Store, media_type: str, data: bytes) -> Descriptor:
    descriptor = Descriptor.of(media_type, data)
    store.push(descriptor, BytesSource(data))
    return descriptor
