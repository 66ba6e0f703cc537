"""sbom: what is in a model, as a document for others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli import environment
from modelpack_cli.options import (
    AskRegistryOption,
    Command,
    QuietOption,
    ReferenceArgument,
    StoreOption,
    connects,
    store_if_any,
)
from modelpack_cli.output import document, note

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.attest import Inventory


class Document(StrEnum):
    """What is written."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"
    INVENTORY = "inventory"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(sbom))


def sbom(
    access: Access,
    reference: ReferenceArgument,
    kind: Annotated[
        Document,
        typer.Option("--format", "-f", help="CycloneDX, SPDX 3.0.1, or everything that is known as plain JSON."),
    ] = Document.CYCLONEDX,
    spec_version: Annotated[
        str, typer.Option("--spec-version", metavar="VERSION", help="Of CycloneDX: 1.6 or 1.7.")
    ] = "1.6",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead of to stdout.")
    ] = None,
    supplier: Annotated[
        str,
        typer.Option("--supplier", metavar="NAME", help="Who hands the model out; else its configuration's vendor."),
    ] = "",
    remote: AskRegistryOption = False,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Print a bill of materials: files, hashes, licences, base models.

    Looks into the local store first, then asks the registry. No weights are downloaded. The document has a time only if
    SOURCE_DATE_EPOCH is set: without it, the same model gives the same bytes.

    \b
    modelpack sbom registry.example/ml/minilm:v1 > minilm.cdx.json
    modelpack sbom registry.example/ml/minilm:v1 --spec-version 1.7 -o minilm.cdx.json
    modelpack sbom registry.example/ml/minilm:v1 --format spdx -o minilm.spdx.json
    modelpack sbom registry.example/ml/minilm:v1 --format inventory | jq .baseModels
    """
    from modelpack import inspection

    local = None if remote else store_if_any(store)
    found, where = inspection.inventory(reference, local=local, access=access)
    data = _written(found, kind, spec_version, supplier)
    if not quiet:
        note(f"from the {where}")
        for warning in (*found.warnings, *found.shard_problems):
            note(warning)
    if output is None:
        document(data)
    else:
        _save(output, data)


def _written(found: Inventory, kind: Document, spec_version: str, supplier: str) -> bytes:
    from modelpack import __version__
    from modelpack.attest import cyclonedx, spdx
    from modelpack.oci import dumps

    made = environment.source_date()
    if kind is Document.CYCLONEDX:
        return cyclonedx(found, spec_version=spec_version, tool_version=__version__, timestamp=made, supplier=supplier)
    if kind is Document.SPDX:
        return spdx(found, tool_version=__version__, timestamp=made, supplier=supplier)
    return dumps(found.to_json())


def _save(path: Path, data: bytes) -> None:
    from modelpack import StoreError

    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
