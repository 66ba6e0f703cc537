"""Small forms that several documents share: times, package URLs, licence lists."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

from modelpack.attest.expressions import licenses_in
from modelpack.attest.inventory import Inventory, Origin
from modelpack.errors import InputError
from modelpack.oci import Reference
from modelpack.pack.metadata.licenses import spdx

PRODUCER = "modelpack"
HUB = "https://huggingface.co/"


def instant(moment: datetime) -> str:
    """A time in UTC, whole seconds, with "Z": the only form that all these documents allow. Raises InputError."""
    if moment.tzinfo is None:
        raise InputError("a time without its zone", hint="give datetime.now(UTC), or fromtimestamp(seconds, UTC)")
    try:
        return moment.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except OverflowError:
        raise InputError("a time before the year 1 or after 9999") from None


def place(reference: Reference | None) -> str:
    """``host/repository``; ``""`` for a model that was found in no registry."""
    return reference.place if reference else ""


def location(inventory: Inventory) -> str:
    """``oci://host/repository@sha256:…``, or ``""``."""
    where = place(inventory.reference)
    return f"oci://{where}@{inventory.digest}" if where else ""


def model_purl(inventory: Inventory) -> str:
    """``pkg:oci/name@sha256%3A…?repository_url=host/repository&tag=v1`` (purl-spec, type oci: all in lower case)."""
    where = place(inventory.reference)
    name = where.rpartition("/")[2] or inventory.name
    tag = inventory.reference.tag if inventory.reference and where else ""
    qualifiers = [f"repository_url={quote(where, safe='/:.')}"] if where else []
    qualifiers += [f"tag={quote(tag, safe='')}"] if tag else []
    version = quote(str(inventory.digest), safe="")
    return f"pkg:oci/{quote(name.lower(), safe='')}@{version}" + (f"?{'&'.join(qualifiers)}" if qualifiers else "")


def origin_purl(origin: Origin, *, dataset: bool = False) -> str:
    """The package URL of a model in the Hub (``pkg:huggingface/org/name@commit``) or a registry; ``""`` for others: the
    type huggingface covers no data sets.
    """
    if origin.digest and origin.uri.startswith("oci://"):
        repository = origin.uri.removeprefix("oci://").partition("@")[0]
        name = quote(repository.rpartition("/")[2], safe="")
        return f"pkg:oci/{name}@{quote(str(origin.digest), safe='')}?repository_url={quote(repository, safe='/:.')}"
    if dataset or not origin.uri.startswith(HUB):
        return ""
    path = quote(origin.uri.removeprefix(HUB), safe="/")
    return f"pkg:huggingface/{path}" + (f"@{origin.commit}" if origin.commit else "")


def expression_of(licenses: tuple[str, ...]) -> str:
    """Several licences that all hold, as one SPDX expression; ``""`` for none. What is no expression becomes a
    ``LicenseRef-``, so that nothing that was said is lost.
    """
    good = tuple(dict.fromkeys(filter(None, map(_expression, licenses))))
    if len(good) < 2:
        return "".join(good)
    return " AND ".join(f"({one})" if " OR " in one else one for one in good)


def _expression(name: str) -> str:
    for form in (name.strip(), spdx(name)):
        try:
            return form if licenses_in(form) else ""
        except ValueError:
            continue
    words = re.sub(r"[^A-Za-z0-9.]+", "-", name[:80]).strip("-.")
    return f"LicenseRef-{words}" if words else ""
