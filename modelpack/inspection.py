"""What a model is, told without moving its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from modelpack.errors import DocumentError, UnsupportedFormat
from modelpack.formats import ModelFile, read_header
from modelpack.oci import (
    JSON,
    Descriptor,
    Index,
    JSONObject,
    Kind,
    Manifest,
    ModelConfig,
    config_problems,
    manifest_problems,
)
from modelpack.oci.mediatypes import MODEL_ARTIFACT_TYPES, MODEL_CONFIG_TYPES
from modelpack.store import Ranged, Store, each
from modelpack.unpack import LayerEntry, contents

_MAX_CONFIG = 4 << 20


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model's manifest and configuration, its files, and where it departs from the specification.

    ``raw_config`` are the configuration's bytes, also where they could not be parsed; another tool's own are not read.
    ``files`` are in the order of the layers. ``tensors`` is filled on request, by path; it comes from unverified reads of the
    files' headers, good to look at and for nothing else. ``problems`` are sentences.
    """

    descriptor: Descriptor
    manifest: Manifest
    config: ModelConfig
    files: tuple[LayerEntry, ...]
    problems: tuple[str, ...] = ()
    raw_config: bytes = field(default=b"", repr=False)
    tensors: Mapping[str, ModelFile] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all layers as stored."""
        return sum(file.size for file in self.files)

    def kinds(self) -> dict[Kind, tuple[int, int]]:
        """For each kind: how many layers, how many bytes."""
        found = {kind: [file.size for file in self.files if file.kind == kind] for kind in Kind}
        return {kind: (len(sizes), sum(sizes)) for kind, sizes in found.items() if sizes}

    def to_json(self) -> JSONObject:
        """Everything, for programs."""
        layers: list[JSON] = [
            {
                "path": file.path,
                "kind": str(file.kind),
                "codec": str(file.codec),
                "size": file.size,
                "digest": str(file.descriptor.digest),
                "mediaType": file.descriptor.media_type,
            }
            for file in self.files
        ]
        return {
            "digest": str(self.descriptor.digest),
            "mediaType": self.descriptor.media_type,
            "artifactType": self.manifest.artifact_type,
            "size": self.size,
            "model": _config_json(self.config),
            "annotations": dict(self.manifest.annotations),
            "layers": layers,
            "tensors": {path: _tensors_json(file) for path, file in self.tensors.items()},
            "problems": list(self.problems),
        }


def inspect(store: Store, descriptor: Descriptor, *, tensors: bool = False, jobs: int = 4) -> Inspection:
    """Look at a model, or at the only one of an index. With ``tensors``, the headers of raw weight layers are read too, a few
    kilobytes of each.

    Raises UnsupportedFormat (an index, or no ModelPack artifact), DocumentError, and the store's errors.
    """
    manifest = model_manifest(store, descriptor)
    raw, config, problems = _config(store, manifest)
    files = contents(manifest)
    return Inspection(
        descriptor=manifest.descriptor,
        manifest=manifest,
        config=config,
        files=files,
        problems=(*(str(problem) for problem in manifest_problems(manifest.raw)), *problems),
        raw_config=raw,
        tensors=_headers(store, files, jobs) if tensors else {},
    )


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
    """A model's configuration; an empty one where another tool put nothing, or something else, there."""
    return _config(store, manifest)[1]


def _config(store: Store, manifest: Manifest) -> tuple[bytes, ModelConfig, tuple[str, ...]]:
    """Other tools leave the config empty, or put something else there: then there is just less to tell."""
    if manifest.config.media_type not in MODEL_CONFIG_TYPES:
        return b"", ModelConfig(), ()
    raw = store.read(manifest.config, limit=_MAX_CONFIG)
    problems = tuple(str(problem) for problem in config_problems(raw))
    try:
        return raw, ModelConfig.parse(raw), problems
    except DocumentError as error:
        return raw, ModelConfig(), (*problems, str(error))


@dataclass(frozen=True, slots=True)
class _RemoteFile:
    store: Ranged
    descriptor: Descriptor

    @property
    def size(self) -> int:
        return self.descriptor.size

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return self.store.read_at(self.descriptor, offset, length) if length else b""


def _headers(store: Store, files: tuple[LayerEntry, ...], jobs: int) -> dict[str, ModelFile]:
    if not isinstance(store, Ranged):
        return {}
    ranged = store
    weights = [file for file in files if file.is_file and file.kind is Kind.WEIGHT]

    def header(file: LayerEntry) -> ModelFile | None:
        try:
            return read_header(_RemoteFile(ranged, file.descriptor), file.path)
        except DocumentError as error:
            raise DocumentError(file.path, error.path, error.reason) from error

    found = each(header, weights, jobs)
    return {file.path: header for file, header in zip(weights, found, strict=True) if header is not None}


def _config_json(config: ModelConfig) -> JSONObject:
    """What is said, by the names of this library; what is not said is left out."""
    result: JSONObject = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if item.name in ("raw", "diff_ids") or value in ("", (), None):
            continue
        result[item.name] = list(value) if isinstance(value, tuple) else value
    return result


def _tensors_json(file: ModelFile) -> JSONObject:
    tensors: list[JSON] = [
        {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape), "bytes": [tensor.begin, tensor.end]}
        for tensor in file.tensors
    ]
    return {"format": file.format, "parameters": file.parameters, "dtypes": dict(file.dtypes), "tensors": tensors}
