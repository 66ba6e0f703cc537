"""In-toto statements and the predicates that are known here, by a schema of our own, and the order of their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from modelpack.attest.statement import PROVENANCE
from modelpack.attest.validation.walk import inner
from modelpack.errors import DocumentError
from modelpack.oci import JSONObject
from modelpack.oci.schema import is_date_time, schema_problems

_SCHEMA = "attestations.schema.json"


def statement_problems(value: JSONObject) -> Iterator[DocumentError]:
    """What is wrong with a statement, and with its predicate if its type is known."""
    yield from schema_problems(value, _SCHEMA, "statement")
    metadata = inner(value, "predicate", "runDetails", "metadata")
    started, finished = moment(metadata.get("startedOn")), moment(metadata.get("finishedOn"))
    if value.get("predicateType") == PROVENANCE and started and finished and finished < started:
        yield DocumentError("statement", "predicate.runDetails.metadata.finishedOn", "it is before startedOn")


def moment(value: object) -> datetime | None:
    """A time of RFC 3339; None if it is none."""
    if not isinstance(value, str) or not is_date_time(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:  # a leap second
        return None
