"""Manifests and indexes (OCI image-spec, manifest.md and image-index.md), parsed beside the bytes that were hashed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from modelpack.oci.descriptor import Descriptor
from modelpack.oci.digest import Digest
from modelpack.oci.fields import Fields
from modelpack.oci.mediatypes import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MODEL_ARTIFACT_TYPES,
    MODEL_CONFIG_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
)
from modelpack.oci.strictjson import JSONObject, dumps, loads_object

MAX_LAYERS = 20_000
MAX_MANIFESTS = 20_000
_LONG = 32 << 10
"""Bytes from which parsed documents are remembered, the last two of them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest. ``raw`` are its bytes and ``descriptor`` names them; nothing is ever re-serialised."""

    raw: bytes
    descriptor: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str
    subject: Descriptor | None
    annotations: dict[str, str]

    @classmethod
    def parse(cls, raw: bytes, algorithm: str = "sha256") -> Self:
        """Read a manifest. Raises DocumentError."""
        fields = _read(raw, "manifest", MANIFEST_TYPES, OCI_MANIFEST)
        config = Descriptor.from_json(fields.object("config"))
        return cls(
            raw=raw,
            descriptor=_describe(raw, fields, OCI_MANIFEST, algorithm),
            config=config,
            layers=tuple(Descriptor.from_json(layer) for layer in fields.objects("layers", limit=MAX_LAYERS)),
            artifact_type=fields.text("artifactType", "") or config.media_type,
            subject=_subject(fields),
            annotations=fields.mapping("annotations"),
        )

    @classmethod
    def build(
        cls,
        *,
        artifact_type: str,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        subject: Descriptor | None = None,
        annotations: dict[str, str] | None = None,
    ) -> Self:
        """Write a manifest: the compact bytes, in member order, that Go tools write for the same content."""
        document: JSONObject = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        if artifact_type:
            document["artifactType"] = artifact_type
        document["config"] = config.to_json()
        document["layers"] = [layer.to_json() for layer in layers]
        if subject is not None:
            document["subject"] = subject.to_json()
        if annotations:
            document["annotations"] = {key: annotations[key] for key in sorted(annotations)}
        return cls.parse(dumps(document))

    @property
    def is_model(self) -> bool:
        """Whether this is a ModelPack artifact, by artifact type or (older tools) by config type."""
        return self.artifact_type in MODEL_ARTIFACT_TYPES or self.config.media_type in MODEL_CONFIG_TYPES

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, each digest once: what must be in a store before the manifest is."""
        return tuple({blob.digest: blob for blob in (self.config, *self.layers)}.values())


@dataclass(frozen=True, slots=True)
class Index:
    """An image index: a list of manifests."""

    raw: bytes
    descriptor: Descriptor
    manifests: tuple[Descriptor, ...]
    artifact_type: str
    subject: Descriptor | None
    annotations: dict[str, str]

    @classmethod
    def parse(cls, raw: bytes, algorithm: str = "sha256") -> Self:
        """Read an index. Raises DocumentError."""
        fields = _read(raw, "index", INDEX_TYPES, OCI_INDEX)
        return cls(
            raw=raw,
            descriptor=_describe(raw, fields, OCI_INDEX, algorithm),
            manifests=tuple(Descriptor.from_json(entry) for entry in fields.objects("manifests", limit=MAX_MANIFESTS)),
            artifact_type=fields.text("artifactType", ""),
            subject=_subject(fields),
            annotations=fields.mapping("annotations"),
        )

    @classmethod
    def build(cls, manifests: tuple[Descriptor, ...], *, annotations: dict[str, str] | None = None) -> Self:
        """Write an index."""
        entries: JSONObject = {"manifests": [entry.to_json() for entry in manifests]}
        document: JSONObject = {"schemaVersion": 2, "mediaType": OCI_INDEX, **entries}
        if annotations:
            document["annotations"] = {key: annotations[key] for key in sorted(annotations)}
        return cls.parse(dumps(document))


def parse_document(raw: bytes, media_type: str, algorithm: str = "sha256") -> Manifest | Index:
    """Read a manifest or an index, as its media type says. Raises DocumentError."""
    parse = _parse_long if len(raw) >= _LONG else _parse
    return parse(raw, media_type in INDEX_TYPES, algorithm)


def _parse(raw: bytes, is_index: bool, algorithm: str) -> Manifest | Index:  # noqa: FBT001  # a key of the cache
    return (Index if is_index else Manifest).parse(raw, algorithm)


_parse_long = lru_cache(maxsize=2)(_parse)
"""One operation reads the same document several times; of thousands of layers that takes longer than moving them."""


def _read(raw: bytes, name: str, media_types: frozenset[str], default: str) -> Fields:
    fields = Fields(loads_object(raw, name), name)
    if fields.value.get("schemaVersion") != 2:
        fields.fail("schemaVersion", "2 is required")
    if fields.text("mediaType", default) not in media_types:
        fields.fail("mediaType", f"{fields.text('mediaType')[:80]!r} is not the type of an {name}")
    # One document must not be readable as both kinds: CVE-2021-41190.
    other = "manifests" if name == "manifest" else "layers"
    if other in fields.value:
        fields.fail(other, f"does not belong in {'a manifest' if name == 'manifest' else 'an index'}")
    return fields


def _describe(raw: bytes, fields: Fields, default: str, algorithm: str) -> Descriptor:
    return Descriptor(fields.text("mediaType", default), Digest.of(raw, algorithm), len(raw))


def _subject(fields: Fields) -> Descriptor | None:
    return Descriptor.from_json(fields.object("subject")) if fields.value.get("subject") is not None else None
