"""What a model was made from, as its own files write it: Hub names, URLs, references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from modelpack.attest.inventory.model import Origin
from modelpack.errors import InvalidReference
from modelpack.oci import Digest, JSONObject, Reference
from modelpack.pack.metadata import ModelCard
from modelpack.pack.metadata.facts import text

HUB = "https://huggingface.co"
RELATIONS = frozenset({"finetune", "adapter", "merge", "quantized"})
MAX_ORIGINS = 256
"""Base models or data sets that are listed of one model."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}|[A-Za-z0-9][\w.-]{0,95}")
_HUB_URL = re.compile(
    r"(?:https?://huggingface\.co/|hf://)(datasets/)?([^?#@\s]+?)(?:(?:/(?:tree|resolve)/|@)([^/\s]+))?/?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@]*[^\s]*")


def origin(written: str, *, dataset: bool = False, relation: str = "", source: str = "", revision: str = "") -> Origin:
    """Where something is, from how it is written: ``org/name``, a Hub URL, ``hf://…@commit``, ``oci://…@sha256:…``, a
    reference with a digest, or another URL. What is none of these is kept as a name without a place.
    """
    words = text(written, 512)
    commit = revision if _COMMIT.fullmatch(revision) else ""
    kind = relation if relation in RELATIONS else ""
    if match := _HUB_URL.fullmatch(words):
        return _hub(match[2], bool(match[1]), match[3] or "", commit, kind, source) or Origin(
            words, "", commit, None, kind, source
        )
    if _DIGEST.search(words) or words.startswith("oci://"):
        return _registry(words, kind, source)
    if _HUB_NAME.fullmatch(words) and (found := _hub(words, dataset, "", commit, kind, source)):
        return found
    place = without_login(words) if _SCHEME.fullmatch(words) else ""
    return Origin(place or words, place, commit, None, kind, source)


def without_login(url: str) -> str:
    """A URL without the user and password that it may hold."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def card_origins(card: ModelCard, source: str) -> tuple[tuple[Origin, ...], tuple[Origin, ...]]:
    """Base models and data sets of a model card."""
    relation = card.base_model_relation.lower()
    bases = (origin(name, relation=relation, source=source) for name in card.base_models[:MAX_ORIGINS])
    sets = (origin(name, dataset=True, source=source) for name in card.datasets[:MAX_ORIGINS])
    return tuple(bases), tuple(sets)


def adapter_origins(settings: Mapping[str, Any], source: str) -> tuple[Origin, ...]:
    """The base model of a PEFT adapter (``adapter_config.json``)."""
    name, revision = text(settings.get("base_model_name_or_path")), text(settings.get("revision"))
    return (origin(name, relation="adapter", source=source, revision=revision),) if name else ()


def gguf_origins(keys: JSONObject, source: str) -> tuple[tuple[Origin, ...], tuple[Origin, ...]]:
    """Base models and data sets of a GGUF file (``general.base_model.0.…``, ``general.dataset.0.…``)."""
    return _gguf(keys, "base_model", source), _gguf(keys, "dataset", source)


def merged(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """Each once, by place and name; what a later one knows more is added to the first."""
    found: dict[str, Origin] = {}
    for item in origins:
        key = (item.uri or item.name).lower()
        known = found.get(key)
        found[key] = item if known is None else _joined(known, item)
    return tuple(list(found.values())[:MAX_ORIGINS])


def _joined(first: Origin, second: Origin) -> Origin:
    return Origin(
        first.name,
        first.uri,
        first.commit or second.commit,
        first.digest or second.digest,
        first.relation or second.relation,
        first.source,
        first.licenses or second.licenses,
    )


def _gguf(keys: JSONObject, what: str, source: str) -> tuple[Origin, ...]:
    count = keys.get(f"general.{what}.count")
    found = []
    for number in range(min(count, MAX_ORIGINS) if type(count) is int else 0):
        start = f"general.{what}.{number}."
        place = text(keys.get(f"{start}repo_url")) or text(keys.get(f"{start}url"))
        name, owner = text(keys.get(f"{start}name")), text(keys.get(f"{start}organization"))
        if place or name:
            told = origin(place, dataset=what == "dataset", source=source) if place else Origin(name, source=source)
            label = told.name if told.uri.startswith(HUB) else (f"{owner}/{name}" if owner and name else name)
            found.append(Origin(label or told.name, told.uri, told.commit, told.digest, "", source))
    return tuple(found)


def _hub(path: str, dataset: bool, revision: str, commit: str, relation: str, source: str) -> Origin | None:  # noqa: FBT001  # what the pattern found
    if not _HUB_NAME.fullmatch(path):
        return None
    folder = "datasets/" if dataset else ""
    found = revision if _COMMIT.fullmatch(revision) else commit
    return Origin(path, f"{HUB}/{folder}{path}", found, None, relation, source)


def _registry(words: str, relation: str, source: str) -> Origin:
    try:
        where = Reference.parse(words.removeprefix("oci://"))
    except InvalidReference:
        return Origin(without_login(words), "", "", None, relation, source)
    if where.layout:
        return Origin(words, "", "", where.digest, relation, source)
    place = where.place
    version = f"@{where.digest}" if where.digest else f":{where.tag}" if where.tag else ""
    return Origin(place, f"oci://{place}{version}", "", where.digest, relation, source)


def digest_of(value: str) -> Digest:
    """The digest of a text in UTF-8."""
    return Digest.of(value.encode("utf-8", "surrogatepass"))
