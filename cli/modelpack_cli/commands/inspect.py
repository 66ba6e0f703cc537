"""inspect: what a model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import FormatOption, StoreOption, connects, local_store
from modelpack_cli.output import Format, as_json, note, result, size, table

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(connects(inspect))


def inspect(
    access: Access,
    reference: Annotated[str, typer.Argument(help="registry.example/ml/minilm:v1, …@sha256:…, or oci:PATH:tag.")],
    tensors: Annotated[
        bool, typer.Option("--tensors", "-t", help="List the tensors too; reads a few kilobytes of each weight file.")
    ] = False,
    raw: Annotated[str | None, typer.Option(help="Print a document as it is: manifest or config.")] = None,
    remote: Annotated[
        bool, typer.Option("--remote", "-r", help="Ask the registry even if the model is in the local store.")
    ] = False,
    output: FormatOption = Format.TABLE,
    store: StoreOption = None,
) -> None:
    """Show what a model is: metadata, files, sizes, tensors. No weights are downloaded.

    Looks into the local store first, then asks the registry.

    \b
    modelpack inspect registry.example/ml/minilm:v1
    modelpack inspect registry.example/ml/minilm:v1 --tensors
    modelpack inspect registry.example/ml/minilm:v1 --format json | jq .model
    modelpack inspect registry.example/ml/minilm:v1 --raw manifest | sha256sum
    """
    import modelpack

    if raw not in (None, "manifest", "config"):
        raise modelpack.InputError(f"--raw is manifest or config, not {raw!r}")
    local = None if remote else local_store(store)
    found, where = modelpack.inspect(reference, local=local, tensors=tensors, access=access)
    if raw:
        data = found.manifest.raw if raw == "manifest" else found.config.raw
        typer.echo(data, nl=False)
    elif output is Format.JSON:
        as_json({"reference": reference, "from": where, **found.to_json()})
    else:
        note(f"from the {where}")
        _show(reference, found)


def _show(reference: str, found: Inspection) -> None:
    config = found.config
    result(f"{config.name or reference}  {found.descriptor.digest}")
    for name, label in _LABELS.items():
        value = getattr(config, name)
        if value:
            result(f"  {label:<14} {', '.join(value) if isinstance(value, tuple) else value}")
    result(f"  {'size':<14} {size(found.size)} in {len(found.files)} layers")
    result("")
    rows = [(file.path or "-", str(file.kind), str(file.codec), size(file.size)) for file in found.files]
    table(("FILE", "KIND", "AS", "SIZE"), rows, right=frozenset({"SIZE"}))
    result("")
    for kind, (count, total) in found.kinds().items():
        result(f"  {kind:<14} {count:>5} {'layer ' if count == 1 else 'layers'} {size(total):>10}")
    for path, file in found.tensors.items():
        _show_tensors(path, file)
    for problem in found.problems:
        note(f"not as the specification says: {problem}")


def _show_tensors(path: str, file: ModelFile) -> None:
    result("")
    mix = (
        ", ".join(f"{dtype} {count / file.parameters:.0%}" for dtype, count in file.dtypes.items())
        if file.parameters
        else ""
    )
    result(
        f"{path}: {file.format}, {len(file.tensors)} tensors, {file.parameters:,} parameters {f'({mix})' if mix else ''}"
    )
    rows = [
        (tensor.name, tensor.dtype, " x ".join(map(str, tensor.shape)) or "scalar", size(tensor.end - tensor.begin))
        for tensor in file.tensors
    ]
    if rows:
        table(("TENSOR", "TYPE", "SHAPE", "SIZE"), rows, right=frozenset({"SIZE"}))
