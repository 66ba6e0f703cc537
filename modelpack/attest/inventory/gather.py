"""Gather the inventory of a stored model: a manifest, a configuration, headers by ranges, small files whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from modelpack.attest.inventory.files import LICENSE, README, Contents, list_files, parsed
from modelpack.attest.inventory.model import ChatTemplate, Inventory, InventoryFile, Origin, TensorSummary
from modelpack.attest.inventory.origins import adapter_origins, card_origins, digest_of, gguf_origins, merged
from modelpack.errors import DocumentError
from modelpack.formats import ModelFile, check_shards
from modelpack.oci import Descriptor, Digest, JSONObject, Kind, Reference
from modelpack.pack.metadata import ModelCard
from modelpack.pack.metadata.card import parse_card
from modelpack.pack.metadata.facts import text
from modelpack.pack.metadata.license_text import recognise
from modelpack.store import Store, each
from modelpack.unpack import LayerEntry, contents, layer_header, model_config, model_manifest

_MAX_TEMPLATES = 64


def inventory(
    store: Store,
    descriptor: Descriptor,
    *,
    reference: str | Reference = "",
    headers: bool | Mapping[str, ModelFile] = True,
    card: bool = True,
    jobs: int = 4,
    files: Mapping[str, Digest] | None = None,
    sha512: Mapping[str, str] | None = None,
    base_models: Iterable[Origin] = (),
    datasets: Iterable[Origin] = (),
) -> Inventory:
    """Look at a model without its weights. ``reference`` is where it was found. With ``headers``, a few kilobytes of each
    weight file are read (unverified), unless they are given by path; with ``card``, small text files are read whole
    (verified), and small archives.

    ``files`` are the digests of single files, also of those in archives (``Packed.files``); ``sha512`` are hashes in hex by
    path; ``base_models`` and ``datasets`` are what the caller knows, which counts before what files say.

    Raises UnsupportedFormat (no model), DocumentError (a manifest), UnsafePath, InvalidReference, and the store's errors.
    """
    manifest = model_manifest(store, descriptor)
    _, config, problems = model_config(store, manifest)
    entries = contents(manifest)
    listed = list_files(store, entries, files or {}, read=card)
    warnings = [*problems, *listed.warnings]
    heads = _headers(store, entries, jobs, warnings) if headers is True else (headers or {})
    told_card, card_source = _card(listed.small, warnings)
    bases, sets = _origins(listed.small, heads, told_card, card_source, warnings)
    settings = parsed(listed.small.get("config.json"), "config.json", warnings)
    return Inventory(
        descriptor=manifest.descriptor,
        reference=_place(reference, manifest.descriptor.digest),
        artifact_type=manifest.artifact_type,
        config=config,
        files=_described(listed, heads, sha512 or {}),
        card=told_card,
        chat_templates=_templates(listed.small, heads, warnings),
        licenses=config.licenses or told_card.licenses,
        license_source="configuration" if config.licenses else card_source if told_card.licenses else "",
        license_text=_license_texts(listed.small),
        base_models=merged((*base_models, *bases)),
        datasets=merged((*datasets, *sets)),
        config_family=text(settings.get("model_type")),
        model_class=_model_class(settings),
        files_known=listed.known,
        shard_problems=_shards(listed.small, heads),
        warnings=tuple(warnings),
    )


def _place(reference: str | Reference, digest: Digest) -> Reference | None:
    where = Reference.parse(reference) if isinstance(reference, str) and reference else reference
    return where.pinned(digest) if isinstance(where, Reference) else None


def _headers(store: Store, entries: tuple[LayerEntry, ...], jobs: int, warnings: list[str]) -> dict[str, ModelFile]:
    weights = [entry for entry in entries if entry.is_file and entry.kind is Kind.WEIGHT]

    def header(entry: LayerEntry) -> ModelFile | str | None:
        try:
            return layer_header(store, entry)
        except DocumentError as error:
            return str(error)

    found = dict(zip((entry.path for entry in weights), each(header, weights, jobs), strict=True))
    warnings += [sentence for sentence in found.values() if isinstance(sentence, str)]
    return {path: head for path, head in found.items() if isinstance(head, ModelFile)}


def _card(small: Mapping[str, bytes], warnings: list[str]) -> tuple[ModelCard, str]:
    """The first README with front matter, and its name."""
    names = filter(README.fullmatch, small)
    for name in sorted(names, key=lambda name: (name.lower() != "readme.md", name)):
        try:
            found = parse_card(small[name], name)
        except DocumentError as error:
            warnings.append(str(error))
            continue
        if found is not None:
            return found, name
    return ModelCard(), ""


def _origins(
    small: Mapping[str, bytes], heads: Mapping[str, ModelFile], card: ModelCard, source: str, warnings: list[str]
) -> tuple[tuple[Origin, ...], tuple[Origin, ...]]:
    bases, sets = card_origins(card, source)
    name = "adapter_config.json"
    bases += adapter_origins(parsed(small.get(name), name, warnings), name)
    for path, head in heads.items():
        if head.format == "gguf":
            more, data = gguf_origins(head.metadata, path)
            bases, sets = bases + more, sets + data
    return bases, sets


def _described(
    listed: Contents, heads: Mapping[str, ModelFile], sha512: Mapping[str, str]
) -> tuple[InventoryFile, ...]:
    return tuple(
        replace(file, sha512=sha512.get(file.path, file.sha512), tensors=_summary(heads.get(file.path)))
        for file in listed.files
    )


def _summary(head: ModelFile | None) -> TensorSummary | None:
    return TensorSummary(head.format, head.parameters, dict(head.dtypes), head.quantization) if head else None


def _templates(
    small: Mapping[str, bytes], heads: Mapping[str, ModelFile], warnings: list[str]
) -> tuple[ChatTemplate, ...]:
    found = [ChatTemplate(path, "", Digest.of(data)) for path, data in small.items() if path.endswith(".jinja")]
    for path in ("tokenizer_config.json", "chat_template.json"):
        found += _inside(path, parsed(small.get(path), path, warnings))
    for path, head in heads.items():
        found += _inside(path, _gguf_templates(head.metadata) if head.format == "gguf" else {})
    return tuple(sorted(found, key=lambda item: item.name)[:_MAX_TEMPLATES])


def _gguf_templates(keys: JSONObject) -> dict[str, Any]:
    start = "tokenizer.chat_template"
    return {key: value for key, value in keys.items() if key == start or key.startswith(f"{start}.")}


def _inside(path: str, document: Mapping[str, Any]) -> list[ChatTemplate]:
    """Templates in a document: one text, or a list of texts with names (transformers has both)."""
    found: list[ChatTemplate] = []
    for key, value in document.items():
        if not key.startswith(("chat_template", "tokenizer.chat_template")):
            continue
        if isinstance(value, str):
            found.append(ChatTemplate(path, text(key), digest_of(value)))
        items = value[:_MAX_TEMPLATES] if isinstance(value, list) else []
        found += [
            ChatTemplate(path, f"{text(key)}.{text(item.get('name'))}", digest_of(item["template"]))
            for item in items
            if isinstance(item, dict) and isinstance(item.get("template"), str)
        ]
    return found


def _license_texts(small: Mapping[str, bytes]) -> tuple[str, ...]:
    texts = (data.decode("utf-8", "replace") for path, data in sorted(small.items()) if LICENSE.fullmatch(path))
    return tuple(dict.fromkeys(filter(None, map(recognise, texts))))


def _model_class(settings: Mapping[str, Any]) -> str:
    names = settings.get("architectures")
    return text(names[0]) if isinstance(names, list) and names else ""


def _shards(small: Mapping[str, bytes], heads: Mapping[str, ModelFile]) -> tuple[str, ...]:
    """What is wrong between an index and the shards beside it; nothing if no header was read."""
    found: list[str] = []
    for path, data in sorted(small.items()):
        if path.endswith(".safetensors.index.json") and heads:
            stem = path.removesuffix(".safetensors.index.json")
            shards = {name: head for name, head in heads.items() if "/" not in name and name.startswith(f"{stem}-")}
            try:
                found += (f"{path}: {problem}" for problem in check_shards(data, shards))
            except DocumentError as error:
                found.append(f"{path}: {error}")
    return tuple(found)
