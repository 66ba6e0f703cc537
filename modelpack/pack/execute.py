"""Carry out a plan: store the layers, the configuration and the manifest of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from modelpack.errors import DocumentError, InputError
from modelpack.oci import Codec, Descriptor, Digest, Manifest, ModelConfig, rfc3339, validate_config
from modelpack.oci.mediatypes import MODEL_CONFIG, MODEL_MANIFEST
from modelpack.pack.archive import ArchiveSource
from modelpack.pack.layering import describe, timestamp
from modelpack.pack.plan import Plan, PlannedLayer
from modelpack.store import (
    BytesSource,
    DigestCache,
    Event,
    FileSource,
    FileState,
    Observer,
    Store,
    counter,
    each,
    ignore,
)

_NOT_YET = Digest.of(b"")


@dataclass(frozen=True, slots=True)
class Packed:
    """A model that is in a store, without a name so far.

    ``files`` are the SHA-256 digests of the single files, also of those inside archives, by path. ``provenance`` is what took
    down how it came about (:class:`modelpack.attest.Run`), for who pushes and signs it.
    """

    store: Store
    manifest: Manifest
    config: ModelConfig
    files: Mapping[str, Digest] = field(hash=False)
    provenance: object = field(default=None, repr=False, compare=False)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's."""
        return self.manifest.descriptor

    @property
    def digest(self) -> Digest:
        """The manifest's: what identifies the model."""
        return self.manifest.descriptor.digest


@dataclass(frozen=True, slots=True)
class _Stored:
    descriptor: Descriptor
    diff_id: Digest
    files: dict[str, Digest]


def execute(
    plan: Plan,
    store: Store,
    config: ModelConfig,
    *,
    created: datetime | None = None,
    annotations: Mapping[str, str] | None = None,
    jobs: int = 2,
    observe: Observer = ignore,
    digests: DigestCache | None = None,
) -> Packed:
    """Read each file of a plan once and store the model; the same plan, config and ``created`` give the same digest.

    ``created`` is the time that the config and all files get (in UTC, whole seconds); without it the config says none and
    the files have 1970. ``annotations`` go to the manifest. ``jobs`` layers are read and sent at a time. With ``digests``,
    files that are known there and that the store has already are not read at all.

    Raises InputError (a file cannot be read; too many layers for one manifest), SizeMismatch (a file changed),
    DocumentError (the config is not valid), and what the store raises.
    """
    moment = timestamp(created)
    if created is not None:
        config = replace(config, created_at=rfc3339(moment))
    _rehearse(plan, config, moment, annotations or {})
    observe(Event("plan", plan.name, plan.size))
    stored = each(
        lambda layer: _store(layer, store, moment, observe, digests), plan.layers, jobs, size=lambda layer: layer.size
    )
    config = replace(config, diff_ids=tuple(layer.diff_id for layer in stored))
    manifest = _manifest(
        store.push_bytes(MODEL_CONFIG, config.to_bytes()),
        tuple(layer.descriptor for layer in stored),
        annotations or {},
    )
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    files = {path: digest for layer in stored for path, digest in layer.files.items()}
    return Packed(store, manifest, config, {path: files[path] for path in sorted(files)})


def _rehearse(plan: Plan, config: ModelConfig, moment: datetime, annotations: Mapping[str, str]) -> None:
    """Find out before hours of reading whether config and manifest will be valid and small enough."""
    document = replace(config, diff_ids=(_NOT_YET,) * len(plan.layers)).to_bytes()
    layers = tuple(Descriptor(str(layer.type), _NOT_YET, layer.size, describe(layer, moment)) for layer in plan.layers)
    try:
        _manifest(Descriptor.of(MODEL_CONFIG, document), layers, annotations)
    except DocumentError as error:
        raise InputError(
            f"{len(layers)} layers do not fit into one manifest ({error.reason})",
            hint="bundle the small files, or exclude some",
        ) from error
    validate_config(document)


def _store(
    layer: PlannedLayer, store: Store, moment: datetime, observe: Observer, digests: DigestCache | None
) -> _Stored:
    source = _source(layer, moment)
    cache = digests if isinstance(source, FileSource) and digests and digests.is_worth(source.size) else None
    state = FileState.of(layer.entries[0].file) if cache else None
    blob = _known(layer, store, cache, state)
    if blob:
        observe(Event("exists", layer.path, source.size))
    else:
        observe(Event("begin", layer.path, source.size))
        blob = store.ingest(str(layer.type), source, counter(observe, layer.path, source.size))
        observe(Event("end", layer.path, source.size))
        if cache and state:
            cache.put(state, blob.digest)
    described = replace(blob, annotations=describe(layer, moment))
    if isinstance(source, ArchiveSource):
        return _Stored(described, source.content_digest or blob.digest, source.files)
    return _Stored(described, blob.digest, {layer.path: blob.digest})


def _known(layer: PlannedLayer, store: Store, cache: DigestCache | None, state: FileState | None) -> Descriptor | None:
    """What is stored already, if the file's digest is known without reading it."""
    digest = cache.get(state) if cache and state else None
    if digest is None:
        return None
    blob = Descriptor(str(layer.type), digest, layer.size)
    return blob if store.exists(blob) else None


def _source(layer: PlannedLayer, moment: datetime) -> ArchiveSource | FileSource:
    if layer.type.codec == Codec.RAW:
        return FileSource(layer.entries[0].file, layer.size)
    return ArchiveSource(layer.entries, moment, layer.type.codec)


def _manifest(config: Descriptor, layers: tuple[Descriptor, ...], annotations: Mapping[str, str]) -> Manifest:
    return Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers, annotations=dict(annotations))
