"""One entry: an inventory, a manifest, and whatever documents there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelpack.attest.crosscheck.claims import compare
from modelpack.attest.crosscheck.codes import Contradiction
from modelpack.attest.crosscheck.cyclonedx import cyclonedx_claims
from modelpack.attest.crosscheck.spdx import spdx_claims
from modelpack.attest.crosscheck.statements import byproducts, check_scan, check_statement
from modelpack.attest.crosscheck.weights import check_model
from modelpack.attest.inventory import Inventory
from modelpack.attest.statement import CYCLONEDX_BOM, SPDX_DOCUMENT
from modelpack.attest.validation import DocumentKind, identify, parse
from modelpack.errors import DocumentError
from modelpack.oci import JSONObject, Manifest

MAX_FOUND = 1000


def crosscheck(inventory: Inventory, manifest: Manifest, documents: Iterable[bytes] = ()) -> tuple[Contradiction, ...]:
    """What cannot be true together, at most ``MAX_FOUND``. ``documents`` are CycloneDX, SPDX, in-toto statements or scan
    reports as they were found; what each is, it says itself. What a document does not say contradicts nothing: whether it
    says enough is a question of policy, and whether it keeps its format one for
    :func:`modelpack.attest.validation.problems`.

    No I/O, and no error but those that are in the result.
    """
    found = list(check_model(inventory, manifest))
    raw = [*documents]
    for number, data in enumerate(raw):
        try:
            value = parse(data)
        except DocumentError as error:
            found.append(Contradiction("XC19", f"document {number}", str(error)))
            continue
        found += _document(inventory, value, number)
        found += byproducts(value, raw)
    return tuple(dict.fromkeys(found))[:MAX_FOUND]


def _document(inventory: Inventory, value: JSONObject, number: int) -> Iterator[Contradiction]:
    kind = identify(value)
    if kind is DocumentKind.CYCLONEDX:
        yield from compare(cyclonedx_claims(value), inventory)
    elif kind is DocumentKind.SPDX:
        yield from compare(spdx_claims(value), inventory)
    elif kind is DocumentKind.STATEMENT:
        yield from check_statement(inventory, value)
        predicate = value.get("predicate")
        if isinstance(predicate, dict) and value.get("predicateType") in (CYCLONEDX_BOM, SPDX_DOCUMENT):
            yield from _document(inventory, predicate, number)
    elif "scanner" in value and "files" in value:
        yield from check_scan(inventory, value)
    else:
        yield Contradiction("XC19", f"document {number}", "it is of no known kind")
