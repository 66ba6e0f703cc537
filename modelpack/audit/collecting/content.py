"""What a model says of itself, and what its headers and small files say: facts that stay the same for a digest."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from modelpack.attest import Inventory, Origin, inventory, origin
from modelpack.attest.inventory.origins import HUB
from modelpack.attest.validation.statements import moment
from modelpack.audit.collecting.watching import Watched
from modelpack.audit.facts import Ancestor, Stated, Unchecked, Weights
from modelpack.errors import ContentError, DocumentError, InputError, NotFound
from modelpack.oci import Descriptor, Kind, ModelConfig
from modelpack.unpack import LayerEntry

HEADERS = ("MP060", "MP061", "MP070", "MP071", "MP072", "MP073")
FILES = ("MP033", "MP040", "MP042", "MP043", "MP061", "MP072", "MP073", "MP090")
"""Rules that need headers of weights, and what small files say."""

_SHOWN = 300


def gather(store: Watched, descriptor: Descriptor, place: str, unchecked: list[Unchecked]) -> Inventory | None:
    """The inventory of a model, with as much as can be read; what cannot is noted. None if nothing can be said.

    Raises AccessDenied, Unavailable and the like: then nothing at all was found out.
    """
    reference = "" if place.startswith("oci:") else f"{place}@{descriptor.digest}"
    ways: tuple[tuple[bool, bool], ...] = ((True, True), (False, True), (True, False), (False, False))
    for headers, card in ways:
        try:
            found = inventory(store, descriptor, reference=reference, headers=headers, card=card, jobs=1)
        except (NotFound, ContentError, DocumentError, InputError) as error:
            reason = str(error)[:_SHOWN]
            continue
        if not headers:
            unchecked.append(Unchecked("the headers of the weights", reason, HEADERS))
        if not card:
            unchecked.append(Unchecked("the small files", reason, FILES))
        unchecked += (Unchecked("a file", one[:_SHOWN], FILES) for one in found.warnings if _is_missed(one))
        return found
    unchecked.append(Unchecked("the files", reason, (*HEADERS, *FILES)))
    return None


def _is_missed(warning: str) -> bool:
    """Whether a remark says that something was left out for its size; others have findings of their own."""
    return " is not read: " in warning


def weights(found: Inventory, entries: list[LayerEntry]) -> Weights:
    """What the headers say together."""
    files = [file for file in found.files if file.tensors]
    sums: Counter[tuple[str, str]] = Counter()
    for file in files:
        assert file.tensors is not None  # noqa: S101  # chosen so
        folder = f"{file.path.rpartition('/')[0]}:{file.tensors.format}"
        for key in (("file", file.path), ("folder", folder), ("format", file.tensors.format), ("all", "")):
            sums[key] += file.tensors.parameters
    quantizations = sorted({file.tensors.quantization for file in files if file.tensors and file.tensors.quantization})
    carriers = sum(1 for entry in entries if entry.kind is Kind.WEIGHT)
    return Weights(
        formats=found.formats,
        parameters=found.parameters,
        dtypes=found.dtypes,
        quantization=", ".join(quantizations)[:_SHOWN],
        headers_read=len(files),
        headers_unread=max(0, carriers - len(files)),
        counts=tuple(sorted({count for count in sums.values() if count})),
    )


def stated(config: ModelConfig) -> Stated:
    """What the configuration says."""
    return Stated(
        name=config.name,
        version=config.version,
        family=config.family,
        architecture=config.architecture,
        format=config.format,
        precision=config.precision,
        quantization=config.quantization,
        param_size=config.param_size,
        licenses=config.licenses,
        created=time_of(config.created_at),
    )


def licenses(found: Inventory) -> tuple[tuple[str, ...], str]:
    """The model's licences, and who says so."""
    if found.licenses or not found.license_text:
        return found.licenses, found.license_source
    return found.license_text, "LICENSE"


def ancestors(found: Inventory) -> tuple[Ancestor, ...]:
    """What the model's own files say that it was made from."""
    made = [_ancestor("base-model", origin) for origin in found.base_models]
    return (*made, *(_ancestor("dataset", origin) for origin in found.datasets), *_copied(found))


def _copied(found: Inventory) -> tuple[Ancestor, ...]:
    """The Hub's commit whose files these are, if the configuration says one: who recalls that commit means this too."""
    said = origin(found.config.source_url, revision=found.config.revision)
    if not (said.commit and said.uri.startswith(HUB)):
        return ()
    return (Ancestor("source", said.name, said.uri, said.commit, None, "copy", (), "configuration"),)


def _ancestor(role: str, one: Origin) -> Ancestor:
    return Ancestor(role, one.name, one.uri, one.commit, one.digest, one.relation, one.licenses, one.source)


def time_of(text: str) -> datetime | None:
    """A time of RFC 3339 in UTC; None for anything else."""
    found = moment(text)
    try:
        return found.astimezone(UTC) if found else None
    except OverflowError:
        return None
