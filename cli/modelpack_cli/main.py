"""The program: its commands, and what happens to errors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from modelpack_cli import environment
from modelpack_cli.commands import inspect, local, login, move, pack, serve
from modelpack_cli.output import Format, as_json, note, result

_EXIT_CODES = {
    "InputError": 2,
    "DocumentError": 3,
    "ContentError": 4,
    "StoreError": 5,
}
_INTERRUPTED = 130

app = typer.Typer(
    name="modelpack",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Pack, push, pull and inspect AI models as OCI artifacts (CNCF ModelPack).

    \b
    modelpack pack ./model -t registry.example/ml/minilm:v1    make an artifact from a folder
    modelpack push registry.example/ml/minilm:v1               send it to its registry
    modelpack pull registry.example/ml/minilm:v1 -o ./model    get its files back, verified
    modelpack inspect registry.example/ml/minilm:v1            what is in it, without the weights

    Results go to stdout, progress and remarks to stderr. Exit codes: 0 done, 2 wrong input, 3 malformed document,
    4 content does not match its digest or is unsafe, 5 registry, network or disk, 130 interrupted.
    """,
)
for group in (pack, move, inspect, local, login, serve):
    group.register(app)


@app.command()
def version(
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Print the version."""
    from modelpack import __version__

    if output is Format.JSON:
        as_json({"version": __version__, "python": sys.version.split()[0]})
    else:
        result(f"modelpack {__version__}")


def run() -> None:
    """The entry point: errors of our own tree become one line, a hint, and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        note("interrupted; run the same command again to go on where it stopped")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # `modelpack … | head`: the reader has what it wanted. The interpreter must not flush into the closed pipe.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from modelpack import ModelPackError

        if not isinstance(error, ModelPackError) or environment.debugging():
            raise
        note(f"error: {error}")
        if error.hint:
            note(f"hint: {error.hint}")
        sys.exit(next(_EXIT_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _EXIT_CODES))


if __name__ == "__main__":
    run()
