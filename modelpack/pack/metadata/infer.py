"""Fill in a model's configuration from its own files. What no file says stays empty; nothing is guessed from names.

Several files may speak of one field. The order of trust: headers of the weights for what they hold (format, size, precision);
``config.json`` before GGUF keys for what it is (family, architecture, quantization); the model card before GGUF keys before a
LICENSE's text for licences and languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from modelpack.errors import DocumentError, InputError
from modelpack.oci import JSONObject, ModelConfig
from modelpack.pack.metadata.card import MAX_README, ModelCard, parse_card
from modelpack.pack.metadata.facts import MAX_TEXT, Fact, facts, read_head, read_json, text, texts
from modelpack.pack.metadata.license_text import MAX_LICENSE, recognise
from modelpack.pack.metadata.licenses import spdx
from modelpack.pack.metadata.settings import component_folders, modelopt_facts, settings_facts
from modelpack.pack.metadata.tasks import EMBEDDING, MODALITIES
from modelpack.pack.metadata.weights import Weights, param_size, read_weights
from modelpack.pack.plan import Entry

_MAX_CONFIG = 4 << 20
_README = re.compile(r"readme(\.[\w-]+)?\.(md|markdown)", re.IGNORECASE)
_LICENSE = re.compile(r"(licen[cs]e|copying|unlicense)([-_.][\w.-]+)?", re.IGNORECASE)
_MAX_LICENSES = 8
_TAGS = {
    "reasoning": "reasoning",
    "function-calling": "tool_usage",
    "tool-use": "tool_usage",
    "tool-calling": "tool_usage",
}
_HUB_CACHE = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/(?P<revision>[0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class Inferred:
    """A configuration (without ``diff_ids`` and ``created_at``), and where each of its fields comes from.

    ``sources`` maps the fields of ``config`` that are set to words for people ("model.safetensors header").
    """

    config: ModelConfig = field(default_factory=ModelConfig)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    weights: Weights | None = None
    card: ModelCard = field(default_factory=ModelCard)
    warnings: tuple[str, ...] = ()


def infer(entries: Sequence[Entry], folder: Path | None = None) -> Inferred:
    """Look at the files of a model. ``folder``, where they are, gives the name; it is not read.

    A file that should be readable and is not becomes a warning. Raises NotFound if a file has gone.
    """
    reader = _Reader(entries)
    config = reader.json("config.json")
    components = component_folders(reader.json("modules.json"), reader.json("model_index.json"))
    weights, warnings = read_weights(entries, components)
    card, card_name = reader.card()
    licenses = reader.licenses()
    described = (
        *_settings(config, reader.json("hf_quant_config.json"), weights),
        *_gguf_network(weights),
    )
    found = (
        *_folder(folder),
        *_measured(weights, described),
        *described,
        *_card(card, f"{card_name} front matter"),
        *_sentence_transformers(reader),
        *_gguf_general(weights),
        *licenses,
    )
    chosen: dict[str, Fact] = {}
    for fact in found:
        chosen.setdefault(fact.field, fact)
    values: dict[str, Any] = {name: fact.value for name, fact in chosen.items()}
    all_warnings = (*reader.warnings, *warnings, *_disagreement(chosen, licenses), *_packed(weights, chosen))
    sources = {name: fact.source for name, fact in chosen.items()}
    return Inferred(ModelConfig(**values), sources, weights, card, all_warnings)


def apply_overrides(config: ModelConfig, overrides: Mapping[str, str | tuple[str, ...]]) -> ModelConfig:
    """Set fields by their names in :class:`ModelConfig` (except ``diff_ids``); an empty text clears one. A list may be given
    as one text, a truth value as "true" or "false". Raises InputError.
    """
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        default = _DEFAULTS.get(name, ...)
        if default is ...:
            raise InputError(
                f"a model's configuration has no field {name!r}", hint=f"the fields are {', '.join(_DEFAULTS)}"
            )
        values[name] = _converted(name, value, default)
    return ModelConfig(**{**_set_fields(config), **values})


_DEFAULTS: dict[str, object] = {
    item.name: item.default for item in fields(ModelConfig) if item.init and item.name != "diff_ids"
}


def _converted(name: str, value: str | tuple[str, ...], default: object) -> object:
    if isinstance(default, tuple):
        return value if isinstance(value, tuple) else tuple(filter(None, [value]))
    if isinstance(value, tuple):
        raise InputError(f"{name} takes one value, not {len(value)}")
    if isinstance(default, str):
        return value
    truth = {"true": True, "false": False, "": None}
    if value.lower() not in truth:
        raise InputError(f"{name} takes true or false, not {value[:40]!r}")
    return truth[value.lower()]


def _set_fields(config: ModelConfig) -> dict[str, Any]:
    return {item.name: getattr(config, item.name) for item in fields(ModelConfig) if item.init}


class _Reader:
    """The small files of a model's top folder; what is wrong with them is collected."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.warnings: list[str] = []
        self.files = {entry.path: entry for entry in sorted(entries, key=lambda e: e.path) if "/" not in entry.path}

    def json(self, name: str) -> Any:
        """A JSON file; None if absent or unreadable."""
        try:
            return read_json(self.files[name], _MAX_CONFIG) if name in self.files else None
        except DocumentError as error:
            self.warnings.append(str(error))
            return None

    def card(self) -> tuple[ModelCard, str]:
        """The first README that has front matter, and its name."""
        names = sorted(filter(_README.fullmatch, self.files), key=lambda name: (name.lower() != "readme.md", name))
        for name in names:
            try:
                card = parse_card(read_head(self.files[name], MAX_README), name)
            except DocumentError as error:
                self.warnings.append(str(error))
                continue
            if card is not None:
                return card, name
        return ModelCard(), ""

    def licenses(self) -> tuple[Fact, ...]:
        """The licences whose texts lie in the top folder, as one fact."""
        names = [name for name in self.files if _LICENSE.fullmatch(name)][:_MAX_LICENSES]
        heads = {name: read_head(self.files[name], MAX_LICENSE).decode("utf-8", "replace") for name in names}
        known = {name: license_ for name, head in heads.items() if (license_ := recognise(head))}
        return facts(f"{', '.join(known)} text", licenses=tuple(dict.fromkeys(known.values())))


def _folder(folder: Path | None) -> tuple[Fact, ...]:
    """A snapshot in the Hugging Face cache says whose, what and which revision; any other folder has a name."""
    if folder is None:
        return ()
    if match := _HUB_CACHE.search(folder.as_posix()):
        owner, name, revision = match["owner"], match["name"], match["revision"]
        url = f"https://huggingface.co/{owner}/{name}"
        return facts("Hugging Face cache folder", name=text(name), source_url=text(url), revision=revision)
    return facts("folder name", name=text(folder.name))


def _measured(weights: Weights | None, described: Iterable[Fact]) -> tuple[Fact, ...]:
    """What headers say for certain. Quantized weights packed into integers have the precision of what is not packed, and a
    parameter count that cannot be told.
    """
    if weights is None:
        return ()
    said_format = facts(weights.source if weights.dtypes else f"{weights.files[0]} file", format=weights.format)
    if not weights.dtypes:
        return said_format
    if _is_packed(weights, described):
        return (*said_format, *facts(weights.source, precision=weights.floating))
    return (
        *said_format,
        *facts(weights.source, param_size=param_size(weights.parameters), precision=weights.precision),
    )


def _is_packed(weights: Weights, described: Iterable[Fact]) -> bool:
    return weights.format != "gguf" and weights.packed and any(fact.field == "quantization" for fact in described)


def _packed(weights: Weights | None, chosen: Mapping[str, Fact]) -> tuple[str, ...]:
    if weights is None or not _is_packed(weights, chosen.values()):
        return ()
    return (f"the {chosen['quantization'].value} weights are packed into integers: param_size cannot be counted",)


def _settings(config: object, quantizer: object, weights: Weights | None) -> tuple[Fact, ...]:
    """What the JSON files say. Beside a GGUF file they describe the model that it was made from: not these weights."""
    said = settings_facts(config, "config.json") if isinstance(config, dict) else ()
    if isinstance(quantizer, dict):
        said += modelopt_facts(quantizer, "hf_quant_config.json")
    if weights is not None and weights.format == "gguf":
        return tuple(fact for fact in said if fact.field not in {"precision", "quantization"})
    return said


def _gguf_network(weights: Weights | None) -> tuple[Fact, ...]:
    keys = _gguf_keys(weights)
    if weights is None or not keys:
        return ()
    architecture = text(keys.get("general.architecture"))
    heads = keys.get(f"{architecture}.attention.head_count")
    return (
        *facts(f"{weights.source} general.file_type", quantization=weights.quantization),
        *facts(f"{weights.source} general.architecture", family=architecture),
        *facts(f"{weights.source} attention.head_count", architecture="transformer" if heads else None),
    )


def _gguf_general(weights: Weights | None) -> tuple[Fact, ...]:
    keys = _gguf_keys(weights)
    if weights is None or not keys:
        return ()
    languages = tuple(code for code in texts(keys.get("general.languages")) if re.fullmatch("[a-z]{2}", code))
    return facts(
        f"{weights.source} general keys",
        name=text(keys.get("general.name")),
        title=text(keys.get("general.name")),
        description=text(keys.get("general.description"), MAX_TEXT),
        version=text(keys.get("general.version")),
        authors=texts(keys.get("general.author")),
        vendor=text(keys.get("general.organization")),
        doc_url=text(keys.get("general.url")),
        source_url=text(keys.get("general.source.url")) or text(keys.get("general.source.repo_url")),
        licenses=tuple(filter(None, map(spdx, texts(keys.get("general.license"))))),
        languages=languages,
    )


def _gguf_keys(weights: Weights | None) -> JSONObject:
    return weights.metadata if weights is not None and weights.format == "gguf" else {}


def _card(card: ModelCard, source: str) -> tuple[Fact, ...]:
    inputs, outputs = MODALITIES.get(card.pipeline_tag, ((), ()))
    flags = {_TAGS[tag]: True for tag in card.tags if tag in _TAGS}
    return (
        *facts(source, licenses=card.licenses, languages=card.languages, **flags),
        *facts(f"{source} pipeline_tag", input_types=inputs, output_types=outputs),
    )


def _sentence_transformers(reader: _Reader) -> tuple[Fact, ...]:
    if "config_sentence_transformers.json" not in reader.files:
        return ()
    return facts("config_sentence_transformers.json", input_types=EMBEDDING[0], output_types=EMBEDDING[1])


def _disagreement(chosen: Mapping[str, Fact], found: Iterable[Fact]) -> tuple[str, ...]:
    said = chosen.get("licenses")
    return tuple(
        f"{said.source} says {_join(said)}, but {fact.source} is {_join(fact)}"
        for fact in found
        if said is not None and not set(_values(fact)) & set(_values(said))
    )


def _values(fact: Fact) -> tuple[str, ...]:
    return fact.value if isinstance(fact.value, tuple) else ()


def _join(fact: Fact) -> str:
    return ", ".join(_values(fact))
