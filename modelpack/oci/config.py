"""The ModelPack configuration (model-spec ``docs/config.md``): what a model says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, TypeAlias

from modelpack.errors import InvalidDigest
from modelpack.oci.digest import Digest
from modelpack.oci.fields import Fields
from modelpack.oci.strictjson import JSONObject, dumps, loads_object

_Value: TypeAlias = "str | bool | tuple[str, ...] | JSONObject | None"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model's configuration; ``""``, ``()`` and None mean: not said.

    ``created_at`` and ``knowledge_cutoff`` are RFC 3339 text. ``param_size`` is ``<count><prefix>`` (``"6.7B"``),
    ``precision`` a comma-joined list (``"float16,float8_e4m3"``), ``licenses`` SPDX expressions, ``languages``
    two-letter codes, ``input_types`` and ``output_types`` of text, image, audio, video, embedding, other. ``diff_ids``
    are the digests of the uncompressed layers in order. ``datasets_url``, ``languages`` and ``reward`` are younger than
    model-spec v0.0.7: a strict validator of that version refuses a config that sets them.

    ``raw`` are the bytes that were parsed; a config that was made or changed (:func:`dataclasses.replace`) has none.
    """

    created_at: str = ""
    authors: tuple[str, ...] = ()
    family: str = ""
    name: str = ""
    doc_url: str = ""
    source_url: str = ""
    datasets_url: tuple[str, ...] = ()
    version: str = ""
    revision: str = ""
    vendor: str = ""
    licenses: tuple[str, ...] = ()
    title: str = ""
    description: str = ""

    architecture: str = ""
    format: str = ""
    param_size: str = ""
    precision: str = ""
    quantization: str = ""

    input_types: tuple[str, ...] = ()
    output_types: tuple[str, ...] = ()
    knowledge_cutoff: str = ""
    reasoning: bool | None = None
    tool_usage: bool | None = None
    reward: bool | None = None
    languages: tuple[str, ...] = ()

    diff_ids: tuple[Digest, ...] = ()
    # Not an argument, so that replace() drops it: stale bytes beside new values would be a trap.
    raw: bytes = field(default=b"", init=False, compare=False, repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a configuration as leniently as safety allows: any member may be absent (some tools write ``{}``),
        unknown ones are ignored, the names of the ``cnai`` predecessor count. Raises DocumentError for a wrong type.
        """
        root = Fields(loads_object(raw, "config"), "config")
        about, model = root.object("descriptor"), root.object("config")
        abilities = _capabilities(root, model)
        config = cls(
            created_at=about.text("createdAt", ""),
            authors=about.texts("authors"),
            family=about.text("family", ""),
            name=about.text("name", ""),
            doc_url=about.text("docURL", ""),
            source_url=about.text("sourceURL", ""),
            datasets_url=about.texts("datasetsURL"),
            version=about.text("version", ""),
            revision=about.text("revision", ""),
            vendor=about.text("vendor", ""),
            licenses=about.texts("licenses"),
            title=about.text("title", ""),
            description=about.text("description", ""),
            architecture=model.text("architecture", ""),
            format=model.text("format", ""),
            param_size=model.text("paramSize", ""),
            precision=model.text("precision", ""),
            quantization=model.text(_key(model, "quantization", "puantization"), ""),  # sic: model-spec v0.0.3
            input_types=abilities.texts(_key(abilities, "inputTypes", "input_types")),
            output_types=abilities.texts(_key(abilities, "outputTypes", "output_types")),
            knowledge_cutoff=abilities.text(_key(abilities, "knowledgeCutoff", "knowledge_cutoff"), ""),
            reasoning=abilities.flag("reasoning"),
            tool_usage=abilities.flag(_key(abilities, "toolUsage", "tool_usage")),
            reward=abilities.flag("reward"),
            languages=abilities.texts("languages"),
            diff_ids=_diff_ids(root.object("modelfs")),
        )
        object.__setattr__(config, "raw", raw)
        return config

    def to_bytes(self) -> bytes:
        """The document that Go tools write for the same values: compact, in the order of the specification."""
        about: dict[str, _Value] = {
            "createdAt": self.created_at,
            "authors": self.authors,
            "family": self.family,
            "name": self.name,
            "docURL": self.doc_url,
            "sourceURL": self.source_url,
            "datasetsURL": self.datasets_url,
            "version": self.version,
            "revision": self.revision,
            "vendor": self.vendor,
            "licenses": self.licenses,
            "title": self.title,
            "description": self.description,
        }
        model: dict[str, _Value] = {
            "architecture": self.architecture,
            "format": self.format,
            "paramSize": self.param_size,
            "precision": self.precision,
            "quantization": self.quantization,
            "capabilities": self._capabilities() or None,
        }
        layers: JSONObject = {"type": "layers", "diffIds": [str(digest) for digest in self.diff_ids]}
        return dumps({"descriptor": _said(about), "modelfs": layers, "config": _said(model)})

    def _capabilities(self) -> JSONObject:
        return _said(
            {
                "inputTypes": self.input_types,
                "outputTypes": self.output_types,
                "knowledgeCutoff": self.knowledge_cutoff,
                "reasoning": self.reasoning,
                "toolUsage": self.tool_usage,
                "reward": self.reward,
                "languages": self.languages,
            }
        )


def _said(members: dict[str, _Value]) -> JSONObject:
    """What Go's ``omitempty`` leaves: no empty text, no empty array, no null; but false is said."""
    result: JSONObject = {}
    for key, value in members.items():
        if value is not None and value not in ("", ()):
            result[key] = list(value) if isinstance(value, tuple) else value
    return result


def _key(fields: Fields, name: str, legacy: str) -> str:
    return legacy if name not in fields.value and legacy in fields.value else name


def _capabilities(root: Fields, model: Fields) -> Fields:
    """Old versions of the specification's text showed ``capabilities`` at the top level as well."""
    return (model if "capabilities" in model.value else root).object("capabilities")


def _diff_ids(layers: Fields) -> tuple[Digest, ...]:
    key = _key(layers, "diffIds", "diff_ids")
    return tuple(_digest(layers, f"{key}[{index}]", text) for index, text in enumerate(layers.texts(key)))


def _digest(fields: Fields, key: str, text: str) -> Digest:
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        fields.fail(key, str(error))
