"""inspect: what a model is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import (
    AskRegistryOption,
    Command,
    FormatOption,
    QuietOption,
    ReferenceArgument,
    StoreOption,
    connects,
    store_if_any,
)
from modelpack_cli.output import Format, as_json, counted, document, note, result, size, table

if TYPE_CHECKING:
    from modelpack import Access, Inspection
    from modelpack.formats import ModelFile

_LABELS = {
    "title": "title",
    "version": "version",
    "revision": "revision",
    "family": "family",
    "architecture": "architecture",
    "format": "format",
    "param_size": "parameters",
    "precision": "precision",
    "quantization": "quantization",
    "licenses": "licences",
    "languages": "languages",
    "input_types": "takes",
    "output_types": "gives",
    "authors": "authors",
    "vendor": "vendor",
    "source_url": "source",
    "doc_url": "documentation",
    "datasets_url": "datasets",
    "created_at": "created",
    "description": "description",
}


class Raw(StrEnum):
    """A document to print."""

    MANIFEST = "manifest"
    CONFIG = "config"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(inspect))


def inspect(
    access: Access,
    reference: ReferenceArgument,
    tensors: Annotated[
        bool, typer.Option("--tensors", "-t", help="List the tensors too; reads a few kilobytes of each weight file.")
    ] = False,
    raw: Annotated[Raw | None, typer.Option("--raw", help="Print a document as it is, byte for byte.")] = None,
    remote: AskRegistryOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Show what a model is: metadata, files, sizes, tensors.

    Looks into the local store first, then asks the registry. No weights are downloaded.

    \b
    modelpack inspect registry.example/ml/minilm:v1
    modelpack inspect registry.example/ml/minilm:v1 --tensors
    modelpack inspect registry.example/ml/minilm:v1 --format json | jq .model
    modelpack inspect registry.example/ml/minilm:v1 --raw manifest | sha256sum
    """
    import modelpack

    local = None if remote else store_if_any(store)
    found, where = modelpack.inspect(reference, local=local, tensors=tensors, access=access)
    if raw:
        document(_raw(found, raw))
    elif output is Format.JSON:
        as_json({"reference": reference, "from": where, **found.to_json()})
    else:
        if not quiet:
            note(f"from the {where}")
        _show(reference, found)
        if not quiet:
            for line in _remarks(found, tensors=tensors):
                note(line)


def _remarks(found: Inspection, *, tensors: bool) -> list[str]:
    lines = [f"not as the specification says: {problem}" for problem in found.problems]
    if tensors and not found.tensors:
        lines.append("no tensors are listed: no weight file is a layer of its own and in a known format")
    return lines


def _raw(found: Inspection, which: Raw) -> bytes:
    from modelpack.errors import UnsupportedFormat

    if which is Raw.MANIFEST:
        return found.manifest.raw
    if not found.raw_config:
        raise UnsupportedFormat(f"the configuration is no model's: {found.manifest.config.media_type}")
    return found.raw_config


def _show(reference: str, found: Inspection) -> None:
    config = found.config
    result(f"{config.name or reference}  {found.descriptor.digest}")
    for name, label in _LABELS.items():
        value = getattr(config, name)
        if value:
            result(f"  {label:<14} {', '.join(value) if isinstance(value, tuple) else value}")
    result(f"  {'size':<14} {size(found.size)} in {counted(len(found.files), 'layer')}")
    result("")
    rows = [(file.path or "-", str(file.kind), str(file.codec), size(file.size)) for file in found.files]
    table(("FILE", "KIND", "AS", "SIZE"), rows, right=frozenset({"SIZE"}))
    result("")
    totals = [(str(kind), str(count), size(total)) for kind, (count, total) in found.kinds().items()]
    table(("KIND", "LAYERS", "SIZE"), totals, right=frozenset({"LAYERS", "SIZE"}))
    for path, file in found.tensors.items():
        _show_tensors(path, file)


def _show_tensors(path: str, file: ModelFile) -> None:
    total = file.parameters
    mix = ", ".join(f"{dtype} {_share(count, total)}" for dtype, count in file.dtypes.items() if total)
    result("")
    what = f"{path}: {file.format}, {len(file.tensors)} tensors, {total:,} parameters"
    result(f"{what} ({mix})" if mix else what)
    rows = [
        (tensor.name, tensor.dtype, " x ".join(map(str, tensor.shape)) or "scalar", size(tensor.end - tensor.begin))
        for tensor in file.tensors
    ]
    if rows:
        table(("TENSOR", "TYPE", "SHAPE", "SIZE"), rows, right=frozenset({"SIZE"}))


def _share(count: int, total: int) -> str:
    """Whole percents, but neither all nor nothing where that is not true."""
    percent = round(count * 100 / total)
    if percent in (0, 100) and 0 < count < total:
        return "< 1 %" if percent == 0 else "> 99 %"
    return f"{percent} %"
