"""Read a Modelfile, as modctl does (pkg/modelfile/parser), but count lines from 1 and keep ``DATASET``.

A line is a command, one blank or more, and one argument, which double quotes and backslashes may protect. Lines that begin with
``#`` are comments.
"""

from __future__ import annotations

import re
from pathlib import Path

from modelpack.errors import DocumentError
from modelpack.oci import Kind
from modelpack.pack.files import read_text
from modelpack.pack.recipes.recipe import MAX_RECIPE, MAX_WANTS, Recipe, Want, clean_path
from modelpack.paths import has_wildcard

_KINDS = {
    "CONFIG": Kind.CONFIG,
    "MODEL": Kind.WEIGHT,
    "CODE": Kind.CODE,
    "DATASET": Kind.DATASET,
    "DOC": Kind.DOC,
}
_FIELDS = {
    "NAME": "name",
    "ARCH": "architecture",
    "FAMILY": "family",
    "FORMAT": "format",
    "PARAMSIZE": "param_size",
    "PRECISION": "precision",
    "QUANTIZATION": "quantization",
}
_ARGUMENT = re.compile(r'(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+')
_PIECE = re.compile(r'\\(.)|"((?:[^"\\]|\\.)*)"|([^"\\]+)')


def read_modelfile(path: Path) -> Recipe:
    """Read a Modelfile. Raises InputError (no such file), DocumentError (with the line)."""
    return parse_modelfile(read_text(path, "Modelfile", MAX_RECIPE))


def parse_modelfile(text: str) -> Recipe:
    """Read the text of a Modelfile. Raises DocumentError (with the line)."""
    wants: dict[tuple[str, str], Want] = {}
    said: dict[str, str | tuple[str, ...]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"line {number}"
        command, argument = _split(line.strip(), place)
        if command in _KINDS:
            wants.setdefault((command, argument), _want(_KINDS[command], argument, place))
        elif command and _FIELDS[command] in said:
            raise DocumentError("Modelfile", place, f"a second {command}")
        elif command:
            said[_FIELDS[command]] = argument
    if len(wants) > MAX_WANTS:
        raise DocumentError("Modelfile", "", f"{len(wants)} files and patterns are more than the {MAX_WANTS} allowed")
    return Recipe(tuple(wants.values()), said)


def _split(line: str, place: str) -> tuple[str, str]:
    """Command (upper case) and argument; two empty texts for a line without a command."""
    if not line or line.startswith("#"):
        return "", ""
    word, _, rest = line.partition(" ")
    command = word.upper()
    if command not in _KINDS and command not in _FIELDS:
        raise DocumentError(
            "Modelfile", place, f"{word[:40]!r} is not a command", hint=f"known: {', '.join((*_KINDS, *_FIELDS))}"
        )
    arguments = rest.strip()
    match = _ARGUMENT.fullmatch(arguments)
    if match is None:
        raise DocumentError(
            "Modelfile",
            place,
            f"{command} takes exactly one argument",
            hint='write "…" around a name with spaces; a comment needs a line of its own',
        )
    value = _unquoted(arguments)
    if not value:
        raise DocumentError("Modelfile", place, f"the argument of {command} is empty")
    return command, value


def _unquoted(argument: str) -> str:
    return "".join(
        escaped or re.sub(r"\\(.)", r"\1", quoted) or plain for escaped, quoted, plain in _PIECE.findall(argument)
    )


def _want(kind: Kind, argument: str, place: str) -> Want:
    path = clean_path(argument, "Modelfile", place)
    return Want(path, kind, f"Modelfile {place}", pattern=has_wildcard(path))
