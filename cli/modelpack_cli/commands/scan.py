"""scan: what is unsafe in model files."""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import Command, FormatOption, QuietOption
from modelpack_cli.output import Format, as_json, counted, note, result, table

if TYPE_CHECKING:
    from modelpack.scan import Finding, Report

_FOUND = 1


class FailOn(StrEnum):
    """From which severity on a scan has failed."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(scan)


def scan(
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A folder with a model, or one file.", show_default=False)
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on, and if something was not checked.")
    ] = FailOn.MEDIUM,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="CODE", help="Say what a code means and what to do; scans nothing."),
    ] = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Look for unsafe content in model files, without loading them.

    Finds pickles that run code (in PyTorch, NumPy and joblib files, in archives and behind compression), files that are two
    things at once, broken headers, chat templates that reach for Python, configurations that ask for code, and programs.
    Exit code 0: nothing at or above --fail-on; 1: something, or not all could be checked.

    \b
    modelpack scan ./model
    modelpack scan ./model --fail-on high
    modelpack scan ./model --format json | jq .verdict
    modelpack scan --explain SCAN-PICKLE-SYSTEM
    """
    from modelpack import InputError

    if explain is not None:
        _explain(explain, output)
        return
    if path is None:
        raise InputError("PATH is missing", hint="modelpack scan ./model")
    _scan(path, fail_on, output, quiet=quiet)


def _explain(name: str, output: Format) -> None:
    from modelpack import InputError
    from modelpack.scan import CODES

    code = CODES.get(name.upper()) or CODES.get(f"SCAN-{name.upper()}")
    if not code:
        raise InputError(f"there is no code {name[:60]!r}", hint=f"one of {', '.join(sorted(CODES))}")
    if output is Format.JSON:
        told = {"severity": str(code.severity), "explanation": code.explanation, "remedy": code.remedy}
        as_json({"code": code.name, **told, "unchecked": code.unchecked})
        return
    result(f"{code.name}  {code.severity}{', not checked' if code.unchecked else ''}")
    result(code.explanation)
    result(f"What to do: {code.remedy}")


def _scan(path: Path, fail_on: FailOn, output: Format, *, quiet: bool) -> None:
    from modelpack import __version__
    from modelpack.scan import scan_folder

    report = scan_folder(path)
    if output is Format.JSON:
        as_json(report.to_json(scanner="modelpack", version=__version__))
    else:
        _show(report)
    failed = _has_failed(report, fail_on)
    if not quiet and output is Format.TABLE and (report.findings or report.unchecked):
        note("modelpack scan --explain CODE says more about a code")
    if failed:
        raise typer.Exit(_FOUND)


def _has_failed(report: Report, fail_on: FailOn) -> bool:
    from modelpack.scan import Severity

    return fail_on is not FailOn.NONE and bool(report.at_least(Severity(fail_on)) or report.unchecked)


def _show(report: Report) -> None:
    from modelpack.scan import CODES

    everything = sorted((*report.findings, *report.unchecked), key=lambda found: (found.path, -found.severity.rank))
    for path, group in groupby(everything, key=lambda found: found.path):
        found = list(group)
        result(path)
        table(("  SEVERITY", "CODE", "WHERE", "WHAT"), [_row(item) for item in found])
        for code in dict.fromkeys(item.code for item in found):
            result(f"  {code}: {CODES[code].remedy}")
        result("")
    told = f"{counted(len(report.findings), 'finding')}, {len(report.unchecked)} not checked"
    result(f"{report.verdict}: {counted(len(report.files), 'file')}, {told}")


def _row(found: Finding) -> tuple[str, str, str, str]:
    return f"  {found.severity}", found.code, found.place or "-", found.message
