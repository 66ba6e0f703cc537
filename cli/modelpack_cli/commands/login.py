"""login, logout: credentials where docker keeps them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import Command, FormatOption, QuietOption, connects
from modelpack_cli.output import Format, as_json, note

if TYPE_CHECKING:
    from modelpack import Access


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command)(connects(login))
    app.command(cls=Command)(connects(logout))


def login(
    access: Access,
    registry: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The registry.")],
    username: Annotated[
        str | None, typer.Option("--username", "-u", metavar="NAME", help="Asked for if not given.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password or token from standard input.")
    ] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Check a user and password with a registry, and keep them.

    They are kept where docker does: in its config.json, or with the credential helper that is named there.

    \b
    modelpack login registry.example -u alice
    echo "$TOKEN" | modelpack login registry.example -u ci --password-stdin
    """
    import modelpack

    if password_stdin:
        if username is None:
            raise modelpack.InputError("--password-stdin needs --username")
        secret = sys.stdin.read().rstrip("\r\n")
    else:
        if not sys.stdin.isatty():
            raise modelpack.InputError("there is no terminal to ask for a password on", hint="use --password-stdin")
        username = username or typer.prompt("Username", err=True)
        secret = typer.prompt("Password", hide_input=True, err=True)
    place = modelpack.login(registry, username, secret, access=access)
    if output is Format.JSON:
        as_json({"registry": registry, "credentials": place})
    elif not quiet:
        note(f"logged in to {registry}; credentials are in {place}")


def logout(
    access: Access,
    registry: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The registry.")],
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Forget a registry's credentials."""
    import modelpack

    modelpack.logout(registry, access=access)
    if output is Format.JSON:
        as_json({"registry": registry})
    elif not quiet:
        note(f"logged out of {registry}")
