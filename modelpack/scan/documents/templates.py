"""Chat templates: Jinja programs, parsed to a syntax tree and never rendered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.scan.looking import Look

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_LARGE = 256 << 10
_TOO_LARGE = 2 << 20
_FILTERS = frozenset({"tojson"})
_DANGEROUS_FILTERS = frozenset(
    {"attr", "map", "groupby", "sort", "sum", "unique", "min", "max", "selectattr", "rejectattr"}
)
"""``attr`` and those that take the name of an attribute."""

_DANGEROUS_NAMES = frozenset(
    {
        *(
            "builtins",
            "config",
            "compile",
            "eval",
            "exec",
            "get_flashed_messages",
            "getattr",
            "globals",
            "import",
            "importlib",
        ),
        *("locals", "open", "os", "request", "self", "session", "setattr", "subprocess", "sys", "url_for", "vars"),
    }
)
_OF_JINJA = frozenset({"cycler", "joiner", "lipsum"})
"""Functions that every engine has, and whose own globals lead to all of Python."""

_CALLABLE = frozenset(
    {"dict", "enumerate", "int", "len", "namespace", "raise_exception", "range", "str", "strftime_now", "tojson", "zip"}
)


def scan_template(look: Look, text: str, place: str) -> None:
    """Look at a template. Without ``jinja2`` it is reported as not checked."""
    if len(text) > _LARGE:
        look.report("SCAN-TEMPLATE-SIZE", f"a template of {len(text)} characters", place)
    if len(text) > _TOO_LARGE:
        look.report("SCAN-LIMIT", "too large to be parsed", place)
        return
    try:
        environment = _environment()
    except ImportError:
        look.report("SCAN-UNCHECKED", "a chat template; jinja2 is not installed", place)
        return
    try:
        _judge(look, environment, environment.parse(text), place)
    except Exception as error:  # noqa: BLE001  # the parser of hostile text may fail in any way, and is not ours
        look.report("SCAN-TEMPLATE-BROKEN", f"{type(error).__name__}: {error}"[:200], place)


def _environment() -> Environment:
    """Parses what engines of chat templates know: loop controls, ``do``, and the ``generation`` blocks of transformers."""
    from jinja2 import Environment
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        """``{% generation %} … {% endgeneration %}`` marks what an assistant said; its body is as usual."""

        tags = {"generation"}  # noqa: RUF012  # as the base class has it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            """Parse to the end of the block."""
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    # Nothing is rendered, so escaping does not matter.
    return Environment(  # noqa: S701
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", Generation], trim_blocks=True, lstrip_blocks=True
    )


def _judge(look: Look, environment: Environment, tree: nodes.Template, place: str) -> None:
    from jinja2 import nodes

    names = list(tree.find_all(nodes.Name))
    loaded, stored = ({node.name for node in names if (node.ctx == "load") is load} for load in (True, False))
    called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
    stored |= {macro.name for macro in tree.find_all(nodes.Macro)}
    # Jinja's own analysis would compile the template, and that computes its constants: {{ "a" * 10 ** 10 }}.
    dangerous = {name for name in loaded if name.startswith("_") or name in _OF_JINJA} | (
        loaded - stored
    ) & _DANGEROUS_NAMES
    for reason in _dangers(tree):
        look.report("SCAN-TEMPLATE-UNSAFE", reason, place)
    for name in sorted(dangerous):
        look.report("SCAN-TEMPLATE-UNSAFE", f"the name {name}", place)
    for name in sorted(called - stored - dangerous - _CALLABLE):
        look.report("SCAN-TEMPLATE-UNKNOWN", f"the function {name}", place)
    for found in tree.find_all((nodes.Filter, nodes.Test)):
        known = environment.filters.keys() | _FILTERS if isinstance(found, nodes.Filter) else environment.tests.keys()
        if found.name not in known:
            look.report("SCAN-TEMPLATE-UNKNOWN", f"the {type(found).__name__.lower()} {found.name}", place)


def _dangers(tree: nodes.Template) -> Iterator[str]:
    from jinja2 import nodes

    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Getattr(attr=name) if name.startswith("_") or name in ("format", "format_map", "mro"):
                if name != "format" or not _is_plain_format(node.node):
                    yield f"the attribute {name}"
            case nodes.Getitem(arg=nodes.Const(value=str(key))) if key.startswith("_"):
                yield f"the member {key}"
            case nodes.Getitem(arg=nodes.Add() | nodes.Concat() | nodes.Filter() | nodes.Mod()) if _builds_text(
                node.arg
            ):
                yield "a member whose name is computed"
            case nodes.Const(value=str(text)) if "__" in text and _looks_internal(text):
                yield f"the text {text[:60]!r}"
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                yield f"{type(node).__name__.lower()} of another template"
            case nodes.Filter(name=name) if name in _DANGEROUS_FILTERS:
                yield from _attribute_danger(node)


def _is_plain_format(node: nodes.Node) -> bool:
    """``"{}: {}".format(…)`` reaches no attributes; ``"{0.x}"`` does."""
    from jinja2 import nodes

    return isinstance(node, nodes.Const) and not any(sign in str(node.value) for sign in (".", "["))


def _looks_internal(text: str) -> bool:
    """``__class__`` and the like, or ``{0.__x``; not ``<__media__>``, which some templates have as a marker."""
    return text.strip("_ .{}0123456789[]()'\"").isidentifier() and (
        text.startswith("__") or ".__" in text or "['__" in text
    )


def _builds_text(node: nodes.Node) -> bool:
    """Whether a computed key has text in it, so that it could become any name. Numbers are how lists are read."""
    from jinja2 import nodes

    return any(isinstance(part.value, str) for part in node.find_all(nodes.Const)) or isinstance(
        node, nodes.Concat | nodes.Filter
    )


def _attribute_danger(node: nodes.Filter) -> Iterator[str]:
    """A filter that gets an attribute by a name: fine as long as the name is plain text without underscores in front."""
    from jinja2 import nodes

    if node.name == "attr":
        yield "the filter attr"
        return
    named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    if node.name in ("selectattr", "rejectattr"):
        named += node.args[:1]
    if node.name == "map" and node.args and isinstance(node.args[0], nodes.Const) and node.args[0].value == "attr":
        yield "the filter attr, through map"
    for value in named:
        text = value.value if isinstance(value, nodes.Const) else None
        if not isinstance(text, str | int) or any(part.startswith("_") for part in str(text).split(".")):
            yield f"the filter {node.name} with the name of an attribute that is computed or begins with an underscore"
