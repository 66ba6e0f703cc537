"""Models to move: incompressible files and, over the same bytes, an OCI layout that every client can read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
LAYER_TYPE = "application/vnd.cncf.model.weight.v1.raw"
TAG = "v1"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a model is cut: ``count`` files of ``size`` bytes."""

    name: str
    count: int
    size: int

    @property
    def text(self) -> str:
        """For people: ``8 × 256 MiB``."""
        amount, unit = (self.size / MIB, "MiB") if self.size >= MIB else (self.size / 1024, "KiB")
        return f"{self.count:,} × {amount:g} {unit}"


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob of a layout, and the file of the model that it is."""

    path: Path
    size: int
    digest: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A model on disk: ``files`` has its files, ``layout`` an OCI layout of the same bytes (hard links)."""

    name: str
    files: Path
    layout: Path
    layers: tuple[Blob, ...]
    config: Blob
    manifest: Blob

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(layer.size for layer in self.layers)

    @property
    def local_name(self) -> str:
        """The reference under which the layout, as a local store, has it."""
        return f"bench.invalid/bench/{self.name}:{TAG}"


def shapes(size_mib: int, files: int) -> list[Shape]:
    """One file, eight files, and many small ones: ``size_mib`` in each of the first two, ``files`` in the third."""
    return [Shape("one", 1, size_mib * MIB), Shape("eight", 8, size_mib * MIB // 8), Shape("many", files, 4096)]


def make(shape: Shape, folder: Path, *, sparse: bool = False) -> Model:
    """Write a model of random bytes (or of holes) below ``folder``."""
    layers = []
    for number in range(shape.count):
        title = f"part-{number + 1:05}.bin"
        path = folder / shape.name / "files" / title
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _write_holes(path, shape.size, number) if sparse else _write_random(path, shape.size)
        layers.append(Blob(path, shape.size, digest, title))
    return _layout(shape.name, folder / shape.name, tuple(layers))


def mix(name: str, cuts: list[Shape], folder: Path) -> Model:
    """One model with files of several sizes."""
    layers = []
    for shape in cuts:
        for number in range(shape.count):
            path = folder / name / "files" / f"{shape.name}-{number + 1:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            layers.append(Blob(path, shape.size, _write_random(path, shape.size), path.name))
    return _layout(name, folder / name, tuple(layers))


def corrupt(model: Model, folder: Path) -> Model:
    """The same model with one byte of its first file changed: digests, sizes and names stay."""
    copy = folder / "corrupted"
    shutil.copytree(model.files.parent, copy)
    first = model.layers[0]
    for path in (copy / "files" / first.title, copy / "layout" / first.path.relative_to(model.layout)):
        with path.open("r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([byte ^ 1]))
    moved = Blob(copy / "layout" / model.manifest.path.relative_to(model.layout), *_identity(model.manifest))
    layers = tuple(Blob(copy / "files" / layer.title, *_identity(layer), layer.title) for layer in model.layers)
    return Model("corrupted", copy / "files", copy / "layout", layers, model.config, moved)


def _identity(blob: Blob) -> tuple[int, str]:
    return blob.size, blob.digest


def _write_random(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while size:
            piece = os.urandom(min(size, 16 * MIB))
            digest.update(piece)
            file.write(piece)
            size -= len(piece)
    return "sha256:" + digest.hexdigest()


def _write_holes(path: Path, size: int, number: int) -> str:
    head = number.to_bytes(8, "little")  # no two files are the same blob
    digest = hashlib.sha256(head)
    zeros, left = bytes(MIB), size - len(head)
    while left > 0:
        digest.update(memoryview(zeros)[: min(left, MIB)])
        left -= MIB
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return "sha256:" + digest.hexdigest()


def _layout(name: str, folder: Path, files: tuple[Blob, ...]) -> Model:
    layout = folder / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    layers = []
    for file in files:
        path = _blob_path(layout, file.digest)
        os.link(file.path, path)
        layers.append(Blob(path, file.size, file.digest, file.title))
    config = _store(layout, _config(name, layers))
    manifest = _store(layout, _manifest(config, layers))
    model = Model(name, folder / "files", layout, tuple(layers), config, manifest)
    _write_json(layout / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    entry = {"mediaType": MANIFEST_TYPE, "digest": manifest.digest, "size": manifest.size}
    names = [{"org.opencontainers.image.ref.name": known} for known in (TAG, model.local_name)]
    entries = [{**entry, "annotations": annotations} for annotations in names]
    _write_json(layout / "index.json", {"schemaVersion": 2, "manifests": entries})
    return model


def _config(name: str, layers: list[Blob]) -> dict[str, Any]:
    filesystem = {"type": "layers", "diffIds": [layer.digest for layer in layers]}
    return {"descriptor": {"name": name}, "modelfs": filesystem, "config": {"format": "bin"}}


def _manifest(config: Blob, layers: list[Blob]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config.digest, "size": config.size},
        "layers": [
            {
                "mediaType": LAYER_TYPE,
                "digest": layer.digest,
                "size": layer.size,
                # The first is read by ModelPack's clients, the second by oras.
                "annotations": {
                    "org.cncf.model.filepath": layer.title,
                    "org.opencontainers.image.title": layer.title,
                },
            }
            for layer in layers
        ],
    }


def _store(layout: Path, document: dict[str, Any]) -> Blob:
    raw = json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    path = _blob_path(layout, digest)
    path.write_bytes(raw)
    return Blob(path, len(raw), digest)


def _blob_path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document))
