"""One entry for all formats: what a document is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice

from modelpack.attest.statement import CYCLONEDX_BOM, SPDX_DOCUMENT, STATEMENT
from modelpack.attest.validation.bom import bom_problems
from modelpack.attest.validation.spdx import spdx_problems
from modelpack.attest.validation.statements import statement_problems
from modelpack.errors import DocumentError
from modelpack.oci import JSONObject, loads_object

MAX_DOCUMENT = 32 << 20
"""Bytes of a document that is read: a list of 20 000 files has ten million."""

MAX_PROBLEMS = 100


class DocumentKind(StrEnum):
    """The formats that are known here."""

    CYCLONEDX = "CycloneDX"
    SPDX = "SPDX"
    STATEMENT = "in-toto statement"


def parse(document: bytes) -> JSONObject:
    """A document as strict JSON. Raises DocumentError."""
    return loads_object(document, "document", limit=MAX_DOCUMENT)


def identify(value: JSONObject) -> DocumentKind | None:
    """What a parsed document says it is."""
    if value.get("bomFormat") == "CycloneDX":
        return DocumentKind.CYCLONEDX
    if value.get("_type") == STATEMENT:
        return DocumentKind.STATEMENT
    return DocumentKind.SPDX if "@graph" in value or "@context" in value else None


def problems(document: bytes) -> tuple[DocumentError, ...]:
    """Everything in a CycloneDX 1.6 or 1.7 document, an SPDX 3.0.1 document, or an in-toto v1 statement (SLSA provenance 1,
    VSA 1, SVR 0.2, or one of those documents as its predicate) that its rules do not allow; at most ``MAX_PROBLEMS``.
    """
    try:
        value = parse(document)
    except DocumentError as error:
        return (error,)
    return tuple(islice(_problems(value), MAX_PROBLEMS))


def _problems(value: JSONObject) -> Iterator[DocumentError]:
    kind = identify(value)
    if kind is DocumentKind.CYCLONEDX:
        yield from bom_problems(value)
    elif kind is DocumentKind.SPDX:
        yield from spdx_problems(value)
    elif kind is DocumentKind.STATEMENT:
        yield from statement_problems(value)
        yield from _inside(value)
    else:
        yield DocumentError("document", "", "it is neither CycloneDX nor SPDX 3 nor an in-toto statement")


def _inside(value: JSONObject) -> Iterator[DocumentError]:
    predicate = value.get("predicate")
    if not isinstance(predicate, dict):
        return
    if value.get("predicateType") == CYCLONEDX_BOM:
        yield from bom_problems(predicate)
    elif value.get("predicateType") == SPDX_DOCUMENT:
        yield from spdx_problems(predicate)
