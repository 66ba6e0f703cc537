"""The commands that README and docs show can be given: the program's own parser reads each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml
from modelpack_cli.main import app

from tests.contract.sources import ROOT

FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(text: str) -> Iterator[str]:
    """Command lines of ``console`` and ``sh`` blocks, without comments, pipes and what is redirected."""
    for block in re.findall(r"^```(?:console|sh|bash|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if command := re.match(r"(?:\$ )?(?:echo .* \| )?(modelpack .*)", line.strip()):
                yield re.split(r" #| \| | > | && ", command[1])[0].strip()


def in_examples() -> Iterator[tuple[str, str]]:
    """What the examples for clusters and CI start: arguments of containers, lines of workflows."""
    for path in sorted([*(ROOT / "examples").rglob("*.y*ml"), *(ROOT / "deploy").rglob("*.yaml")]):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for value in _members(document):
                if isinstance(value.get("args"), list) and "/modelpack:" in str(value.get("image")):
                    # Kubernetes puts values for $(NAME); some of them are numbers.
                    arguments = [re.sub(r"\$\(\w+\)", "1", str(argument)) for argument in value["args"]]
                    yield path.name, shlex.join(["modelpack", *arguments])
                yield from ((path.name, line) for line in shown(f"```sh\n{value.get('run', '')}\n```\n"))


def _members(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _members(inner)


COMMANDS = [(path.name, line) for path in FILES for line in shown(path.read_text(encoding="utf-8"))]
COMMANDS += in_examples()


def parse(line: str) -> None:
    """Raises click's usage errors."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("modelpack", shlex.split(line)[1:], allow_extra_args=True)
    rest = [*getattr(context, "_protected_args", ()), *context.args]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", ()), *context.args]


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_the_command_can_be_given(name: str, line: str) -> None:
    parse(line)


def test_the_check_itself() -> None:
    assert len(COMMANDS) > 30
    assert {name for name, _ in COMMANDS} >= {"README.md", "registry-cronjob.yaml", "audit.yml"}
    assert [
        *shown("```console\n$ modelpack ls x \\\n    -f json | jq  # y\nout\n```\n```python\nmodelpack x\n```\n")
    ] == ["modelpack ls x      -f json"]
    for wrong in ("modelpack pul x", "modelpack pull", "modelpack pull x --nonsense", "modelpack key forge"):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parse(wrong)
