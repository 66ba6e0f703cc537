"""What one container of a pod refers to: by its command line, and by its environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelpack.audit.workloads.found import plain_reference, short_reference
from modelpack.oci import Reference
from modelpack.yamlfile import Tree

TOOLS = frozenset({"modelpack", "kit", "modctl", "oras"})
"""Programs whose arguments are references of models."""

VERBS = frozenset({"stage", "pull", "verify", "copy", "inspect", "unpack", "prefetch", "fetch", "scan"})
"""What images that run one of these programs get as their first argument."""

_PLACED = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_NAMES = re.compile(r"(?:\w+_)?(?:MODELKIT|MODELPACK|MODEL)_(?:REF|REFERENCE|URI|URL|IMAGE)|STORAGE_URI")
_MAX_WORDS = 1000
_MAX_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class Told:
    """A reference at a ``path`` inside the container; or, with a ``reason``, why there is none."""

    path: str
    reference: Reference | None = None
    reason: str = ""


def container_references(container: Mapping[str, Tree]) -> Iterator[Told]:
    """What a container refers to. URLs in its strings are found elsewhere."""
    values = _values(container.get("env"))
    yield from _environment(container.get("env"))
    yield from _command(container, values)


def _values(env: Tree) -> dict[str, str]:
    """What is said here of the environment."""
    entries = [entry for entry in env if isinstance(entry, dict)] if isinstance(env, list) else []
    return {
        name: value
        for entry in entries
        if isinstance(name := entry.get("name"), str) and isinstance(value := entry.get("value"), str)
    }


def _environment(env: Tree) -> Iterator[Told]:
    for number, entry in enumerate(env if isinstance(env, list) else ()):
        if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str):
            continue
        if not _NAMES.fullmatch(name):
            continue
        path = f"env[{number}].value"
        if "valueFrom" in entry:
            yield Told(path, reason=f"what {name} is stands elsewhere")
        elif isinstance(value := entry.get("value"), str) and "://" not in value and (found := short_reference(value)):
            yield Told(path, found)


def _command(container: Mapping[str, Tree], values: Mapping[str, str]) -> Iterator[Told]:
    """Arguments of a known program that are references, with what Kubernetes puts in for ``$(NAME)``."""
    words = list(_words(container))
    begin = _begin(words, container.get("image"))
    for number, (path, word) in enumerate(words[begin:] if begin is not None else ()):
        text = _PLACED.sub(lambda found: values.get(found[1], found[0]), word)
        # Only the word after the verb is taken without a host: later ones may be the values of options.
        found = plain_reference(text) or (None if number else short_reference(text))
        if found:
            yield Told(path, found)
        elif not number and _PLACED.fullmatch(text):
            yield Told(path, reason="which model it is stands elsewhere")


def _words(container: Mapping[str, Tree]) -> Iterator[tuple[str, str]]:
    """The words of command and arguments with their places; scripts (``sh -c "…"``) are split as a shell does."""
    count = 0
    for key in ("command", "args"):
        listed = container.get(key)
        for number, item in enumerate(listed if isinstance(listed, list) else ()):
            for word in _split(item) if isinstance(item, str) else ():
                count += 1
                if count > _MAX_WORDS:
                    return
                yield f"{key}[{number}]", word


def _split(item: str) -> list[str]:
    if not any(character.isspace() for character in item) or len(item) > _MAX_TEXT:
        return [item]
    lexer = shlex.shlex(item, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        return list(lexer)
    except ValueError:  # a quote that nothing closes
        return item.split()


def _begin(words: list[tuple[str, str]], image: Tree) -> int | None:
    """The number of the first word that may be a reference: the one after the verb of a known program."""
    ours = isinstance(image, str) and "modelpack" in image
    for number, (_, word) in enumerate(words):
        program = word.rpartition("/")[2]
        if program in TOOLS:
            return _after_verbs(words, number + 1)
        if word in VERBS and (number == 0 or ours):
            return _after_verbs(words, number)
    return None


def _after_verbs(words: list[tuple[str, str]], number: int) -> int:
    while number < len(words) and words[number][1] in VERBS:
        number += 1
    return number
