"""docs/audit-rules.md says what the rules say. `python -m tests.audit.rules.test_docs` writes its table anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import typer.core
import typer.main
from modelpack_cli.main import app

from modelpack.audit.policy import AuditPolicy
from modelpack.audit.rules import EstateRule, Rule, default
from modelpack.oci.schema import schema_problems
from modelpack.trust.policy.reading import read_fields

DOCUMENT = Path(__file__).parents[3] / "docs" / "audit-rules.md"
BEGIN, END = "<!-- rules -->\n", "<!-- /rules -->\n"
SUBJECTS = {
    "00": "Manifest, configuration, content",
    "01": "Signatures",
    "02": "Bills of materials and other statements",
    "03": "Provenance",
    "04": "Licences",
    "05": "Content that can run code",
    "06": "Weight files",
    "07": "Claims about weights",
    "08": "What changed",
    "09": "Descent",
    "10": "Housekeeping",
    "11": "Annotations and names",
    "12": "The policy itself",
    "13": "Workloads",
}


def table() -> str:
    """The rules as Markdown, by subject."""
    return "\n".join(lines()) + "\n"


def lines() -> Iterator[str]:
    for number, rules in groupby(default(), lambda rule: rule.id[2:4]):
        yield f"\n## {SUBJECTS[number]}\n"
        yield "| rule | severity | says | why it matters | what to do |"
        yield "|---|---|---|---|---|"
        yield from map(line, rules)


def line(rule: Rule) -> str:
    across = " *" if isinstance(rule, EstateRule) else ""
    return f"| `{rule.id}`{across} | {rule.severity} | {rule.title} | {rule.explanation} | {rule.remedy} |"


def test_the_table_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0] == table(), "python -m tests.audit.rules.test_docs"


def test_the_policy_shown_can_be_read() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    text = shown.replace('"sha256:…"', f'"sha256:{"a" * 64}"').encode()
    more = b"version: 1\nrevoked: []\n"
    policy = AuditPolicy.parse(text, read=lambda name: more, trust=lambda name: None)  # type: ignore[arg-type, return-value]
    assert (len(policy.scopes), len(policy.exemptions), len(policy.revoked)) == (2, 1, 3)
    value = read_fields(text, "policy", 1 << 20).value
    assert schema_problems(value, "modelpack-audit-policy.schema.json", "policy") == ()


def test_commands_that_rules_recommend_exist() -> None:
    texts = [text for rule in default() for text in (rule.explanation, rule.remedy)]
    commands = [match for text in texts for match in re.findall(r"`modelpack ([^`]+)`", text)]
    assert commands
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    for command in commands:
        name, *words = re.split(r"[ =]", command)
        found = group.commands.get(name)
        assert found is not None, command
        options = {option for parameter in found.params for option in parameter.opts}
        assert [word for word in words if word.startswith("-") and word not in options] == [], command


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
