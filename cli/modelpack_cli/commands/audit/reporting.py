"""What an audit came to, on the terminal and in files: options, and what is done with them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from modelpack_cli.commands.audit.listing import show
from modelpack_cli.options import REPORTS, gathered
from modelpack_cli.output import document, note

if TYPE_CHECKING:
    from modelpack.audit.results import Results

_PIECE = 1 << 16

Body = TypeVar("Body", bound=Callable[..., None])


class Shown(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Reports:
    """What was asked for: how to print, and files by kind of report (:data:`modelpack.audit.reports.KINDS`)."""

    shown: Shown
    files: Mapping[str, Path]

    def check(self) -> None:
        """Before a long audit, not after it: can the files be written? Raises InputError."""
        from modelpack import InputError

        if twice := {path for path in self.files.values() if [*self.files.values()].count(path) > 1}:
            raise InputError(f"two reports are to go to {min(twice)}", hint="give each a file of its own")
        for kind, path in self.files.items():
            if path.is_dir() or not path.parent.is_dir():
                missing = "is a folder" if path.is_dir() else f"cannot be made: there is no folder {path.parent}"
                raise InputError(f"the file of --{_OPTIONS[kind]}, {path}, {missing}")

    def tell(self, results: Results, *, quiet: bool = False) -> None:
        """Write the files, then print. Raises StoreError, NoSpace."""
        from modelpack.audit.reports import write_file

        for kind, path in self.files.items():
            write_file(kind, results, path)
            if not quiet:
                note(f"{kind} report: {path}")
        if self.shown is Shown.TABLE:
            show(results)
        else:
            _print(str(self.shown), results)


def _print(kind: str, results: Results) -> None:
    from modelpack.audit.reports import write

    with io.BufferedWriter(_Stdout(), _PIECE) as stream:
        write(kind, results, stream)


class _Stdout(io.RawIOBase):
    """Stdout as other documents are written to it, with its errors."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        document(bytes(data))
        return len(data)


_OPTIONS = {"html": "html", "sarif": "sarif", "junit": "junit", "csv": "csv", "json": "json", "metrics": "metrics-file"}
_HELP = {
    "html": "A page that needs nothing else: findings, signatures, lineage.",
    "sarif": "SARIF 2.1.0, for GitHub's code scanning and others.",
    "junit": "JUnit's XML, for CI systems.",
    "csv": "Findings for spreadsheets.",
    "json": "Everything, for programs (schemas/modelpack-audit.schema.json).",
    "metrics": "Figures for Prometheus (node_exporter's textfile collector).",
}


def _file(kind: str) -> Any:
    option = typer.Option(f"--{_OPTIONS[kind]}", metavar="FILE", help=_HELP[kind], rich_help_panel=REPORTS)
    return Annotated[Path | None, option]


_PARAMETERS: dict[str, tuple[Any, Any]] = {
    "output": (Annotated[Shown, typer.Option("--format", "-f", help="How to print the result.")], Shown.TABLE),
    **{kind: (_file(kind), None) for kind in _OPTIONS},
}


def reports(command: Body) -> Body:
    """Give a command the options for reports; it receives them as one argument ``reports``."""
    return gathered(command, "reports", _PARAMETERS, _reports)


def _reports(*, output: Shown, **files: Path | None) -> Reports:
    return Reports(output, {kind: path for kind, path in files.items() if path is not None})
