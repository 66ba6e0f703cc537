"""The image-shaped twin of a model: a second manifest over the same blobs, which container runtimes mount as a volume.

containerd 2.1 mounts what has an image's configuration and an image's layers; of ModelPack's own types it makes an empty folder
and says nothing. So the twin calls the same tar layers by their names in the OCI image specification ("Image Layer Filesystem
Changeset", "Image Configuration"); its ``artifactType`` still says that it is a model. All that is stored twice is two small
documents.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from modelpack.errors import InputError
from modelpack.oci import Codec, Descriptor, JSONObject, LayerType, Manifest, dumps
from modelpack.oci.mediatypes import IMAGE_CONFIG, IMAGE_LAYER, MODEL_MANIFEST
from modelpack.pack.execute import Packed
from modelpack.pack.plan import Plan
from modelpack.store import BytesSource

MAX_LAYERS = 120
"""Overlay mounts take no more: the kernel's limit for the names of lower directories is a page."""
_WHITEOUT = ".wh."


def check_mountable(plan: Plan) -> None:
    """Find out before hours of reading whether a plan can be mounted. Raises InputError for what would be mounted wrongly or not
    at all: raw layers, too many, names that mean deletion in an image.
    """
    raw = [layer for layer in plan.layers if layer.type.codec is Codec.RAW]
    if raw:
        raise InputError(f"{raw[0].path} is no archive, and runtimes mount archives only", hint="--layer tar")
    if len(plan.layers) > MAX_LAYERS:
        raise InputError(
            f"{len(plan.layers)} layers are more than the {MAX_LAYERS} that can be mounted",
            hint="--bundle joins the small files",
        )
    for entry in plan.entries:
        if any(part.startswith(_WHITEOUT) for part in PurePosixPath(entry.path).parts):
            raise InputError(f"{entry.path} would mean in an image that a file is deleted", hint="exclude or rename it")


def mountable(packed: Packed, *, architecture: str = "amd64") -> Manifest:
    """Store the twin of a packed model beside it. The same model gives the same twin; runtimes that are asked for a manifest do
    not compare ``architecture`` with the machine's.

    Raises InputError for a model with raw layers, and the store's errors.
    """
    layers = tuple(replace(layer, media_type=_image_type(layer)) for layer in packed.manifest.layers)
    document: JSONObject = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in packed.config.diff_ids]},
    }
    config = packed.store.push_bytes(IMAGE_CONFIG, dumps(document))
    twin = Manifest.build(
        artifact_type=MODEL_MANIFEST, config=config, layers=layers, annotations=packed.manifest.annotations
    )
    packed.store.push(twin.descriptor, BytesSource(twin.raw))
    return twin


def _image_type(layer: Descriptor) -> str:
    kind = LayerType.parse(layer.media_type)
    if kind is None or kind.codec is Codec.RAW:
        raise InputError(f"a layer of type {layer.media_type[:80]} cannot be mounted", hint="pack with --layer tar")
    return IMAGE_LAYER + kind.codec
