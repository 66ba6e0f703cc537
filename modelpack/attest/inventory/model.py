"""The inventory's values. ``""``, ``()`` and None mean: not said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from modelpack.oci import JSON, Descriptor, Digest, JSONObject, Kind, ModelConfig, Reference
from modelpack.pack.metadata import ModelCard


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """What a weight file's header says: format, how many numbers, and how many of each dtype (safetensors' names)."""

    format: str
    parameters: int
    dtypes: Mapping[str, int] = field(default_factory=dict, hash=False)
    quantization: str = ""

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {"format": self.format, "parameters": self.parameters, "dtypes": dict(self.dtypes)}
        return {**said, **({"quantization": self.quantization} if self.quantization else {})}


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """One file, or an archive that was not opened (``archive``): then ``digest`` is None and ``path`` only a label.

    ``digest`` is the file's own SHA-256, ``layer`` that of the blob that carries it: equal for raw layers. ``size`` is the
    file's, in bytes (None: not known). ``role`` is "weights", "index", "chat-template", "model-card", "licence",
    "configuration", "tokenizer", "documentation", "code", "dataset" or "archive".
    """

    path: str
    kind: Kind
    media_type: str
    digest: Digest | None
    size: int | None
    layer: Digest | None
    role: str = ""
    sha512: str = ""
    tensors: TensorSummary | None = None
    archive: bool = False

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {
            "path": self.path,
            "kind": str(self.kind),
            "role": self.role,
            "mediaType": self.media_type,
            "digest": str(self.digest) if self.digest else None,
            "sha512": self.sha512 or None,
            "size": self.size,
            "layer": str(self.layer) if self.layer else None,
            "tensors": self.tensors.to_json() if self.tensors else None,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A Jinja template that turns messages into a prompt: a file of its own, or a text inside ``path`` under ``key``.

    ``digest`` is the SHA-256 of the template's text in UTF-8. GGUF keys are read from an unverified header.
    """

    path: str
    key: str
    digest: Digest

    @property
    def name(self) -> str:
        """``path#key``."""
        return f"{self.path}#{self.key}" if self.key else self.path

    def to_json(self) -> JSONObject:
        """For programs."""
        return {"path": self.path, "key": self.key, "digest": str(self.digest)}


@dataclass(frozen=True, slots=True)
class Origin:
    """A base model or a data set that a model was made from.

    ``uri`` is where it is (``https://huggingface.co/org/name``, ``oci://host/repo@sha256:…``, or what was written where that
    names no place); ``name`` is for people. ``commit`` is a git commit, ``digest`` a manifest's digest; either pins it.
    ``relation`` is "finetune", "adapter", "merge", "quantized" or ``""``. ``source`` says who said so ("README.md").
    """

    name: str
    uri: str = ""
    commit: str = ""
    digest: Digest | None = None
    relation: str = ""
    source: str = ""
    licenses: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether it says exactly which content is meant."""
        return bool(self.commit or self.digest)

    @property
    def version(self) -> str:
        """The digest, or the commit, or ``""``."""
        return str(self.digest) if self.digest else self.commit

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {
            "name": self.name,
            "uri": self.uri,
            "commit": self.commit,
            "digest": str(self.digest) if self.digest else "",
            "relation": self.relation,
            "licenses": list(self.licenses),
            "source": self.source,
        }
        return {key: value for key, value in said.items() if value not in ("", [])}


class Completeness(StrEnum):
    """How much of something a list holds (CycloneDX's words)."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that can be said of one model without its weights.

    ``descriptor`` names the manifest. ``reference`` is where it was found, without tag and digest ``""`` if nowhere.
    ``licenses`` are SPDX expressions: the configuration's, else the card's; ``license_text`` what LICENSE files hold.
    ``config_family`` is ``config.json``'s ``model_type``; ``shard_problems`` are sentences about index files and shards.
    ``read`` says whether headers were wanted and readable. ``warnings`` are sentences about files that could not be read.
    """

    descriptor: Descriptor
    reference: Reference | None
    artifact_type: str
    config: ModelConfig
    files: tuple[InventoryFile, ...]
    card: ModelCard = field(default_factory=ModelCard)
    chat_templates: tuple[ChatTemplate, ...] = ()
    licenses: tuple[str, ...] = ()
    license_source: str = ""
    license_text: tuple[str, ...] = ()
    base_models: tuple[Origin, ...] = ()
    datasets: tuple[Origin, ...] = ()
    config_family: str = ""
    model_class: str = ""
    files_known: Completeness = Completeness.COMPLETE
    shard_problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """The manifest's."""
        return self.descriptor.digest

    @property
    def name(self) -> str:
        """What the configuration calls it; else the last part of its repository; else "model"."""
        place = self.reference.repository.rpartition("/")[2] if self.reference else ""
        return self.config.name or place or "model"

    @property
    def version(self) -> str:
        """The configuration's version or revision, else the tag it was asked for, else the digest."""
        tag = self.reference.tag if self.reference else ""
        return self.config.version or self.config.revision or tag or str(self.digest)

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes: the configuration's, else the card's."""
        return self.config.languages or self.card.languages

    @property
    def task(self) -> str:
        """The card's ``pipeline_tag``."""
        return self.card.pipeline_tag

    @property
    def library(self) -> str:
        """The card's ``library_name``."""
        return self.card.library_name

    @property
    def parameters(self) -> int:
        """Numbers in all weight files whose headers were read: variants of one model add up."""
        return sum(file.tensors.parameters for file in self.files if file.tensors)

    @property
    def dtypes(self) -> dict[str, int]:
        """How many of them each dtype has, the most frequent first."""
        counts: Counter[str] = Counter()
        for file in self.files:
            counts.update(file.tensors.dtypes if file.tensors else {})
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def formats(self) -> tuple[str, ...]:
        """Formats of the weight files, as their headers say."""
        return tuple(sorted({file.tensors.format for file in self.files if file.tensors}))

    def file(self, path: str) -> InventoryFile | None:
        """The file of that path."""
        return next((file for file in self.files if file.path == path and not file.archive), None)

    def to_json(self) -> JSONObject:
        """Everything, for programs."""
        lists: dict[str, JSON] = {
            "files": [file.to_json() for file in self.files],
            "chatTemplates": [template.to_json() for template in self.chat_templates],
            "baseModels": [origin.to_json() for origin in self.base_models],
            "datasets": [origin.to_json() for origin in self.datasets],
            "licenses": list(self.licenses),
            "languages": list(self.languages),
            "warnings": [*self.warnings, *self.shard_problems],
        }
        return {
            "digest": str(self.digest),
            "reference": str(self.reference) if self.reference else "",
            "artifactType": self.artifact_type,
            "name": self.name,
            "version": self.version,
            "task": self.task,
            "library": self.library,
            "family": self.config.family or self.config_family,
            "parameters": self.parameters,
            "dtypes": dict(self.dtypes),
            "filesKnown": str(self.files_known),
            **lists,
        }
