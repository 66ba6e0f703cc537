"""The audit policy: what its file says, scope by scope, and what it makes of findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from modelpack.audit.findings import Finding, Severity, Subject
from modelpack.audit.policy import AuditPolicy, Exemption, LicenseRules, Revocation, Settings, judge
from modelpack.audit.rules import default
from modelpack.errors import DocumentError, InputError
from modelpack.oci import JSON
from modelpack.oci.schema import schema_problems
from modelpack.trust import PolicyFile
from modelpack.yamlfile import load_yaml
from tests.audit.rules.artifacts import digest

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SCHEMA = "modelpack-audit-policy.schema.json"
DIGEST = str(digest("base"))

FULL = f"""
version: 1
scopes:
- scope: "*"
  disabled: [MP103, ACME-1]
  severities: {{MP014: high, MP020: low}}
  licenses: {{denied: ["CC-BY-NC-*"]}}
  maxAgeDays: 365
- scope: registry.example/prod/*
  severities: {{MP020: critical}}
  licenses: {{allowed: [Apache-2.0, MIT], denied: []}}
  builders: ["https://ci.example/*"]
  formats: [safetensors, gguf]
- scope: registry.example/prod/llama
  disabled: []
  versionTags: "v[0-9]+"
  parameterTolerancePercent: 10
- scope: oci:*
  maxAgeDays: 30
exemptions:
- {{rules: [MP020, MP030], scope: registry.example/prod/*, reason: moves in January, expires: 2027-01-31}}
- {{rules: [MP010], scope: registry.example/prod/llama, digest: "{DIGEST}", reason: known, expires: "2026-01-01T00:00:00Z"}}
revoked:
- {{digest: "{DIGEST}", reason: a backdoor}}
- {{commit: "{"a" * 40}", reason: wrong licence}}
- {{name: "evil/*", reason: all of them}}
"""


def parse(text: str, **files: str) -> AuditPolicy:
    """Read a policy beside which other files lie."""
    return AuditPolicy.parse(text.encode(), read=lambda name: files[name].encode(), trust=no_trust)


def tree(text: str) -> JSON:
    """What the schema sees."""
    return cast("JSON", load_yaml(text, "policy"))


def no_trust(name: str) -> PolicyFile:
    raise InputError(f"{name} is not there")


def test_settings_come_from_the_narrowest_scope_that_gives_them() -> None:
    policy = parse(FULL)
    llama = policy.settings_for("registry.example/prod/llama", NOW)
    assert llama.disabled == frozenset()
    assert llama.severities == {"MP014": Severity.HIGH, "MP020": Severity.CRITICAL}
    assert llama.licenses == LicenseRules(("Apache-2.0", "MIT"))
    assert llama.max_age == timedelta(365)
    assert llama.version_tags == "v[0-9]+"
    assert llama.parameter_tolerance == 0.1
    assert llama.builders == ("https://ci.example/*",)
    assert llama.formats == ("safetensors", "gguf")
    other = policy.settings_for("registry.example/scratch", NOW)
    assert other.severities == {"MP014": Severity.HIGH, "MP020": Severity.LOW}
    assert other.disabled == {"MP103", "ACME-1"}
    assert other.licenses == LicenseRules(denied=("CC-BY-NC-*",))
    assert policy.settings_for("oci:/models", NOW).max_age == timedelta(30)
    assert policy.settings_for("", NOW) == replace(other, now=NOW)


def test_every_rule_can_be_named() -> None:
    ids = ", ".join(rule.id for rule in default())
    policy = parse(f"version: 1\nscopes:\n- {{scope: '*', disabled: [{ids}]}}")
    assert policy.settings_for("", NOW).disabled == {rule.id for rule in default()}


def test_what_is_revoked_and_exempt_goes_everywhere() -> None:
    settings = parse(FULL).settings_for("", NOW)
    assert settings.revoked == (
        Revocation(DIGEST, "a backdoor"),
        Revocation("a" * 40, "wrong licence"),
        Revocation("evil/*", "all of them"),
    )
    assert [one.expires for one in settings.exemptions] == [
        datetime(2027, 1, 31, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    assert settings.now is NOW


def test_nothing_said_is_the_default() -> None:
    assert AuditPolicy().settings_for("registry.example/x", NOW) == Settings(now=NOW)
    assert parse("version: 1") == AuditPolicy()
    assert parse("version: 1").trust is None


def test_files_lie_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("version: 1\nrevoked:\n- {name: evil/two, reason: worse}\n")
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nrules:\n- {scope: '*', require: {insecureAcceptAnything: true}}\n"
    )
    (tmp_path / "audit.yaml").write_text(
        "version: 1\ntrust: trust.yaml\nrevokedFrom: [more.yaml, more.yaml]\nrevoked:\n- {name: evil/one, reason: bad}\n"
    )
    policy = AuditPolicy.load(tmp_path / "audit.yaml")
    assert policy.revoked == (Revocation("evil/one", "bad"), Revocation("evil/two", "worse"))
    assert policy.trust
    assert policy.trust.name == str(tmp_path / "trust.yaml")
    assert policy.name == str(tmp_path / "audit.yaml")


@pytest.mark.parametrize("file", ["revokedFrom: [none.yaml]", "trust: none.yaml"])
def test_a_file_that_is_not_there(tmp_path: Path, file: str) -> None:
    (tmp_path / "audit.yaml").write_text(f"version: 1\n{file}\n")
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        AuditPolicy.load(tmp_path / "audit.yaml")


def test_a_list_says_which_entry_is_wrong() -> None:
    with pytest.raises(DocumentError, match=r"list\.yaml: revoked\[1\]: exactly one of"):
        parse(
            "version: 1\nrevokedFrom: [list.yaml]",
            **{"list.yaml": "version: 1\nrevoked:\n- {name: a/b, reason: x}\n- {reason: y}\n"},
        )
    with pytest.raises(DocumentError, match="1 is required"):
        parse("version: 1\nrevokedFrom: [list.yaml]", **{"list.yaml": "version: 2\nrevoked: []\n"})


WRONG = {
    "no version": ("scopes: []", "version"),
    "another version": ("version: 2", "version"),
    "a list": ("- version: 1", "a mapping is required"),
    "unknown member": ("version: 1\nrules: []", "rules"),
    "empty member": ("version: 1\ntrust:", "trust"),
    "no scope": ("version: 1\nscopes:\n- {disabled: [MP103]}", "scope"),
    "empty scope": ("version: 1\nscopes:\n- {scope: 7}", "scope"),
    "unknown setting": ("version: 1\nscopes:\n- {scope: '*', maxAge: 3}", "maxAge"),
    "small letters": ("version: 1\nscopes:\n- {scope: '*', disabled: [mp103]}", "disabled"),
    "severity": ("version: 1\nscopes:\n- {scope: '*', severities: {MP103: worst}}", "severities"),
    "severity of nothing": ("version: 1\nscopes:\n- {scope: '*', severities: {mp: low}}", "severities"),
    "licences": ("version: 1\nscopes:\n- {scope: '*', licenses: [MIT]}", "licenses"),
    "licences' member": ("version: 1\nscopes:\n- {scope: '*', licenses: {allow: [MIT]}}", "allow"),
    "empty pattern": ("version: 1\nscopes:\n- {scope: '*', builders: ['']}", "builders"),
    "format": ("version: 1\nscopes:\n- {scope: '*', formats: [bin]}", "formats"),
    "no age": ("version: 1\nscopes:\n- {scope: '*', maxAgeDays: 0}", "maxAgeDays"),
    "age": ("version: 1\nscopes:\n- {scope: '*', maxAgeDays: 99999}", "maxAgeDays"),
    "long pattern": (f"version: 1\nscopes:\n- {{scope: '*', versionTags: {'a' * 501}}}", "versionTags"),
    "tolerance": ("version: 1\nscopes:\n- {scope: '*', parameterTolerancePercent: 101}", "parameterTolerancePercent"),
    "exemption without a reason": (
        "version: 1\nexemptions:\n- {rules: [MP010], scope: '*', expires: 2027-01-31}",
        "reason",
    ),
    "exemption for ever": ("version: 1\nexemptions:\n- {rules: [MP010], scope: '*', reason: x}", "expires"),
    "exemption until some day": (
        "version: 1\nexemptions:\n- {rules: [MP010], scope: '*', reason: x, expires: soon}",
        "expires",
    ),
    "exemption from nothing": (
        "version: 1\nexemptions:\n- {rules: [], scope: '*', reason: x, expires: 2027-01-31}",
        "rules",
    ),
    "exemption nowhere": ("version: 1\nexemptions:\n- {rules: [MP010], reason: x, expires: 2027-01-31}", "scope"),
    "exemption of no digest": (
        "version: 1\nexemptions:\n- {rules: [MP010], scope: '*', reason: x, expires: 2027-01-31, digest: v1}",
        "digest",
    ),
    "revocation of nothing": ("version: 1\nrevoked:\n- {reason: x}", "revoked"),
    "revocation of two": (f"version: 1\nrevoked:\n- {{name: x, commit: {'a' * 40}, reason: x}}", "revoked"),
    "revocation without a reason": ("version: 1\nrevoked:\n- {name: x}", "reason"),
    "short commit": ("version: 1\nrevoked:\n- {commit: abcdef1, reason: x}", "commit"),
    "digest": ("version: 1\nrevoked:\n- {digest: abc, reason: x}", "digest"),
    "everything": ("version: 1\nrevoked:\n- {name: '*', reason: x}", "name"),
    "spaces": ("version: 1\nrevoked:\n- {name: 'a b', reason: x}", "name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_policies_are_refused_by_parser_and_schema(name: str) -> None:
    text, place = WRONG[name]
    with pytest.raises(DocumentError, match=place):
        parse(text)
    assert schema_problems(tree(text), SCHEMA, "policy") != ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 1\nscopes:\n- {scope: '*'}\n- {scope: '*'}", "has settings already"),
        ("version: 1\nscopes:\n- {scope: ubuntu}", "is not a"),
        ("version: 1\nscopes:\n- {scope: '*', disabled: [MP999]}", "there is no rule MP999"),
        ("version: 1\nscopes:\n- {scope: '*', versionTags: '('}", "a regular expression is required"),
        ("version: 1\nexemptions:\n- {rules: [MP010], scope: '*', reason: '  ', expires: 2027-01-31}", "one line"),
        ("version: 1\nrevokedFrom: [" + ", ".join(["x"] * 101) + "]", "more than the 100 allowed"),
    ],
)
def test_what_only_the_parser_can_tell(text: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    "text", [FULL, "version: 1", "version: 1\nscopes: []\nexemptions: []\nrevoked: []\nrevokedFrom: []"]
)
def test_the_schema_agrees_with_what_is_read(text: str) -> None:
    parse(text)
    assert schema_problems(tree(text), SCHEMA, "policy") == ()


FINDING = Finding("MP020", Severity.MEDIUM, Subject("registry.example/prod/llama", digest("base"), ("v1",)), "no bill")


def test_findings_take_severity_and_reason_from_the_policy() -> None:
    policy = parse(FULL)
    (judged,) = policy.apply([FINDING], NOW)
    assert judged == replace(FINDING, severity=Severity.CRITICAL, exempt="moves in January")
    elsewhere = replace(FINDING, subject=Subject("registry.example/x"))
    duplicate = replace(elsewhere, rule="MP103")
    assert list(policy.apply([elsewhere, duplicate], NOW)) == [replace(elsewhere, severity=Severity.LOW)]
    assert list(AuditPolicy().apply([FINDING, duplicate], NOW)) == [FINDING, duplicate]


@pytest.mark.parametrize(
    ("change", "applies"),
    [
        ({}, True),
        ({"rules": ("MP030",)}, False),
        ({"expires": NOW}, False),
        ({"expires": NOW + timedelta(seconds=1)}, True),
        ({"digest": DIGEST}, True),
        ({"digest": str(digest("other"))}, False),
        ({"scope": "registry.example/other/*"}, False),
        ({"scope": "registry.example/prod/llama"}, True),
        ({"scope": "*"}, True),
        ({"scope": "not/a scope"}, False),
    ],
)
def test_exemptions(change: dict[str, object], applies: bool) -> None:
    exemption = Exemption(("MP020",), "registry.example/prod/*", "why", NOW + timedelta(1))
    settings = Settings(now=NOW, exemptions=(replace(exemption, **change),))  # type: ignore[arg-type]
    judged = judge(FINDING, settings)
    assert judged
    assert judged.exempt == ("why" if applies else "")


def test_an_exemption_made_by_a_program_may_name_anything() -> None:
    settings = Settings(now=NOW, exemptions=(Exemption(("MP020",), "a b", "why", NOW + timedelta(1)),))
    judged = judge(replace(FINDING, subject=Subject("a b")), settings)
    assert judged
    assert judged.exempt == "why"


def test_what_is_exempt_already_stays_so() -> None:
    judged = judge(replace(FINDING, exempt="elsewhere", unchecked=True), Settings(now=NOW))
    assert judged == replace(FINDING, exempt="elsewhere", unchecked=True)


def test_a_repository_can_be_without_a_digest() -> None:
    settings = Settings(now=NOW, exemptions=(Exemption(("MP020",), "*", "why", NOW + timedelta(1), DIGEST),))
    judged = judge(replace(FINDING, subject=Subject("registry.example")), settings)
    assert judged
    assert judged.exempt == ""
