"""What a model is, told without moving its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from modelpack.formats import ModelFile
from modelpack.oci import JSON, Descriptor, JSONObject, Kind, Manifest, ModelConfig, manifest_problems
from modelpack.store import Store
from modelpack.unpack import LayerEntry, contents, model_config, model_headers, model_manifest, read_config

__all__ = ["Inspection", "inspect", "model_manifest", "read_config"]


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
    raw, config, problems = model_config(store, manifest)
    files = contents(manifest)
    return Inspection(
        descriptor=manifest.descriptor,
        manifest=manifest,
        config=config,
        files=files,
        problems=(*(str(problem) for problem in manifest_problems(manifest.raw)), *problems),
        raw_config=raw,
        tensors=model_headers(store, files, jobs) if tensors else {},
    )


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
