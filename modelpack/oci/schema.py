"""Whether a document is what the ModelPack specification describes: the strict counterpart of the lenient parsers.

The schemas are those of ``schemas/`` (JSON Schema 2020-12, see the README there).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from modelpack.errors import DocumentError
from modelpack.oci.fields import member
from modelpack.oci.strictjson import JSON, loads

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MAX_PROBLEMS = 100
_SHOWN = 80
_AT_THE_VERY_END = r"(?!\n)"
"""Our patterns end so, because "$" alone lets Python (not JavaScript) accept a line end after the text."""
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}):(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_NOT_IN_IRI = re.compile(r"[\x00-\x20\x7f<>\"\\^`{|}]")
_LISTED = 12
"""Values of an enumeration that are told."""

_TYPE_NAMES = {
    "string": "a string",
    "object": "an object",
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "null": "null",
}


def validate_config(raw: bytes) -> None:
    """Raise DocumentError for the first problem of a model's configuration."""
    _raise_first(config_problems(raw))


def validate_manifest(raw: bytes) -> None:
    """Raise DocumentError for the first problem of a model's manifest."""
    _raise_first(manifest_problems(raw))


def config_problems(raw: bytes) -> tuple[DocumentError, ...]:
    """Everything in a configuration that the specification does not allow, at most ``MAX_PROBLEMS``."""
    return _problems(raw, "config")


def manifest_problems(raw: bytes) -> tuple[DocumentError, ...]:
    """Everything in a manifest that the specification does not allow, at most ``MAX_PROBLEMS``."""
    return _problems(raw, "manifest")


def schema_problems(
    value: JSON, schema: str, document: str, *, refers_to: tuple[str, ...] = ()
) -> tuple[DocumentError, ...]:
    """Everything in a parsed document that one of our schemas does not allow, at most ``MAX_PROBLEMS``.

    ``schema`` is a file in ``schemas/``; ``refers_to`` are those beside it that it names in ``$ref``.
    """
    explained = chain.from_iterable(map(_explain, _validator(schema, refers_to).iter_errors(value)))
    # The library reports each missing member on its own, and so does _explain for each report.
    found = dict.fromkeys(islice(explained, MAX_PROBLEMS))
    return tuple(DocumentError(document, path, reason) for path, reason in found)


def is_date_time(text: str) -> bool:
    """Whether a text is a date and time of RFC 3339, section 5.6, that exists in the calendar."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.fromisoformat(f"{match[1]}T{match[2]}")
    except ValueError:
        return False
    return True


def rfc3339(moment: datetime) -> str:
    """A time with a time zone as ``1970-01-01T00:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _raise_first(problems: tuple[DocumentError, ...]) -> None:
    if problems:
        raise problems[0]


def _problems(raw: bytes, document: str) -> tuple[DocumentError, ...]:
    try:
        value = loads(raw, document)
    except DocumentError as error:
        return (error,)
    return schema_problems(value, f"modelpack-{document}.schema.json", document)


@cache
def _validator(name: str, refers_to: tuple[str, ...]) -> Validator:
    from jsonschema import FormatChecker
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource

    formats = FormatChecker(formats=())
    formats.checks("date-time")(lambda value: not isinstance(value, str) or is_date_time(value))
    formats.checks("iri-reference")(lambda value: not isinstance(value, str) or not _NOT_IN_IRI.search(value))
    schema: Any = schema_document(name)
    beside: list[tuple[str, Resource[Any]]] = []
    for other in refers_to:
        resource: Resource[Any] = Resource.from_contents(schema_document(other))
        # Both by the name that stands in "$ref" and by the address that this resolves to.
        beside += [(other.rpartition("/")[2], resource), (urljoin(schema["$id"], other.rpartition("/")[2]), resource)]
    registry: Registry[Any] = Registry().with_resources(beside)
    return validator_for(schema)(schema, registry=registry, format_checker=formats)


def schema_document(name: str) -> dict[str, object]:
    """A file of ``schemas/``, from the installed package or from the checkout that an editable installation points to."""
    packaged = files("modelpack") / "_schemas" / name
    checkout = Path(__file__).parents[2] / "schemas" / name
    text = (packaged if packaged.is_file() else checkout).read_text(encoding="utf-8")
    schema: dict[str, object] = json.loads(text)
    return schema


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Path and reason, in words of our own: the library quotes the whole value, which may be long or hostile."""
    path = ""
    for step in error.absolute_path:
        path = member(path, step)
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "required":
            yield from ((member(path, name), "is missing") for name in rule if name not in value)
        case "additionalProperties":
            yield from (
                (member(path, name), "is not in the specification")
                for name in value
                if name not in schema.get("properties", {})
            )
        case "oneOf" | "anyOf" if error.context:
            yield from _explain(_nearest(error.context))
        case _:
            yield path, _reason(str(error.validator), rule, value)


def _nearest(errors: Sequence[ValidationError]) -> ValidationError:
    """Of the complaints of several forms, that of the form which fits best: whose trouble lies deepest, with no more."""
    counts = Counter(error.schema_path[0] for error in errors)
    return max(errors, key=lambda error: (len(error.absolute_path), -counts[error.schema_path[0]]))


def _reason(validator: str, rule: object, value: object) -> str:
    shown = (
        ascii(value[:_SHOWN] if isinstance(value, str) else value) if isinstance(value, str | int | float) else "this"
    )
    match validator:
        case "type":
            names = rule if isinstance(rule, list) else [rule]
            return f"{' or '.join(_TYPE_NAMES[str(name)] for name in names)} is required"
        case "const":
            return f"must be {rule!a}"
        case "enum" if isinstance(rule, list):
            return f"{shown} is none of {', '.join(map(str, rule[:_LISTED]))}{', …' if len(rule) > _LISTED else ''}"
        case "pattern":
            return f"{shown} does not have the form {str(rule).removesuffix(_AT_THE_VERY_END)}"
        case "format":
            return f"{shown} is not {'a date and time of RFC 3339' if rule == 'date-time' else f'of the form {rule}'}"
        case "uniqueItems":
            return "an entry stands twice"
        case "minItems" | "minLength":
            return "must not be empty"
        case "minimum" | "maximum":
            return f"{shown} is out of range"
    return "does not belong here"
