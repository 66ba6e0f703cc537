"""sign: vouching for a model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli import environment
from modelpack_cli.commands.trust.keys import PasswordOption
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

LocalOption = Annotated[
    bool, typer.Option("--local", "-l", help="In the local store instead of the registry; push carries it along.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(sign))


def sign(
    access: Access,
    reference: ReferenceArgument,
    key: Annotated[
        str | None, typer.Option("--key", metavar="FILE", help="A private key: a file, env://NAME, or -.")
    ] = None,
    certificate_chain: Annotated[
        Path | None,
        typer.Option(
            "--certificate-chain",
            metavar="PEM",
            help="The key's certificate and its issuers up to the root: signs for the Notary Project too.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="DATE", help="The end of the Notary signature: 2027-01-31. Only with a chain."
        ),
    ] = None,
    keyless: Annotated[
        bool,
        typer.Option(
            "--keyless", help="With an account instead of a key: SIGSTORE_ID_TOKEN, or the CI job's own token."
        ),
    ] = False,
    trust_config: Annotated[
        Path | None,
        typer.Option(
            "--trust-config", metavar="JSON", help="A private Sigstore instance for --keyless (ClientTrustConfig)."
        ),
    ] = None,
    signature_format: Annotated[
        list[str] | None,
        typer.Option(
            "--signature-format",
            metavar="FORMAT",
            help="bundle (cosign 3), tag (older cosign, podman), oms (OpenSSF Model Signing), notary. Repeatable; "
            "without it all that the key allows.",
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
    modelpack sign registry.example/ml/minilm:v1 --key signer.key --certificate-chain chain.pem
    modelpack sign registry.example/ml/minilm:v1 --keyless
    """
    import modelpack

    chosen = existing_store(store) if local else None
    if keyless:
        if key or certificate_chain or signature_format or annotation or expires:
            raise modelpack.InputError("--keyless goes with --trust-config and nothing else that is about signing")
        config = content(str(trust_config)) if trust_config else None
        carrier = modelpack.sign_keyless(
            reference, environment.identity_token(), trust_config=config, local=chosen, access=access
        )
        if output is Format.JSON:
            as_json({"reference": reference, "signatures": {"bundle": str(carrier.digest)}})
        else:
            result(str(carrier.digest))
        return
    if key is None:
        raise modelpack.InputError("say who signs", hint="--key signer.key, or --keyless")
    signed = modelpack.sign(
        reference,
        private_key(key, password_file),
        formats=signature_format,
        annotations=dict(map(_pair, annotation or ())),
        certificates=content(str(certificate_chain)) if certificate_chain else b"",
        expiry=_date(expires) if expires else None,
        local=chosen,
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


def _date(text: str) -> datetime:
    from modelpack import InputError

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--expires takes a date as 2027-01-31, not {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
