"""The program as a whole: help, versions, completion, errors, and what it does to its surroundings."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest
import typer
from modelpack_cli.main import app, run

import modelpack as library
from modelpack.errors import RegistryError
from tests.cli.program import Ran, modelpack, program

COMMANDS = [
    "pack",
    "push",
    "pull",
    "copy",
    "inspect",
    "diff",
    "lineage",
    "sbom",
    "scan",
    "audit",
    "sign",
    "attest",
    "verify",
    "tree",
    "ls",
    "tag",
    "rm",
    "prune",
    "login",
    "logout",
    "serve",
    "version",
    "stage",
    "key",
]


def test_help_lists_the_commands_in_the_order_of_their_use() -> None:
    for arguments in (["--help"], ["-h"]):
        ran = modelpack(*arguments).done()
        found = re.findall(r"^  (\w+)  +(\S.*)$", ran.out.partition("Commands:\n")[2], re.MULTILINE)
        assert [name for name, _ in found] == COMMANDS
        assert [text for _, text in found if "..." in text] == []
    assert modelpack().err.startswith("Usage: modelpack") or modelpack().out.startswith("Usage: modelpack")


@pytest.mark.parametrize("command", [*COMMANDS[:-1], "key generate", "key import", "key public"])
def test_every_command_has_help(command: str) -> None:
    text = modelpack(*command.split(), "--help").done().out
    assert text.startswith(f"Usage: modelpack {command} [OPTIONS]")
    assert max(map(len, text.splitlines())) <= 110
    options = [line for line in text.splitlines() if re.match(r"  -", line)]
    assert len(options) > 1
    assert all(re.search(r"\S  +\S", line) or len(line) > 28 for line in options), "an option without words"


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if name not in ("serve", "scan", "prune", "version", "key")]
)
def test_connection_options_have_a_list_of_their_own(command: str) -> None:
    own, title, shared = modelpack(command, "--help").done().out.partition("\nConnection:\n")
    assert title
    assert "--help" in own
    for option in (
        "--plain-http",
        "--ca-file",
        "--insecure-skip-tls-verify",
        "--registry-config",
        "--retries",
        "--jobs",
    ):
        assert option in shared
        assert option not in own


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("serve", "key")])
def test_every_command_speaks_json(command: str) -> None:
    assert "--format" in modelpack(command, "--help").done().out


def test_versions() -> None:
    for arguments in (["version"], ["--version"]):
        assert modelpack(*arguments).done().out == f"modelpack {library.__version__}\n"
    told = modelpack("version", "-f", "json").done().json
    assert told == {"version": library.__version__, "python": sys.version.split()[0]}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["pus"], "No such command 'pus'"),
        (["push"], "Missing argument"),
        (["push", "a", "b", "c"], "unexpected extra argument"),
        (["pull", "a", "--nonsense"], "No such option: --nonsense"),
        (["ls", "-f", "yaml"], "yaml"),
        (["pull", "a", "--retries", "0"], "--retries"),
        (["serve", "x", "--port", "70000"], "--port"),
    ],
)
def test_wrong_command_lines(arguments: list[str], text: str) -> None:
    modelpack(*arguments).failed(2, "Usage: modelpack", text)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (library.InputError("x"), 2),
        (library.DocumentError("manifest", "layers", "x"), 3),
        (library.DigestMismatch("x"), 4),
        (library.NotFound("x"), 5),
        (library.AccessDenied("x", hint="do y"), 5),
        (RegistryError("x", status=418, code="TEAPOT", method="GET", url="http://registry.example/"), 5),
    ],
)
def test_exit_codes(error: library.ModelPackError, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "list_names", failing(error))
    ran = modelpack("ls", "registry.example").failed(code, f"error: {error}\n")
    assert ("hint: do y\n" in ran.err) == bool(error.hint)


def failing(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def test_an_error_that_nobody_expected_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "list_names", failing(ZeroDivisionError("x")))
    assert isinstance(modelpack("ls", "registry.example").raised, ZeroDivisionError)


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "list_names", failing(KeyboardInterrupt()))
    ran = modelpack("ls", "registry.example").failed(130)
    assert ran.err == "interrupted; run the same command again to go on where it stopped\n"


def test_a_reader_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "list_names", failing(BrokenPipeError()))
    assert modelpack("ls", "registry.example").done().err == ""


def test_debugging_shows_where_it_happened() -> None:
    plain, debug = program("ls", "?"), program("ls", "?", env={"MODELPACK_DEBUG": "1"})
    assert (plain.code, "Traceback" in plain.err) == (2, False)
    assert (debug.code, "Traceback" in debug.err, "InvalidReference" in debug.err) == (1, True, True)


def test_help_loads_neither_the_library_nor_rich() -> None:
    code = """
import sys
sys.argv = ["modelpack", *{arguments!r}]
from modelpack_cli.main import run
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
print("loaded:", *sorted(name for name in sys.modules if name.split(".")[0] in ("modelpack", "rich", "requests", "jsonschema")))
"""
    for arguments in (["--help"], ["pull", "--help"]):
        ran = python(code.format(arguments=arguments))
        assert ran.out.splitlines()[0].startswith("Usage: modelpack")
        assert ran.last == "loaded:"


def python(code: str, **env: str) -> Ran:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    ran = program("--show-completion", shell, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}).done()
    assert f"_MODELPACK_COMPLETE=complete_{shell}" in ran.out


def test_completion_of_commands_and_options() -> None:
    for typed, expected in (("modelpack pu", ["push", "pull"]), ("modelpack pull --for", ["--force", "--format"])):
        words = python(
            "from modelpack_cli.main import run; run()",
            _MODELPACK_COMPLETE="complete_bash",
            COMP_WORDS=typed,
            COMP_CWORD=str(len(typed.split()) - 1),
        )
        assert words.out.split() == expected


@pytest.mark.parametrize("closed", [False, True])
def test_the_entry_point(closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = None if closed else io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "argv", ["whatever", "version"])
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as end:
        run()
    assert not end.value.code
    if stdout:
        assert stdout.errors == "backslashreplace"
    else:
        sys.stdout.close()


def test_the_command_line_can_be_embedded() -> None:
    assert isinstance(app, typer.Typer)
    assert Path(library.__file__).parent.name == "modelpack"
