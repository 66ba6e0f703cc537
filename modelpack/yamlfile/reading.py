"""From text to a tree (YAML 1.2, without tags and keys that stand twice; aliases and several documents on request)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from modelpack.errors import DocumentError

if TYPE_CHECKING:
    import yaml

Tree: TypeAlias = "str | int | bool | list[Tree] | dict[str, Tree] | None"

MAX_EVENTS = 100_000
MAX_NESTING = 16
MAX_STREAM = 1_000_000
"""Events of a stream of documents, which other programs write."""

MAX_STREAM_NESTING = 64
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


def load_yaml(text: str, document: str, *, typed: bool = True) -> Tree:
    """Read a YAML file. With ``typed``, plain ``true``, ``false``, ``null`` and integers are what they look like (YAML 1.2, core
    schema; ``no`` is a word, and so is ``1.0``); without, every scalar is text.

    Raises DocumentError; ``document`` stands in its message.
    """
    build = _Builder(document, _typed if typed else _text, most=MAX_EVENTS)
    return next(_documents(text, document, build), None)


def load_yaml_stream(text: str, document: str) -> Iterator[Tree]:
    """The documents of a YAML stream as Kubernetes' tools write it; every scalar is text. An alias gives the very object that
    its anchor has: who walks over them counts his steps, since nine aliases of nine aliases are many.

    Raises DocumentError.
    """
    build = _Builder(document, _text, most=MAX_STREAM, nesting=MAX_STREAM_NESTING, stream=True)
    return _documents(text, document, build, fast=True)


def _documents(text: str, document: str, build: _Builder, *, fast: bool = False) -> Iterator[Tree]:
    """With ``fast``, libyaml parses if it is there: the same events, ten times as fast, with other words for what is wrong."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader) if fast else yaml.BaseLoader
    try:
        yield from build.trees(yaml.parse(text, Loader=loader))
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

    def __init__(
        self,
        document: str,
        scalar: Callable[[yaml.ScalarEvent], Tree],
        *,
        most: int,
        nesting: int = MAX_NESTING,
        stream: bool = False,
    ) -> None:
        self._document = document
        self._scalar = scalar
        self._most = most
        self._nesting = nesting
        self._stream = stream
        self._anchors: dict[str, Tree] = {}
        self._root: list[Tree] = []
        self._open: list[list[Tree] | dict[str, Tree]] = []
        self._keys: list[str | None] = []

    def trees(self, events: Iterable[yaml.Event]) -> Iterator[Tree]:
        """Each document; where only one is allowed, when all was read."""
        import yaml

        documents = 0
        for count, event in enumerate(events):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if len(self._open) > self._nesting or count > self._most or (documents > 1 and not self._stream):
                raise DocumentError(self._document, "", self._excess())
            self._check(event)
            self._take(event)
            if self._stream and isinstance(event, yaml.DocumentEndEvent):
                yield self._root.pop()
                self._anchors.clear()
        if self._root:
            yield self._root[0]

    def _excess(self) -> str:
        return (
            "nested too deeply, or too long"
            if self._stream
            else "nested too deeply, too long, or more than one document"
        )

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
                self._add(self._aliased(event), event)
            case yaml.ScalarEvent():
                self._add(self._scalar(event), event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._keys.pop()

    def _aliased(self, event: yaml.AliasEvent) -> Tree:
        if not self._stream:
            self._fail(event, "aliases are not allowed")
        name = event.anchor or ""
        found = self._anchors.get(name)
        if name not in self._anchors or any(found is collection for collection in self._open):
            self._fail(event, "an alias of nothing, or of what it stands in")
        return found

    def _begin(self, collection: list[Tree] | dict[str, Tree], event: yaml.Event) -> None:
        self._add(collection, event)
        self._open.append(collection)
        self._keys.append(None)

    def _add(self, value: Tree, event: yaml.Event) -> None:
        import yaml

        anchor = getattr(event, "anchor", None)
        if anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[anchor] = value
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
