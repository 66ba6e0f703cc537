"""attest: saying what is in a model and where it came from, signed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli import environment
from modelpack_cli.commands.trust.keys import PasswordOption
from modelpack_cli.commands.trust.signing import LocalOption
from modelpack_cli.options import (
    Command,
    FormatOption,
    QuietOption,
    ReferenceArgument,
    StoreOption,
    connects,
    existing_store,
)
from modelpack_cli.output import Format, as_json, note, result
from modelpack_cli.trust import content, private_key

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.oci import JSONObject


class Bill(StrEnum):
    """Bills of materials that are made."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(attest))


def attest(
    access: Access,
    reference: ReferenceArgument,
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="A private key: a file, env://NAME, or -.")],
    sbom: Annotated[list[Bill] | None, typer.Option("--sbom", help="Make a bill of materials. Repeatable.")] = None,
    provenance: Annotated[
        Path | None,
        typer.Option("--provenance", metavar="YAML", help="Where it came from (prov.yaml, see docs/sbom.md): SLSA v1."),
    ] = None,
    scan: Annotated[
        Path | None,
        typer.Option("--scan", metavar="DIR", help="Scan the model's files, which are there, and attest the report."),
    ] = None,
    predicate: Annotated[
        Path | None, typer.Option("--predicate", metavar="JSON", help="Attest something else; with --type.")
    ] = None,
    predicate_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="What --predicate is: a URI, or a short name as cosign's.")
    ] = "",
    tag: Annotated[bool, typer.Option("--tag", help="Also under the .att tag, for cosign before 3.")] = False,
    supplier: Annotated[
        str,
        typer.Option("--supplier", metavar="NAME", help="Who hands the model out; else its configuration's vendor."),
    ] = "",
    local: LocalOption = False,
    password_file: PasswordOption = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Attach signed documents: bill of materials, provenance, scan.

    Bills of materials are attached twice: signed (for cosign and policies), and as they are (for oras, Trivy, Harbor). No
    weights are read, except from the folder of --scan.

    \b
    modelpack attest registry.example/ml/minilm:v1 --key signer.key --sbom cyclonedx --sbom spdx
    modelpack attest registry.example/ml/minilm:v1 --key signer.key --provenance prov.yaml --scan ./model
    modelpack attest registry.example/ml/minilm:v1 --key signer.key --type openvex --predicate vex.json
    """
    import modelpack
    from modelpack.attest import parse_provenance

    if not (sbom or provenance or scan or predicate):
        raise modelpack.InputError(
            "say what to attest", hint="--sbom cyclonedx, --provenance prov.yaml, --scan ./model"
        )
    attached = modelpack.attest_model(
        reference,
        private_key(key, password_file),
        sboms=[str(one) for one in sbom or ()],
        provenance=parse_provenance(content(str(provenance))) if provenance else None,
        scanned=scan,
        predicates=_predicate(predicate, predicate_type),
        timestamp=environment.source_date(),
        supplier=supplier,
        tag=tag,
        tool_version=modelpack.__version__,
        local=existing_store(store) if local else None,
        access=access,
    )
    if output is Format.JSON:
        as_json(
            [
                {
                    "predicateType": one.predicate_type,
                    "statement": str(one.statement.digest),
                    "document": str(one.document.digest) if one.document else None,
                }
                for one in attached
            ]
        )
        return
    for one in attached:
        if not quiet:
            note(one.predicate_type + (f" (as it is: {one.document.digest})" if one.document else ""))
        result(str(one.statement.digest))


def _predicate(path: Path | None, kind: str) -> dict[str, JSONObject]:
    from modelpack import InputError
    from modelpack.oci import loads_object
    from modelpack.trust import MAX_STATEMENT, PREDICATES, read_file

    if bool(path) != bool(kind):
        raise InputError("--predicate and --type go together")
    if path is None:
        return {}
    raw = read_file(path, MAX_STATEMENT)
    return {PREDICATES.get(kind, kind): loads_object(raw, str(path), limit=MAX_STATEMENT)}
