"""sign: vouching for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.commands.trust.keys import PasswordOption
from modelpack_cli.options import Command, FormatOption, QuietOption, StoreOption, connects, existing_store
from modelpack_cli.output import Format, as_json, note, result
from modelpack_cli.trust import private_key

if TYPE_CHECKING:
    from modelpack import Access

LocalOption = Annotated[
    bool, typer.Option("--local", "-l", help="In the local store instead of the registry; push carries it along.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(sign))


def sign(
    access: Access,
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="registry.example/ml/minilm:v1, …@sha256:…, or oci:PATH:tag.")
    ],
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="A private key: a file, env://NAME, or -.")],
    signature_format: Annotated[
        list[str] | None,
        typer.Option(
            "--signature-format",
            metavar="FORMAT",
            help="bundle (cosign 3), tag (older cosign, podman), oms (OpenSSF Model Signing). Repeatable; default: all.",
        ),
    ] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option("--annotation", "-a", metavar="KEY=VALUE", help="Signed along, in cosign's formats. Repeatable."),
    ] = None,
    local: LocalOption = False,
    password_file: PasswordOption = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Sign a model by its digest, in every usual format.

    The tag is resolved once, and no weights are read. What this key has signed already is not signed again.

    \b
    modelpack key generate --out signer
    modelpack sign registry.example/ml/minilm:v1 --key signer.key
    modelpack sign registry.example/ml/minilm:v1 --key env://SIGNING_KEY --annotation commit=3f2a91c
    """
    import modelpack

    signed = modelpack.sign(
        reference,
        private_key(key, password_file),
        formats=signature_format,
        annotations=dict(map(_pair, annotation or ())),
        local=existing_store(store) if local else None,
        access=access,
    )
    digest = str(signed.descriptor.digest)
    if output is Format.JSON:
        carriers = {str(name): str(carrier.digest) for name, carrier in signed.carriers.items()}
        existing = sorted(map(str, signed.existing))
        as_json({"reference": reference, "digest": digest, "signatures": carriers, "existing": existing})
        return
    if not quiet:
        for name, carrier in signed.carriers.items():
            note(f"{name:<8} {carrier.digest}{' (was there)' if name in signed.existing else ''}")
        for remark in signed.notes:
            note(remark)
    result(digest)


def _pair(text: str) -> tuple[str, str]:
    from modelpack import InputError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--annotation takes KEY=VALUE, not {text!r}")
    return key, value
