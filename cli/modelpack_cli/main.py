"""The program: its commands, and what happens to errors."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from modelpack_cli import environment
from modelpack_cli.commands import inspect, local, login, move, pack, sbom, scan, serve
from modelpack_cli.commands.audit import command as audit
from modelpack_cli.commands.relations import diffing, lineage
from modelpack_cli.commands.stage import group as stage
from modelpack_cli.commands.stage import initializer
from modelpack_cli.commands.trust import attesting, keys, signing, verifying
from modelpack_cli.options import FormatOption
from modelpack_cli.output import Format, as_json, flush, note, result

_EXIT_CODES = {
    "VerificationError": 1,
    "PolicyViolation": 1,
    "InputError": 2,
    "DocumentError": 3,
    "ContentError": 4,
    "StoreError": 5,
}
_INTERRUPTED = 130


class Program(TyperGroup):
    """Errors of our own tree become one line, a hint, and an exit code.

    This happens inside Typer, which deals with interrupts and closed pipes in silent ways of its own.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """In a container, KServe gives no command, only pairs of a URI and a folder, and KitOps nothing but variables."""
        if initializer.is_meant(args):
            args = ["stage", initializer.NAME, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            super().invoke(ctx)
            flush()
        except KeyboardInterrupt:
            note("interrupted; run the same command again to go on where it stopped")
            raise typer.Exit(_INTERRUPTED) from None
        except BrokenPipeError:  # `modelpack … | head`: the reader has what it wanted
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception as error:  # noqa: BLE001  # what is not ours is raised again
            raise typer.Exit(_report(error)) from None


def _report(error: Exception) -> int:
    """Tell what went wrong; the exit code. Raises the error again if it is not one of ours, or is to be debugged."""
    from modelpack import ModelPackError

    if not isinstance(error, ModelPackError) or environment.debugging():
        raise error
    note(f"error: {error}")
    if error.hint:
        note(f"hint: {error.hint}")
    return next(_EXIT_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _EXIT_CODES)


app = typer.Typer(
    name="modelpack",
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Pack, sign, push, verify and pull AI models as OCI artifacts (CNCF ModelPack).

    \b
    modelpack pack ./model -t registry.example/ml/minilm:v1            make an artifact from a folder
    modelpack push registry.example/ml/minilm:v1                       send it to its registry
    modelpack sign registry.example/ml/minilm:v1 --key signer.key      vouch for it
    modelpack pull registry.example/ml/minilm:v1 -o ./model --key signer.pub
                                                                       get its files, if that key vouches for it
    modelpack stage registry.example/ml/minilm:v1 --to /cache --key signer.pub
                                                                       the same for the servers of a node
    modelpack inspect registry.example/ml/minilm:v1                    what is in it, without the weights
    modelpack diff registry.example/ml/minilm:v1 registry.example/ml/minilm:v2
                                                                       what is different between two
    modelpack sbom registry.example/ml/minilm:v1                       the same as CycloneDX or SPDX, for others
    modelpack scan ./model                                             what is unsafe in its files, without loading them

    modelpack audit registry.example/ml/ --policy audit.yaml           what is wrong with all that is in there

    Results go to stdout, progress and remarks to stderr. Exit codes: 0 done, 1 not vouched for as asked, 2 wrong input,
    3 malformed document, 4 content does not match its digest or is unsafe, 5 registry, network or disk, 130 interrupted.
    """,
)
for group in (
    pack,
    move,
    stage,
    inspect,
    diffing,
    lineage,
    sbom,
    scan,
    audit,
    signing,
    attesting,
    verifying,
    keys,
    local,
    login,
    serve,
):
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def program(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Say what holds for all commands."""


@app.command()
def version(output: FormatOption = Format.TABLE) -> None:
    """Print the version."""
    from modelpack import __version__

    if output is Format.JSON:
        as_json({"version": __version__, "python": sys.version.split()[0]})
    else:
        result(f"modelpack {__version__}")


def run() -> None:
    """The entry point."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller (`>&-`)
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for as long as the program runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files and models in terminals of another encoding
    app(prog_name="modelpack")  # `python -m modelpack_cli.main` is the same program


if __name__ == "__main__":
    run()
