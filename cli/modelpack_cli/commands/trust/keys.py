"""key: making and reading keys."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from modelpack_cli.options import Command, FormatOption, QuietOption
from modelpack_cli.output import Format, as_json, document, note, path
from modelpack_cli.trust import content, password, private_key

PasswordOption = Annotated[
    str | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Where the key's password is; - is standard input. Else MODELPACK_KEY_PASSWORD, COSIGN_PASSWORD or the terminal.",
    ),
]


class KeyKind(StrEnum):
    """What kinds of keys are made."""

    P256 = "ecdsa-p256"
    P384 = "ecdsa-p384"
    ED25519 = "ed25519"
    RSA = "rsa"


_REMARKS = {
    KeyKind.P384: "cosign verifies signatures of this kind of key only with --signature-digest-algorithm=sha384",
    KeyKind.ED25519: "not every verifier takes Ed25519: Notary and OpenSSF Model Signing do not, cosign 3 in part",
    KeyKind.RSA: "OpenSSF Model Signing does not take RSA",
}

group = typer.Typer(
    name="key", no_args_is_help=True, rich_markup_mode=None, help="Make keys, and read what other tools made."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group.command(cls=Command)(generate)
    group.command(name="import", cls=Command)(import_)
    group.command(cls=Command)(public)
    app.add_typer(group)


def generate(
    out: Annotated[str, typer.Option("--out", "-o", metavar="NAME", help="Makes NAME.key and NAME.pub.")] = "modelpack",
    kind: Annotated[
        KeyKind, typer.Option("--type", "-t", help="ecdsa-p256 is the one that every verifier takes.")
    ] = KeyKind.P256,
    password_file: PasswordOption = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Make a key pair.

    The private key is encrypted, in the form that cosign reads and writes. Keep it off the machines that only verify.

    \b
    modelpack key generate --out signer
    COSIGN_PASSWORD= modelpack key generate --out ci
    """
    from modelpack import PrivateKey

    made = PrivateKey.generate(kind)
    if not quiet and kind in _REMARKS:
        note(_REMARKS[kind])
    _write(made, out, password_file, output, quiet=quiet)


def import_(
    source: Annotated[
        str, typer.Argument(metavar="KEY", help="A private key in PEM form: PKCS#8, SEC 1, PKCS#1, encrypted or not.")
    ],
    out: Annotated[str, typer.Option("--out", "-o", metavar="NAME", help="Makes NAME.key and NAME.pub.")] = "modelpack",
    password_file: PasswordOption = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Turn another tool's private key into one that cosign and modelpack sign with.

    \b
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
    modelpack key import ec.pem --out signer
    """
    _write(private_key(source, password_file), out, password_file, output, quiet=quiet)


def public(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A private or public key: a file, env://NAME, or -.")],
    password_file: PasswordOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print the public half of a key, in PEM form.

    \b
    modelpack key public signer.key > signer.pub
    modelpack key public signer.pub --format json      # kind and fingerprint
    """
    from modelpack import PrivateKey, PublicKey

    data = content(key)
    if b"PRIVATE KEY-----" in data:
        found = PrivateKey.load(data, lambda: password(key, password_file), name=key).public_key
    else:
        found = PublicKey.load(data, key)
    if output is Format.JSON:
        as_json({"kind": found.kind, "fingerprint": found.fingerprint, "pem": found.pem.decode()})
    else:
        document(found.pem)


def _write(made: object, out: str, password_file: str | None, output: Format, *, quiet: bool) -> None:
    from modelpack import InputError, PrivateKey

    assert isinstance(made, PrivateKey)  # noqa: S101  # the type is only imported here
    places = (Path(f"{out}.key"), Path(f"{out}.pub"))
    for place in places:
        if os.path.lexists(place):
            raise InputError(f"{place} exists already", hint="name another with --out; keys are never overwritten")
    secret = password(str(places[0]), password_file, confirm=True)
    if not secret and not quiet:
        note(f"{places[0]} has an empty password: whoever can read the file can sign")
    for place, data, mode in zip(places, (made.to_keyfile(secret), made.public_key.pem), (0o600, 0o644), strict=True):
        _create(place, data, mode)
    if output is Format.JSON:
        as_json({"private": str(places[0]), "public": str(places[1]), "fingerprint": made.public_key.fingerprint})
        return
    if not quiet:
        note(f"{made.public_key.kind} key {made.public_key.fingerprint[:16]}: {places[0]} signs, {places[1]} verifies")
    path(places[1])


def _create(place: Path, data: bytes, mode: int) -> None:
    from modelpack import InputError

    try:
        file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(file)
    except OSError as error:
        raise InputError(f"{place} cannot be written: {error.strerror}") from None
