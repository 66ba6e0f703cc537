"""What can be known of a stored model without its weights: which manifest, its configuration, the headers of its files."""

from __future__ import annotations

from modelpack.errors import DocumentError, UnsupportedFormat
from modelpack.formats import ModelFile, read_header
from modelpack.oci import Descriptor, Index, Kind, Manifest, ModelConfig, config_problems
from modelpack.oci.mediatypes import MODEL_ARTIFACT_TYPES, MODEL_CONFIG_TYPES
from modelpack.store import Ranged, Store, StoredFile, each
from modelpack.unpack.layers import LayerEntry

_MAX_CONFIG = 4 << 20


def model_manifest(store: Store, descriptor: Descriptor) -> Manifest:
    """A manifest, or the only model of an index (some tools put an image beside it).

    Raises UnsupportedFormat where there is a choice to make.
    """
    document = store.document(descriptor)
    if not isinstance(document, Index):
        return document
    models = [entry for entry in document.manifests if entry.artifact_type in MODEL_ARTIFACT_TYPES]
    found = models or list(document.manifests)
    if len(found) != 1:
        listed = ", ".join(str(entry.digest) for entry in found[:5])
        raise UnsupportedFormat(
            f"{descriptor.digest} is an index of {len(found)}; choose one", hint=f"by digest: {listed}"
        )
    chosen = store.document(found[0])
    if isinstance(chosen, Index):
        raise UnsupportedFormat(f"{descriptor.digest} is an index of indexes", hint="choose a manifest, by its digest")
    return chosen


def read_config(store: Store, manifest: Manifest) -> ModelConfig:
    """A model's configuration; an empty one where another tool put nothing, or something else, there.

    It is not held against the schema: what would come of that is nobody's business here, and loading it takes longer than a hit.
    """
    return _parsed(_config_bytes(store, manifest))[0]


def model_config(store: Store, manifest: Manifest) -> tuple[bytes, ModelConfig, tuple[str, ...]]:
    """A configuration's bytes, what they say, and where they depart from the specification.

    Other tools leave the config empty, or put something else there: then there is just less to tell.
    """
    raw = _config_bytes(store, manifest)
    config, problem = _parsed(raw)
    found = tuple(str(one) for one in config_problems(raw)) if raw is not None else ()
    return raw or b"", config, (*found, *problem)


def _config_bytes(store: Store, manifest: Manifest) -> bytes | None:
    """None where another tool put something else there."""
    if manifest.config.media_type not in MODEL_CONFIG_TYPES:
        return None
    return store.read(manifest.config, limit=_MAX_CONFIG)


def _parsed(raw: bytes | None) -> tuple[ModelConfig, tuple[str, ...]]:
    """What a configuration says, and why that is nothing, if it cannot be read."""
    try:
        return (ModelConfig() if raw is None else ModelConfig.parse(raw)), ()
    except DocumentError as error:
        return ModelConfig(), (str(error),)


def model_headers(store: Store, files: tuple[LayerEntry, ...], jobs: int) -> dict[str, ModelFile]:
    """The headers of raw weight layers by path, a few kilobytes of each, read unverified; none from a store that reads no
    ranges. Raises DocumentError (a malformed header, named by its file), and the store's errors.
    """
    weights = [file for file in files if file.is_file and file.kind is Kind.WEIGHT]
    found = each(lambda file: layer_header(store, file), weights, jobs)
    return {file.path: header for file, header in zip(weights, found, strict=True) if header is not None}


def layer_header(store: Store, file: LayerEntry) -> ModelFile | None:
    """The header of one raw layer; None if it is no model file, or if the store reads no ranges. Raises as
    :func:`model_headers`.
    """
    if not isinstance(store, Ranged):
        return None
    try:
        return read_header(StoredFile(store, file.descriptor), file.path)
    except DocumentError as error:
        raise DocumentError(file.path, error.path, error.reason) from error
