"""Media types: what the specifications define, what older tools wrote, and what a layer's type says about it.

Sources: OCI image-spec 1.1, CNCF ModelPack model-spec (``docs/spec.md``, ``docs/annotations.md``), its ``cnai`` predecessor
(v0.0.3 to v0.0.6), and the types that Docker Model Runner wrote before it used ``.raw``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from modelpack.errors import InputError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER = "application/vnd.oci.image.layer.v1."
"""What the types of an image's layers begin with; ``tar``, ``tar+gzip`` or ``tar+zstd`` follows."""

OCI_EMPTY = "application/vnd.oci.empty.v1+json"

MODEL_MANIFEST = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
MODEL_ARTIFACT_TYPES = frozenset({MODEL_MANIFEST, "application/vnd.cnai.model.manifest.v1+json"})
MODEL_CONFIG_TYPES = frozenset({MODEL_CONFIG, "application/vnd.cnai.model.config.v1+json"})

MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})

FILEPATH = "org.cncf.model.filepath"
FILE_METADATA = "org.cncf.model.file.metadata+json"
MEDIATYPE_UNTESTED = "org.cncf.model.file.mediatype.untested"
TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"
CREATED = "org.opencontainers.image.created"

_LAYER = re.compile(
    r"application/vnd\.(?:cncf|cnai)\.model\.(weight\.config|weight|doc|code|dataset)\.v1\.(raw|tar\+gzip|tar\+zstd|tar)"
)
_OLD_WEIGHT = re.compile(r"application/vnd\.cncf\.model\.weight\.v1\.(?:gguf|safetensors)")


class Kind(StrEnum):
    """What a layer holds (model-spec, "Layer Media Types")."""

    WEIGHT = "weight"
    CONFIG = "weight.config"
    DOC = "doc"
    CODE = "code"
    DATASET = "dataset"

    @classmethod
    def named(cls, name: str) -> Self:
        """The kind that people mean: ``weight.config``, or ``config`` for short. Raises InputError."""
        try:
            return cls(_SHORT.get(name, name))
        except ValueError:
            raise InputError(f"{name!r} is not a kind of file", hint=f"kinds are: {', '.join(cls)}") from None


_SHORT = {"config": "weight.config", "weights": "weight", "docs": "doc", "datasets": "dataset"}


class Codec(StrEnum):
    """How a layer holds it: one file as it is, or a tar archive of files."""

    RAW = "raw"
    TAR = "tar"
    TAR_GZIP = "tar+gzip"
    TAR_ZSTD = "tar+zstd"


@dataclass(frozen=True, slots=True)
class LayerType:
    """The two things that a ModelPack layer's media type says."""

    kind: Kind
    codec: Codec

    @classmethod
    def parse(cls, media_type: str) -> LayerType | None:
        """Read a layer's media type, current or legacy; None if it is not a ModelPack one."""
        if match := _LAYER.fullmatch(media_type):
            return cls(Kind(match[1]), Codec(match[2]))
        if _OLD_WEIGHT.fullmatch(media_type):
            return cls(Kind.WEIGHT, Codec.RAW)
        return None

    def __str__(self) -> str:
        """The current (``cncf``) media type."""
        return f"application/vnd.cncf.model.{self.kind}.v1.{self.codec}"


def is_document(media_type: str) -> bool:
    """Whether a registry keeps this under ``/manifests/`` (manifests and indexes) rather than under ``/blobs/``."""
    return media_type in MANIFEST_TYPES or media_type in INDEX_TYPES


def annotation(annotations: dict[str, str], name: str) -> str | None:
    """A ``org.cncf.model.…`` annotation, or its ``org.cnai.model.…`` predecessor."""
    if name in annotations:
        return annotations[name]
    return annotations.get(name.replace("org.cncf.", "org.cnai.", 1))
