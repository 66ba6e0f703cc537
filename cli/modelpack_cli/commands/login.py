"""login, logout: credentials where docker keeps them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import connects
from modelpack_cli.output import note

if TYPE_CHECKING:
    from modelpack import Access


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connects(login))
    app.command()(connects(logout))


def login(
    access: Access,
    registry: Annotated[str, typer.Argument(help="The registry's host[:port].")],
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for if not given.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password or token from standard input.")
    ] = False,
) -> None:
    """Check a user and password with a registry, then keep them where docker does (config.json or its helper).

    \b
    modelpack login registry.example -u alice
    echo "$TOKEN" | modelpack login registry.example -u ci --password-stdin
    """
    import modelpack

    if username is None:
        if password_stdin:
            raise modelpack.InputError("--password-stdin needs --username")
        username = typer.prompt("Username", err=True)
    secret = sys.stdin.read().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True, err=True)
    place = modelpack.login(registry, username, secret, access=access)
    note(f"logged in to {registry}; credentials are in {place}")


def logout(access: Access, registry: Annotated[str, typer.Argument(help="The registry's host[:port].")]) -> None:
    """Forget a registry's credentials."""
    import modelpack

    modelpack.logout(registry, access=access)
    note(f"logged out of {registry}")
