"""The files of a model: those that are layers of their own, and those in archives small enough to be opened."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from modelpack.attest.inventory.model import Completeness, InventoryFile
from modelpack.errors import ContentError, DocumentError, UnsupportedFormat
from modelpack.oci import Codec, Descriptor, Digest, Kind, new_hasher
from modelpack.store import BytesSource, Reader, Store
from modelpack.unpack import LayerEntry
from modelpack.unpack.archive import TarReader, inflated

MAX_SMALL = 1 << 20
"""Bytes of a file that is read whole, and of an archive that is opened."""

MAX_READ = 32 << 20
"""Bytes of all that is read whole of one model: a hostile one could list thousands of templates."""

_MAX_INDEX = 8 << 20
README = re.compile(r"readme(\.[\w-]+)?\.(md|markdown)", re.IGNORECASE)
LICENSE = re.compile(r"(licen[cs]e|copying|unlicense)([-_.][\w.-]+)?", re.IGNORECASE)
_SETTINGS = frozenset({"config.json", "adapter_config.json", "tokenizer_config.json", "chat_template.json"})
_TOKENIZER = re.compile(r"(tokenizer|vocab|merges|special_tokens|added_tokens|spiece|sentencepiece).*", re.IGNORECASE)
_ROLES = {Kind.WEIGHT: "weights", Kind.DOC: "documentation", Kind.CODE: "code", Kind.DATASET: "dataset"}


@dataclass(frozen=True, slots=True)
class Contents:
    """The files, whether they are all, the small files' bytes by path, and remarks."""

    files: tuple[InventoryFile, ...]
    known: Completeness
    small: Mapping[str, bytes]
    warnings: tuple[str, ...]


def list_files(store: Store, entries: tuple[LayerEntry, ...], digests: Mapping[str, Digest], *, read: bool) -> Contents:
    """List the files. ``digests`` are those that the caller knows, by path. With ``read``, small files that say something
    about the model are read and verified, and small archives are opened.

    Raises the store's errors, among them DigestMismatch.
    """
    files: list[InventoryFile] = []
    small: dict[str, bytes] = {}
    warnings: list[str] = []
    left = MAX_READ if read else 0
    for entry in entries:
        wanted = _wanted(entry)
        if wanted and read and entry.size > left:
            warnings.append(
                f"{entry.path or entry.descriptor.digest} is not read: {MAX_READ} bytes of small files were"
            )
        opened = wanted and entry.size <= left
        left -= entry.size if opened else 0
        if entry.is_file:
            files.append(_raw(entry))
            if read and not wanted and is_told(entry.path):
                warnings.append(f"{entry.path} is not read: it has more than {_limit(entry.path)} bytes")
            if opened:
                small[entry.path] = store.read(entry.descriptor, limit=_MAX_INDEX)
        else:
            files += _archive(store, entry, small, warnings) if opened else [_closed(entry)]
    files = _with_known(files, digests)
    complete = not any(file.archive for file in files)
    known = Completeness.COMPLETE if complete else Completeness.INCOMPLETE
    return Contents(tuple(sorted(files, key=lambda file: file.path)), known, small, tuple(warnings))


def _wanted(entry: LayerEntry) -> bool:
    return entry.size <= _limit(entry.path) if entry.is_file and is_told(entry.path) else _small_archive(entry)


def _small_archive(entry: LayerEntry) -> bool:
    return not entry.is_file and entry.size <= MAX_SMALL


def is_told(path: str) -> bool:
    """Whether a file of that name says something about the model."""
    name = PurePosixPath(path).name
    if name.endswith(".jinja"):
        return True
    if "/" in path:
        return False
    told = name in _SETTINGS or name.endswith(".safetensors.index.json")
    return told or bool(README.fullmatch(name) or LICENSE.fullmatch(name))


def role_of(path: str, kind: Kind) -> str:
    """What a file is for, by its name and its layer's kind."""
    name = PurePosixPath(path).name
    if name.endswith(".jinja") or name == "chat_template.json":
        return "chat-template"
    if README.fullmatch(name):
        return "model-card"
    if LICENSE.fullmatch(name):
        return "licence"
    if name.endswith(".index.json"):
        return "index"
    if kind is Kind.CONFIG:
        return "tokenizer" if _TOKENIZER.fullmatch(name) else "configuration"
    return _ROLES[kind]


def parsed(data: bytes | None, path: str, warnings: list[str]) -> dict[str, Any]:
    """A JSON file as other tools read it; what is wrong with it becomes a remark."""
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        warnings.append(str(DocumentError(path, "", "not JSON")))
        return {}
    return value if isinstance(value, dict) else {}


def _limit(path: str) -> int:
    return _MAX_INDEX if path.endswith(".index.json") else MAX_SMALL


def _raw(entry: LayerEntry) -> InventoryFile:
    layer = entry.descriptor
    digest = layer.digest if layer.digest.algorithm == "sha256" else None
    sha512 = layer.digest.hex if layer.digest.algorithm == "sha512" else ""
    role = role_of(entry.path, entry.kind)
    return InventoryFile(
        entry.path, entry.kind, layer.media_type, digest, entry.size, layer.digest, role, sha512=sha512
    )


def _closed(entry: LayerEntry) -> InventoryFile:
    layer = entry.descriptor
    label = entry.path or f"archive {layer.digest}"
    return InventoryFile(label, entry.kind, layer.media_type, None, None, layer.digest, "archive", archive=True)


def _archive(store: Store, entry: LayerEntry, small: dict[str, bytes], warnings: list[str]) -> list[InventoryFile]:
    data = store.read(entry.descriptor)
    try:
        members = _members(data, entry.codec, entry.path or str(entry.descriptor.digest))
    except (ContentError, UnsupportedFormat) as error:
        warnings.append(str(error))
        return [_closed(entry)]
    small.update({path: content for path, (_, _, content) in members.items() if content})
    return [_member(path, entry, digest, size) for path, (digest, size, _) in members.items()]


def _member(path: str, entry: LayerEntry, digest: Digest, size: int) -> InventoryFile:
    layer: Descriptor = entry.descriptor
    return InventoryFile(path, entry.kind, layer.media_type, digest, size, layer.digest, role_of(path, entry.kind))


def _members(data: bytes, codec: Codec, name: str) -> dict[str, tuple[Digest, int, bytes]]:
    """Path to digest, size and (of small files that tell something) content. Of a path that stands twice the last counts, as
    when it is unpacked.
    """
    found: dict[str, tuple[Digest, int, bytes]] = {}
    archive = TarReader(inflated(Reader(BytesSource(data).open()), codec, len(data), name))
    for member in archive:
        if member.folder:
            continue
        hasher, kept = new_hasher("sha256"), bytearray()
        for piece in archive.content():
            hasher.update(piece)
            if member.size <= MAX_SMALL and is_told(str(member.path)):
                kept += piece
        found[str(member.path)] = (Digest("sha256", hasher.hexdigest()), member.size, bytes(kept))
    return found


def _with_known(files: list[InventoryFile], digests: Mapping[str, Digest]) -> list[InventoryFile]:
    """Put what the caller knows of files in the place of archives that were not opened: of all of them together, because
    the caller does not say which file is in which.
    """
    have = {file.path for file in files if not file.archive}
    hidden = {path: digest for path, digest in digests.items() if path not in have}
    closed = [file for file in files if file.archive]
    if not closed or not hidden:
        return files
    kinds = {file.kind for file in closed}
    only = closed[0]
    kind = only.kind if len(kinds) == 1 else Kind.CONFIG
    layer = only.layer if len(closed) == 1 else None
    known = [
        replace(only, path=path, kind=kind, digest=digest, layer=layer, role=role_of(path, kind), archive=False)
        for path, digest in hidden.items()
    ]
    return [*(file for file in files if not file.archive), *known]
