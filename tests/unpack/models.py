"""Small models for the tests of this area, made with the standard library's tar and gzip."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import zstandard

from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import FILE_METADATA, FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import MemoryStore, Store

LAYER = "application/vnd.cncf.model."


def raw(
    store: Store, path: str, data: bytes, kind: str = "weight", metadata: str = "", **annotations: str
) -> Descriptor:
    """A file as a layer; keyword arguments with ``_`` for ``.`` are further annotations."""
    layer = store.push_bytes(f"{LAYER}{kind}.v1.raw", data)
    more = {FILEPATH: path} | ({FILE_METADATA: metadata} if metadata else {})
    return layer.annotated(**more, **annotations)


def member(
    name: str, data: bytes = b"", type_: bytes = tarfile.REGTYPE, **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    """One member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mtime = len(data), type_, 1_700_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_, errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """An archive of regular files."""
    return tar(member(name, data) for name, data in files.items())


def compress(data: bytes, codec: str) -> bytes:
    """As a layer of this codec has it."""
    if codec == "tar+gzip":
        return gzip.compress(data, mtime=0)
    return zstandard.compress(data) if codec == "tar+zstd" else data


def archive(store: Store, data: bytes, codec: str = "tar", kind: str = "code", path: str = "") -> Descriptor:
    """An archive (already compressed) as a layer."""
    layer = store.push_bytes(f"{LAYER}{kind}.v1.{codec}", data)
    return layer.annotated(**{FILEPATH: path}) if path else layer


def model(
    store: Store, *layers: Descriptor, artifact_type: str = MODEL_MANIFEST, config_type: str = MODEL_CONFIG
) -> Manifest:
    """A manifest, stored."""
    config = store.push_bytes(config_type, b"{}")
    manifest = Manifest.build(artifact_type=artifact_type, config=config, layers=layers)
    store.push_bytes(manifest.descriptor.media_type, manifest.raw)
    return manifest


def simple(files: Mapping[str, bytes]) -> tuple[MemoryStore, Manifest]:
    """A model of raw layers in a store of its own."""
    store = MemoryStore()
    return store, model(store, *(raw(store, path, data) for path, data in files.items()))


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder but our record."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".modelpack.json"
    }


def leftovers(folder: Path) -> list[str]:
    """What lies beside a destination."""
    return sorted(path.name for path in folder.parent.iterdir() if path.name.startswith("."))
