"""What a model is, told without moving its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from modelpack.access import Access, local_name, resolve
from modelpack.errors import NotFound
from modelpack.formats import ModelFile
from modelpack.oci import JSON, Descriptor, JSONObject, Kind, Manifest, ModelConfig, Reference, manifest_problems
from modelpack.store import LayoutStore, Store
from modelpack.unpack import LayerEntry, contents, model_config, model_headers, model_manifest, read_config

if TYPE_CHECKING:  # what not every verb needs is loaded by those that do
    from modelpack.attest import Inventory, Lineage
    from modelpack.compare import Difference
    from modelpack.trust import Policy, PolicyFile

__all__ = ["Inspection", "diff", "inspect", "inventory", "lineage", "look_at", "model_manifest", "read_config"]


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


def look_at(store: Store, descriptor: Descriptor, *, tensors: bool = False, jobs: int = 4) -> Inspection:
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


def inspect(
    reference: str, *, local: LayoutStore | None = None, tensors: bool = False, access: Access | None = None
) -> tuple[Inspection, str]:
    """Look at a model without moving its weights: in a local store if it is there, else where the reference says.

    Comes with the word ``"local store"``, ``"layout"`` or ``"registry"``. Raises as :func:`push`, DocumentError,
    UnsupportedFormat.
    """
    access = access or Access()
    with _finding(reference, local, access) as (store, descriptor, place):
        return look_at(store, descriptor, tensors=tensors, jobs=access.jobs), place


def inventory(
    reference: str, *, local: LayoutStore | None = None, access: Access | None = None
) -> tuple[Inventory, str]:
    """List what is in a model and what it was made from (:func:`modelpack.attest.inventory`), found as by :func:`inspect`."""
    from modelpack.attest import inventory as list_contents

    access = access or Access()
    with _finding(reference, local, access) as (store, descriptor, place):
        return list_contents(store, descriptor, reference=reference, jobs=access.jobs), place


def lineage(reference: str, *, depth: int = 8, access: Access | None = None) -> Lineage:
    """The tree of a model's declared ancestors (:func:`modelpack.attest.lineage`).

    Only the model's own registry is asked: what a model says of itself must not choose whom we talk to.
    """
    from modelpack.attest import lineage as ancestors

    access = access or Access()
    where = Reference.parse(reference)

    def opener(ancestor: Reference) -> Store:
        if (ancestor.registry, ancestor.layout) != (where.registry, where.layout):
            raise NotFound("in another registry, which is not asked")
        return access.open(ancestor)

    return ancestors(opener, where, depth=depth)


def diff(
    before: str,
    after: str,
    *,
    policy: Policy | PolicyFile | None = None,
    attached: bool = True,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Difference:
    """What is different between two models: configuration, files, tensors, licences, base models, and the bytes that an update
    would fetch. No weights are read. Each is found as by :func:`inspect`.

    With ``attached``, signatures and documents are compared as well; the ``policy`` says whose names are known.
    Raises as :func:`inspect`, and PolicyViolation (a policy file that does not speak of one of them).
    """
    from modelpack.compare import Trusted, compare

    access = access or Access()
    trusted = (Trusted.at(before, policy), Trusted.at(after, policy)) if attached else None
    with _finding(before, local, access) as first, _finding(after, local, access) as second:
        return compare(first[:2], second[:2], trusted=trusted, jobs=access.jobs)


@contextmanager
def _finding(reference: str, local: LayoutStore | None, access: Access) -> Iterator[tuple[Store, Descriptor, str]]:
    """The store that has a model, the model, and a word for the store."""
    where = Reference.parse(reference)
    if local is not None and not where.layout:
        try:
            descriptor = local.resolve(local_name(where))
        except NotFound:
            pass
        else:
            yield local, descriptor, "local store"
            return
    with access.open(where) as store:
        yield store, resolve(store, where), "layout" if where.layout else "registry"


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
