"""``modelpack stage REFERENCE`` beside ``modelpack stage gc``: a reference always has a slash or a colon, a subcommand never."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from modelpack_cli.commands.stage import initializer, keeping, several, staging
from modelpack_cli.options import Command, connects
from modelpack_cli.trust import trusts

_DEFAULT = "model"


class Staging(TyperGroup):
    """What is no subcommand is given to the command that stages."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default in front where nothing else stands."""
        if not args or args[0] not in self.commands:
            args = [_DEFAULT, *(args or ["--help"])]
        return super().parse_args(ctx, args)


class Default(Command):
    """Its name is nobody's business: it is left out of the help."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how it is called."""
        formatter.write_usage(ctx.parent.command_path, " ".join(self.collect_usage_pieces(ctx)))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=Staging, rich_markup_mode=None, help="Fill a node cache with a verified model.")
    group.command(_DEFAULT, cls=Default, hidden=True)(connects(trusts(staging.model, staging.reading), staging.reading))
    group.command("prefetch", cls=Command)(connects(trusts(several.prefetch, staging.reading), staging.reading))
    group.command("verify", cls=Command)(trusts(several.verify))
    group.command("gc", cls=Command)(keeping.gc)
    group.command("rollback", cls=Command)(keeping.rollback)
    group.command("status", cls=Command)(keeping.status)
    group.command("pin", cls=Command)(keeping.pin)
    group.command("lease", cls=Command)(keeping.lease)
    group.command(initializer.NAME, cls=Command)(
        connects(trusts(initializer.initialize, staging.reading), staging.reading)
    )
    app.add_typer(group, name="stage")
