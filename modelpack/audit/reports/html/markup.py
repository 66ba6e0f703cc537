"""HTML and SVG by construction: text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape
from typing import Final

from modelpack.audit.reports.text import visible

_EMPTY: Final = frozenset({"input", "meta"})
_DRAWN: Final = frozenset({"path", "rect"})
"""Of SVG: these have to be closed, and may be so in themselves unless they have a title."""


class Markup(str):
    """Text that was escaped."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Escaped, with what is invisible made visible."""
    return value if isinstance(value, Markup) else Markup(escape(visible(value)))


def joined(*parts: str) -> Markup:
    """Several pieces after each other."""
    return Markup("".join(map(text, parts)))


def element(name: str, /, *children: str, **attributes: str | int | None) -> Markup:
    """An element. ``class_`` is ``class``, ``aria_label`` is ``aria-label``. None leaves an attribute out, ``""`` its value."""
    said = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{said}>")
    if name in _DRAWN and not children:
        return Markup(f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{joined(*children)}</{name}>")


def _attribute(key: str, value: str | int) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f' {name}="{text(str(value))}"' if value != "" else f" {name}"


def prose(words: str) -> Markup:
    """What stands between backticks is typed as it is."""
    parts = words.split("`")
    if len(parts) % 2 == 0:
        return text(words)
    return joined(*(element("code", part) if number % 2 else part for number, part in enumerate(parts)))
