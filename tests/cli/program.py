"""The command line, called in this process or as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from modelpack_cli.main import app
from typer.testing import CliRunner

COMMAND = (sys.executable, "-m", "modelpack_cli.main")


@dataclass(frozen=True)
class Ran:
    """What a run left: exit code, standard output and standard error, and what was raised."""

    code: int
    out: str
    err: str
    raised: BaseException | None = None

    def done(self) -> Self:
        """The same, if all went well."""
        assert self.code == 0, self
        return self

    def failed(self, code: int, *texts: str) -> Self:
        """The same, if it failed as expected: nothing on stdout, these texts on stderr, no traceback."""
        assert (self.code, self.out) == (code, ""), self
        assert "Traceback" not in self.err
        for text in texts:
            assert text in self.err, self
        return self

    @property
    def last(self) -> str:
        """The last line of the output."""
        return self.out.splitlines()[-1]

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of the output."""
        return [line.split() for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        """The output, parsed."""
        return json.loads(self.out)


def modelpack(*arguments: str | Path, input: str | None = None) -> Ran:  # noqa: A002  # as in subprocess.run
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=input, prog_name="modelpack")
    raised = None if isinstance(result.exception, SystemExit) else result.exception
    return Ran(result.exit_code, result.stdout, result.stderr, raised)


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start it as a program; stdout and stderr are pipes unless ``options`` say otherwise."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, errors="backslashreplace", **(pipes | options))


def program(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Ran:
    """Run it as a program, with more environment variables."""
    with start(*arguments, env={**os.environ, **(env or {})}, cwd=cwd) as process:
        out, err = process.communicate(timeout=30)
    return Ran(process.returncode, out, err)
