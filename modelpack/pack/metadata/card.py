"""The model card: YAML between ``---`` lines at the top of README.md (Hugging Face, "Model Cards")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from modelpack.errors import DocumentError
from modelpack.pack.metadata.facts import text, texts
from modelpack.pack.metadata.licenses import spdx

MAX_README = 1 << 20
"""Bytes of the file's beginning that are looked at; the longest real front matter (benchmark results) has a tenth."""

_MAX_DEPTH = 32
_LANGUAGE = re.compile(r"[a-z]{2}")
_NULLS = frozenset({"null", "Null", "NULL", "~"})

Node: TypeAlias = "str | list[Node] | dict[str, Node]"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the front matter says, in its own words, except ``licenses`` (SPDX) and ``languages`` (two letters only).

    ``base_model_relation`` is "adapter", "finetune", "merge", "quantized", or ``""``.
    """

    licenses: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    base_model_relation: str = ""
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pipeline_tag: str = ""
    library_name: str = ""


def parse_card(readme: bytes, document: str) -> ModelCard | None:
    """Read a model card; None if there is no front matter. Raises DocumentError."""
    matter = _front_matter(readme.decode("utf-8", "replace"))
    if matter is None:
        return None
    try:
        root = parse_yaml(matter)
    except ValueError as error:
        raise DocumentError(document, "front matter", text(str(error))) from None
    if not isinstance(root, dict):
        raise DocumentError(document, "front matter", "keys and values are expected")
    languages = (code.lower() for code in texts(root.get("language") or root.get("languages")))
    return ModelCard(
        licenses=_licenses(root),
        languages=tuple(code for code in dict.fromkeys(languages) if _LANGUAGE.fullmatch(code)),
        base_models=texts(root.get("base_model")),
        base_model_relation=text(root.get("base_model_relation")),
        datasets=texts(root.get("datasets")),
        tags=texts(root.get("tags")),
        pipeline_tag=text(root.get("pipeline_tag")),
        library_name=text(root.get("library_name")),
    )


def parse_yaml(source: str) -> Node:
    """YAML as texts, lists and mappings only: "no" stays the language it is. Aliases, which can make a small file huge, are
    refused, and so is depth. Raises ValueError with a reason.
    """
    import yaml

    try:
        return _tree(yaml.parse(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"not YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, OverflowError):
        raise ValueError("not YAML: a character that it does not allow") from None


def _tree(events: Iterable[object]) -> Node:
    import yaml

    stack: list[list[Node]] = [[]]
    for event in events:
        match event:
            case yaml.AliasEvent():
                raise ValueError("aliases are not read")
            case yaml.ScalarEvent():
                stack[-1].append("" if event.value in _NULLS else event.value)
            case yaml.CollectionStartEvent():
                if len(stack) > _MAX_DEPTH:
                    raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
                stack.append([])
            case yaml.SequenceEndEvent():
                items = stack.pop()
                stack[-1].append(items)
            case yaml.MappingEndEvent():
                items = stack.pop()
                pairs = zip(items[::2], items[1::2], strict=True)
                stack[-1].append({key: value for key, value in pairs if isinstance(key, str)})
    return stack[0][0] if stack[0] else ""


def _front_matter(readme: str) -> str | None:
    lines = readme.lstrip("\ufeff\r\n").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number])
    return None


def _licenses(root: dict[str, Node]) -> tuple[str, ...]:
    """``license: other`` sends the reader to ``license_name``."""
    named = [spdx(name) for name in texts(root.get("license"))]
    if not any(named):
        named = [spdx(text(root.get("license_name")))]
    return tuple(dict.fromkeys(filter(None, named)))
