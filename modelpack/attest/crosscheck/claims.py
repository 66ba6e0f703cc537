"""What a bill of materials claims, whatever its format, and the comparison with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelpack.attest.crosscheck.codes import Contradiction
from modelpack.attest.expressions import licenses_in
from modelpack.attest.inventory import Inventory, InventoryFile, Origin
from modelpack.attest.values import expression_of

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class FileClaim:
    """One file. ``""`` means: not said."""

    path: str
    place: str
    sha256: str = ""
    sha512: str = ""
    media_type: str = ""
    layer: str = ""
    size: str = ""
    parameters: str = ""
    dtypes: str = ""


@dataclass(frozen=True, slots=True)
class OriginClaim:
    """A base model or a data set: every name and address that it goes by, and its version."""

    names: frozenset[str]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """A document. ``first`` is the number of its first code; ``subjects`` are hex digests of the manifest, by place.

    ``measures`` are ``config.paramSize``, ``tensors.parameters`` and the like; ``templates`` digests by name.
    """

    document: str
    first: int
    subjects: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileClaim, ...] = ()
    complete: bool = False
    license: str = ""
    base_models: tuple[OriginClaim, ...] = ()
    datasets: tuple[OriginClaim, ...] = ()
    name: str = ""
    version: str = ""
    measures: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)

    def no(self, number: int, place: str, message: str) -> Contradiction:
        """A contradiction; ``number`` counts from the document's first code."""
        return Contradiction(f"XC{self.first + number}", f"{self.document} {place}", message)


def compare(claims: Claims, inventory: Inventory) -> Iterator[Contradiction]:
    """Where a document and the model disagree. A document of another model is told as that alone."""
    wrong = {place: digest for place, digest in claims.subjects.items() if digest != inventory.digest.hex}
    if wrong:
        for place, digest in wrong.items():
            yield claims.no(0, place, f"it says {_cut(digest)}, the manifest is {inventory.digest.hex}")
        if len(wrong) == len(claims.subjects):
            return
    yield from _files(claims, inventory)
    yield from _license(claims, inventory)
    yield from _origins(claims, 6, claims.base_models, inventory.base_models)
    yield from _origins(claims, 7, claims.datasets, inventory.datasets)
    for number, claimed, said in (
        (8, claims.name, inventory.config.name),
        (9, claims.version, inventory.config.version or inventory.config.revision),
    ):
        if claimed and said and claimed != said:
            yield claims.no(number, ("name", "version")[number - 8], f"{_cut(claimed)} here, {_cut(said)} there")
    yield from _measures(claims, inventory)
    yield from _templates(claims, inventory)


def _files(claims: Claims, inventory: Inventory) -> Iterator[Contradiction]:
    real = {file.path: file for file in inventory.files}
    for claim in claims.files:
        file = real.get(claim.path)
        if file is None:
            if not any(one.archive for one in inventory.files):
                yield claims.no(1, claim.place, f"the model has no file {_cut(claim.path)}")
            continue
        yield from _file(claims, claim, file)
    listed = {claim.path for claim in claims.files}
    if claims.complete:
        lost = (path for path, file in real.items() if path not in listed and not file.archive)
        yield from (claims.no(2, "files", f"{_cut(path)} is missing") for path in lost)


def _file(claims: Claims, claim: FileClaim, file: InventoryFile) -> Iterator[Contradiction]:
    tensors = file.tensors
    dtypes = ",".join(f"{name}={count}" for name, count in tensors.dtypes.items()) if tensors else ""
    pairs = (
        (3, "SHA-256", claim.sha256.lower(), file.digest.hex if file.digest else ""),
        (3, "SHA-512", claim.sha512.lower(), file.sha512),
        (4, "media type", claim.media_type, file.media_type),
        (13, "layer", claim.layer, str(file.layer) if file.layer else ""),
        (14, "size", claim.size, "" if file.size is None else str(file.size)),
        (15, "parameters", claim.parameters, str(tensors.parameters) if tensors else ""),
        (15, "number formats", claim.dtypes, dtypes),
    )
    for number, what, claimed, real in pairs:
        if claimed and real and claimed != real:
            yield claims.no(
                number, claim.place, f"the {what} of {_cut(file.path)} is {_cut(real)}, not {_cut(claimed)}"
            )


def _license(claims: Claims, inventory: Inventory) -> Iterator[Contradiction]:
    """Compared as sets of licences: how an expression is written does not matter."""
    real = expression_of(inventory.licenses)
    if not claims.license or not real or claims.license == real:
        return
    try:
        same = licenses_in(claims.license) == licenses_in(real)
    except ValueError:
        same = False
    if not same:
        yield claims.no(5, "licence", f"{_cut(claims.license)} here, the {inventory.license_source} says {_cut(real)}")


def _origins(
    claims: Claims, number: int, claimed: tuple[OriginClaim, ...], real: tuple[Origin, ...]
) -> Iterator[Contradiction]:
    what = "base model" if number == 6 else "data set"
    for item in real:
        wanted = {item.name.lower(), item.uri.lower()} - {""}
        found = [claim for claim in claimed if {name.lower() for name in claim.names} & wanted]
        if not found:
            yield claims.no(number, what, f"{_cut(item.name)}, which {item.source or 'the caller'} names, is not there")
        elif item.version and all(claim.version and claim.version != item.version for claim in found):
            yield claims.no(number, what, f"{_cut(item.name)} is {item.version}, not {_cut(found[0].version)}")


def _measures(claims: Claims, inventory: Inventory) -> Iterator[Contradiction]:
    config = inventory.config
    said = {
        "config.architecture": config.architecture,
        "config.format": config.format,
        "config.paramSize": config.param_size,
        "config.precision": config.precision,
        "config.quantization": config.quantization,
    }
    read = {
        "tensors.parameters": str(inventory.parameters) if inventory.formats else "",
        "tensors.dtypes": ",".join(f"{name}={count}" for name, count in inventory.dtypes.items()),
    }
    for number, values in ((10, said), (11, read)):
        for key, real in values.items():
            claimed = claims.measures.get(key, "")
            if claimed and real and claimed != real:
                yield claims.no(number, key, f"{_cut(claimed)} here, {_cut(real)} there")


def _templates(claims: Claims, inventory: Inventory) -> Iterator[Contradiction]:
    real = {template.name: str(template.digest) for template in inventory.chat_templates}
    for name, claimed in claims.templates.items():
        if real.get(name, claimed) != claimed:
            yield claims.no(12, f"chat template {_cut(name)}", f"it is {real[name]}, not {_cut(claimed)}")


def _cut(text: str) -> str:
    return text if text.isprintable() and len(text) <= _SHOWN else f"{text[:_SHOWN]!a}"
