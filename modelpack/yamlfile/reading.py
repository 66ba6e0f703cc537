"""From text to a tree (YAML 1.2, without tags, aliases, several documents, keys that stand twice)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from modelpack.errors import DocumentError

if TYPE_CHECKING:
    import yaml

Tree: TypeAlias = "str | int | bool | list[Tree] | dict[str, Tree] | None"

MAX_EVENTS = 100_000
MAX_NESTING = 16
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


def load_yaml(text: str, document: str, *, typed: bool = True) -> Tree:
    """Read a YAML file. With ``typed``, plain ``true``, ``false``, ``null`` and integers are what they look like (YAML 1.2, core
    schema; ``no`` is a word, and so is ``1.0``); without, every scalar is text.

    Raises DocumentError; ``document`` stands in its message.
    """
    import yaml

    build = _Builder(document, _typed if typed else _text)
    try:
        return build.tree(yaml.parse(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise DocumentError(document, f"line {mark.line + 1}" if mark else "", f"not YAML: {reason}") from None
    except (ValueError, OverflowError):  # PyYAML's own slips: `"\\UFFFFFFFF"`, a version of five thousand digits
        raise DocumentError(document, "", "not YAML: a number that is out of range") from None


def _typed(event: yaml.ScalarEvent) -> Tree:
    value: str = event.value
    if event.style is not None:
        return value
    if value in _WORDS:
        return _WORDS[value]
    return int(value) if _INTEGER.fullmatch(value) else value


def _text(event: yaml.ScalarEvent) -> Tree:
    value: str = event.value
    return value


class _Builder:
    """Puts the tree together from the parser's events, so that nothing large or looped is ever built."""

    def __init__(self, document: str, scalar: Callable[[yaml.ScalarEvent], Tree]) -> None:
        self._document = document
        self._scalar = scalar
        self._root: list[Tree] = []
        self._open: list[list[Tree] | dict[str, Tree]] = []
        self._keys: list[str | None] = []

    def tree(self, events: Iterable[yaml.Event]) -> Tree:
        import yaml

        documents = 0
        for count, event in enumerate(events):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if len(self._open) > MAX_NESTING or count > MAX_EVENTS or documents > 1:
                raise DocumentError(self._document, "", "nested too deeply, too long, or more than one document")
            self._check(event)
            self._take(event)
        return self._root[0] if self._root else None

    def _check(self, event: yaml.Event) -> None:
        """Refuse what would be lost, or what no file name and no UTF-8 document can hold."""
        if getattr(event, "tag", None) is not None:
            self._fail(event, "tags are not allowed")
        if _SURROGATE.search(getattr(event, "value", "")):
            self._fail(event, "text holds half a surrogate pair")

    def _take(self, event: yaml.Event) -> None:
        import yaml

        match event:
            case yaml.AliasEvent():
                self._fail(event, "aliases are not allowed")
            case yaml.ScalarEvent():
                self._add(self._scalar(event), event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._keys.pop()

    def _begin(self, collection: list[Tree] | dict[str, Tree], event: yaml.Event) -> None:
        self._add(collection, event)
        self._open.append(collection)
        self._keys.append(None)

    def _add(self, value: Tree, event: yaml.Event) -> None:
        import yaml

        parent = self._open[-1] if self._open else self._root
        if isinstance(parent, list):
            parent.append(value)
            return
        key = self._keys[-1]
        if key is not None:
            parent[key] = value
            self._keys[-1] = None
            return
        # A key is text as written: `on` and `1` are not turned into something else.
        if not isinstance(event, yaml.ScalarEvent) or event.value in parent:
            self._fail(event, "a key stands twice or is not text")
        self._keys[-1] = event.value

    def _fail(self, event: yaml.Event, reason: str) -> NoReturn:
        place = f"line {event.start_mark.line + 1}" if event.start_mark else ""
        raise DocumentError(self._document, place, reason)
