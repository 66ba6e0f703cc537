"""What a manifest says of its layers, and whether their names are fit for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from modelpack.audit.facts import BlobProblem, BlobState, Layer, Problem
from modelpack.errors import ContentError, DocumentError, NotFound, UnsafePath
from modelpack.oci import Descriptor, Digest, Manifest, annotation
from modelpack.oci.mediatypes import FILEPATH, OCI_EMPTY, TITLE
from modelpack.paths import Claims, safe_path
from modelpack.store import Ranged, Store, each
from modelpack.unpack import LayerEntry, layer_entry

MAX_BLOBS = 2000
"""Blobs of one manifest whose presence is asked for."""

_SHOWN = 200


def entries(manifest: Manifest) -> list[LayerEntry | None]:
    """The layers in order, None where one has no usable name."""
    return [_entry(layer, index) for index, layer in enumerate(manifest.layers)]


def _entry(layer: Descriptor, index: int) -> LayerEntry | None:
    try:
        return layer_entry(layer, index)
    except (DocumentError, UnsafePath):
        return None


def layers(manifest: Manifest, diff_ids: Sequence[Digest] = ()) -> tuple[Layer, ...]:
    """The layers as facts. ``diff_ids`` are the configuration's."""
    ids = diff_ids if len(diff_ids) == len(manifest.layers) else ()
    return tuple(
        _layer(descriptor, entry, ids[index] if ids else None)
        for index, (descriptor, entry) in enumerate(zip(manifest.layers, entries(manifest), strict=True))
    )


def _layer(descriptor: Descriptor, entry: LayerEntry | None, content: Digest | None) -> Layer:
    if entry is None:
        return Layer(descriptor.digest, descriptor.size, descriptor.media_type, _name(descriptor)[:_SHOWN])
    if entry.is_file:
        content = descriptor.digest if descriptor.digest.algorithm == "sha256" else content
    kind = "" if descriptor.media_type == OCI_EMPTY else str(entry.kind)
    return Layer(descriptor.digest, descriptor.size, descriptor.media_type, entry.path, kind, str(entry.codec), content)


def path_problems(manifest: Manifest) -> Iterator[Problem]:
    """Names that lead out of the folder or cannot be used (``unsafe``), that are missing (``nameless``), that stand twice
    (``twice``), or that are the same on some file systems (``case``).
    """
    claims, taken = Claims(), dict[str, int]()
    for index, layer in enumerate(manifest.layers):
        place = f"layers[{index}]"
        if layer.media_type == OCI_EMPTY and not _name(layer):
            continue
        try:
            entry = layer_entry(layer, index)
            if entry.is_file:
                claims.file(PurePosixPath(entry.path))
                taken[entry.path] = index
            elif _name(layer).rstrip("/") not in ("", "."):
                safe_path(_name(layer).rstrip("/"))
        except UnsafePath as error:
            yield Problem(_code(layer, taken), place, str(error))
        except DocumentError as error:
            yield Problem("nameless", place, error.reason)


def _code(layer: Descriptor, taken: dict[str, int]) -> str:
    try:
        path = str(safe_path(_name(layer).rstrip("/")))
    except UnsafePath:
        return "unsafe"
    return "twice" if path in taken else "case"


def _name(layer: Descriptor) -> str:
    return annotation(layer.annotations, FILEPATH) or layer.annotations.get(TITLE) or ""


def blob_problems(store: Store, blobs: Sequence[Descriptor], jobs: int) -> tuple[BlobProblem, ...]:
    """Blobs that are not there, or not in the length that is promised. Raises the store's errors."""
    wanted = list({blob.digest: blob for blob in blobs}.values())[:MAX_BLOBS]
    there = each(store.exists, wanted, jobs) if len(wanted) > 1 else [store.exists(blob) for blob in wanted]
    return tuple(_problem(store, blob) for blob, found in zip(wanted, there, strict=True) if not found)


def _problem(store: Store, blob: Descriptor) -> BlobProblem:
    """Whether it is not there at all, or in another length."""
    try:
        if isinstance(store, Ranged) and store.read_at(blob, 0, 1):
            return BlobProblem(blob.digest, BlobState.SIZE, f"{blob.size} bytes are promised")
    except (NotFound, ContentError):
        pass
    return BlobProblem(blob.digest, BlobState.MISSING, f"{blob.size} bytes are promised")
