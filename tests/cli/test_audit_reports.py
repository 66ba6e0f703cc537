"""Options for an audit's reports, and what a terminal gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from modelpack_cli.commands.audit.listing import show, summary
from modelpack_cli.commands.audit.reporting import Reports, Shown, reports

from modelpack.audit.reports import KINDS
from modelpack.errors import InputError
from tests.audit.reports.made import audited, hostile, model, ordinary
from tests.audit.reports.test_documents import written

FILES = {
    "html": "--html",
    "sarif": "--sarif",
    "junit": "--junit",
    "csv": "--csv",
    "json": "--json",
    "metrics": "--metrics-file",
}


def given(*arguments: str) -> Reports:
    """What a command that takes reports receives."""
    got: list[Reports] = []

    def command(reports: Reports) -> None:
        got.append(reports)

    app = typer.Typer()
    app.command()(reports(command))
    app([*arguments], standalone_mode=False)
    return got[0]


def test_the_options() -> None:
    assert given() == Reports(Shown.TABLE, {})
    arguments = [part for kind, option in FILES.items() for part in (option, f"x.{kind}")]
    assert given("-f", "jsonl", *arguments) == Reports(Shown.JSONL, {kind: Path(f"x.{kind}") for kind in FILES})
    assert set(FILES) <= set(KINDS)
    assert {str(shown) for shown in Shown} <= {*KINDS, "table"}


def test_files_are_asked_for_before_the_audit(tmp_path: Path) -> None:
    given("--html", str(tmp_path / "a.html"), "--csv", str(tmp_path / "a.csv")).check()
    with pytest.raises(InputError, match=r"--html, .*, is a folder"):
        given("--html", str(tmp_path)).check()
    with pytest.raises(InputError, match=r"--metrics-file, .*, cannot be made: there is no folder"):
        given("--metrics-file", str(tmp_path / "no" / "a.prom")).check()
    with pytest.raises(InputError, match="two reports"):
        given("--html", str(tmp_path / "a"), "--csv", str(tmp_path / "a")).check()


@pytest.mark.parametrize("shown", [Shown.JSON, Shown.JSONL, Shown.CSV])
def test_documents_are_printed_as_they_are(shown: Shown, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Reports(shown, {}).tell(ordinary())
    assert capfdbinary.readouterr().out == written(str(shown), ordinary())


def test_files_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = Reports(Shown.TABLE, {"html": tmp_path / "a.html", "csv": tmp_path / "a.csv"})
    chosen.tell(ordinary())
    assert capsys.readouterr().err == f"html report: {tmp_path}/a.html\ncsv report: {tmp_path}/a.csv\n"
    assert (tmp_path / "a.html").read_bytes() == written("html", ordinary())
    chosen.tell(ordinary(), quiet=True)
    assert capsys.readouterr().err == ""


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(ordinary())
    lines = capsys.readouterr().out.splitlines()
    subject = model("speech/wake-word", "4.2.0").subject
    first = lines.index(str(subject))
    assert lines[first + 1].split() == ["SEVERITY", "RULE", "WHERE", "WHAT"]
    assert lines[first + 2] == "  critical  MP051  model.pt  the pickle names os.system"
    assert not [line for line in lines if "merge-llama" in line]
    assert lines[-4:] == [
        "23 models in 15 places, 13 clean",
        "signatures: 16 signed by somebody trusted, 1 legacy, 1 unknown, 1 expired, 1 wrong, 2 unsigned, 1 unchecked",
        "findings: 5 critical, 4 high, 4 medium, 1 low, 2 not checked, 1 exempt",
        "not complete: what was not checked is not clean",
    ]


def test_a_terminal_is_not_driven_by_names(capsys: pytest.CaptureFixture[str]) -> None:
    show(hostile())
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_nothing_found() -> None:
    assert summary(audited((model("a", "1"),)))[-2:] == ["findings: 0 not checked, 0 exempt", "complete"]
