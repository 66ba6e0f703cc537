"""The policy file: what it means, and that its schema and its reader agree on what it may say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import DocumentError, InputError, ModelPackError, PolicyViolation
from modelpack.oci import Digest, Reference
from modelpack.oci.schema import schema_problems
from modelpack.trust import (
    AllOf,
    AnyOf,
    Attested,
    CertificateIdentity,
    InsecureAcceptAnything,
    KeyIdentity,
    KeylessIdentity,
    NotaryIdentity,
    Policy,
    PolicyFile,
    SignedBy,
)
from modelpack.trust.policy.document import MAX_POLICY, PREDICATES
from modelpack.trust.policy.scopes import Scope
from modelpack.yamlfile import load_yaml
from tests.trust.making import key
from tests.trust.x509.making import root

FILES = {
    "signer.pub": key().public_key.pem,
    "other.pub": key("other").public_key.pem,
    "private.key": key().to_keyfile(b""),
    "root.pem": root().pem,
}
PEM = json.dumps(key("inline").public_key.pem.decode())


def read(name: str) -> bytes:
    if name not in FILES:
        raise InputError(f"there is no {name}")
    return FILES[name]


def parse(text: str) -> PolicyFile:
    return PolicyFile.parse(text.encode(), read, "policy.yaml")


def one(
    require: str, scope: str = "'*'", identities: str = "a: {key: {file: signer.pub}}, b: {key: {file: other.pub}}"
) -> str:
    return f"version: 1\nidentities: {{{identities}}}\nrules: [{{scope: {scope}, require: {require}}}]\n"


def required(require: str) -> Policy:
    return parse(one(require)).rules[0][1]


A, B = KeyIdentity(key().public_key, "a"), KeyIdentity(key("other").public_key, "b")
DAY = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("require", "policy"),
    [
        ("{signed: {by: a}}", SignedBy(A)),
        ("{signed: {by: [a, b, a], threshold: 2}}", SignedBy(A, B, threshold=2)),
        ("{signed: {by: a, after: 2026-01-31}}", SignedBy(A, after=DAY)),
        ("{signed: {by: a, modelSignatures: true}}", SignedBy(A, model_signatures=True)),
        ("{attested: {type: cyclonedx, by: a}}", Attested("https://cyclonedx.org/bom", A)),
        (
            "{attested: {type: 'https://example.com/x', by: [a], after: 2026-01-31, where: {a.b: [1, two], c: true, d: null}}}",
            Attested("https://example.com/x", A, after=DAY, where={"a.b": (1, "two"), "c": True, "d": None}),
        ),
        ("{all: [{signed: {by: a}}, {signed: {by: b}}]}", AllOf(SignedBy(A), SignedBy(B))),
        ("{any: [{signed: {by: a}}, {all: [{signed: {by: b}}]}]}", AnyOf(SignedBy(A), AllOf(SignedBy(B)))),
        ("{insecureAcceptAnything: true}", InsecureAcceptAnything()),
    ],
)
def test_what_is_required(require: str, policy: Policy) -> None:
    assert required(require) == policy


def test_identities_of_every_kind() -> None:
    kinds = f"""
        k: {{key: {{pem: {PEM}, until: 2026-01-31, rsaPss: true}}}},
        c: {{certificate: {{roots: [root.pem], intermediates: [root.pem], subject: O=acme, tsaRoots: [root.pem], rsaPss: true}}}},
        s: {{certificate: {{roots: [root.pem], san: release@acme.example, requireRevocation: true}}}},
        l: {{keyless: {{identity: a@b.example, issuerRegexp: 'https://b\\.example'}}}},
        n: {{notary: {{roots: [root.pem], subject: 'C=US, ST=WA, O=acme'}}}}"""
    policy = parse(one("{signed: {by: [k, c, s, l, n], threshold: 5}}", identities=kinds)).rules[0][1]
    assert isinstance(policy, SignedBy)
    of_key, of_subject, of_name, keyless, notary = policy.identities
    assert of_key == KeyIdentity(key("inline").public_key, "k", DAY, pss=True)
    assert isinstance(of_subject, CertificateIdentity)
    assert (of_subject.subject, of_subject.pss, of_subject.require_revocation) == ("O=acme", True, False)
    assert len(of_subject.roots) == len(of_subject.intermediates) == len(of_subject.tsa_roots) == 1
    assert isinstance(of_name, CertificateIdentity)
    assert (of_name.san, of_name.require_revocation) == ("release@acme.example", True)
    assert isinstance(keyless, KeylessIdentity)
    assert (keyless.identity, keyless.issuer_regexp) == ("a@b.example", r"https://b\.example")
    assert isinstance(notary, NotaryIdentity)
    assert [identity.name for identity in policy.identities] == ["k", "c", "s", "l", "n"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", DAY),
        ("2026-01-31T12:00:00Z", DAY + timedelta(hours=12)),
        ("2026-01-31t12:00:00z", DAY + timedelta(hours=12)),
        ("2026-01-31T12:00:00.5+02:00", datetime(2026, 1, 31, 12, 0, 0, 500_000, timezone(timedelta(hours=2)))),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    policy = required(f"{{signed: {{by: a, after: '{text}'}}}}")
    assert isinstance(policy, SignedBy)
    assert policy.after == moment


SCOPES = ["*", "oci:*", "registry.example/*", "registry.example/ml/*", "registry.example/ml/tiny", "localhost:5000/*"]


@pytest.mark.parametrize(
    ("reference", "scope"),
    [
        ("registry.example/ml/tiny:v1", "registry.example/ml/tiny"),
        ("Registry.Example/ml/tiny:v1", "registry.example/ml/tiny"),
        (f"registry.example/ml/tiny@{Digest.of(b'')}", "registry.example/ml/tiny"),
        ("registry.example/ml/tiny2", "registry.example/ml/*"),
        ("registry.example/mlx", "registry.example/*"),
        ("registry.example.org/ml/tiny", "*"),
        ("localhost:5000/a", "localhost:5000/*"),
        ("localhost:5001/a", "*"),
        ("tiny", "*"),
        ("oci:models/../elsewhere:v1", "oci:*"),
        ("oci:registry.example/ml/tiny", "oci:*"),
    ],
)
def test_the_narrowest_scope_counts(reference: str, scope: str) -> None:
    for scopes in (SCOPES, SCOPES[::-1]):
        rules = tuple(
            (Scope.parse(text), AnyOf(*[InsecureAcceptAnything()] * (SCOPES.index(text) + 1))) for text in scopes
        )
        policy = PolicyFile(rules).for_reference(Reference.parse(reference))
        assert isinstance(policy, AnyOf)
        assert len(policy.policies) == SCOPES.index(scope) + 1


def test_where_no_rule_is_nothing_is_trusted() -> None:
    policy = parse(one("{signed: {by: a}}", "registry.example/ml/*"))
    for reference in ("registry.example/other", "oci:registry.example/ml/x"):
        with pytest.raises(
            PolicyViolation, match=r"policy\.yaml has no rule for (registry|oci:).*nothing from there"
        ) as caught:
            policy.for_reference(Reference.parse(reference))
        assert caught.value.findings == (str(caught.value),)


def test_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "signer.pub").write_bytes(FILES["signer.pub"])
    file = tmp_path / "policy.yaml"
    file.write_text(one("{signed: {by: a}}", identities="a: {key: {file: keys/signer.pub}}"))
    assert PolicyFile.load(file).rules[0][1] == SignedBy(A)
    assert PolicyFile.load(file).name == str(file)
    file.write_text(one("{signed: {by: a}}"))
    with pytest.raises(DocumentError, match=r"identities\.a: .*signer\.pub cannot be read: No such file"):
        PolicyFile.load(file)
    file.write_text(one("{signed: {by: a}}", identities='a: {key: {file: "a\\0b"}}'))
    with pytest.raises(DocumentError, match="cannot be the name of a file"):
        PolicyFile.load(file)
    (tmp_path / "signer.pub").write_bytes(b"x" * (MAX_POLICY + 1))
    file.write_text(one("{signed: {by: a}}"))
    with pytest.raises(DocumentError, match="longer than the 1048576 bytes"):
        PolicyFile.load(file)
    with pytest.raises(InputError, match="cannot be read"):
        PolicyFile.load(tmp_path)
    with pytest.raises(DocumentError, match="more than the 1048576 allowed"):
        PolicyFile.parse(b" " * (MAX_POLICY + 1), read)
    with pytest.raises(DocumentError, match="not UTF-8 at byte 3"):
        PolicyFile.parse(b"a: \xff", read)


GOOD = [
    one("{signed: {by: a}}"),
    one("{signed: {by: [a, b], threshold: 2, after: 2026-01-31, modelSignatures: false}}"),
    one("{signed: {by: a, after: '2026-01-31T12:00:00+01:00'}}"),
    one("{attested: {type: vsa, by: a, threshold: 1, where: {verificationResult: PASSED, x: [1, true], y: {z: []}}}}"),
    one("{any: [{all: [{signed: {by: a}}]}, {insecureAcceptAnything: true}]}"),
    one("{signed: {by: a}}", identities=f"a: {{key: {{pem: {PEM}, until: 2026-12-31, rsaPss: false}}}}"),
    one("{signed: {by: a}}", identities="a: {certificate: {roots: [root.pem], san: a@b.example, crls: []}}"),
    one("{signed: {by: a}}", identities="a: {keyless: {identityRegexp: 'a', issuer: 'https://b.example'}}"),
    one("{signed: {by: a}}", identities="a: {notary: {roots: [root.pem], subject: 'C=US, ST=WA, O=acme'}}"),
    *(
        one("{signed: {by: a}}", f"'{scope}'")
        for scope in [*SCOPES, "docker.io/*", "docker.io/library/x", "[::1]:5000/a/*"]
    ),
    *(one("{signed: {by: a}}", f"'{scope}'") for scope in ["a.b/c__d/e-f.g/h", "host:5000/x"]),
    json.dumps(load_yaml(one("{signed: {by: a}}"), "")),
]
"""Both accept these."""

BAD = [
    "",
    "[]",
    "version: 1",
    one("{signed: {by: a}}").replace("version: 1", "version: 2"),
    one("{signed: {by: a}}").replace("version: 1", "version: true"),
    one("{signed: {by: a}}").replace("version: 1", "version: '1'"),
    one("{signed: {by: a}}") + "more: 1",
    "version: 1\nrules: []",
    "version: 1\nidentities: []\nrules: [{scope: '*', require: {insecureAcceptAnything: true}}]",
    "version: 1\nidentities:\nrules: [{scope: '*', require: {insecureAcceptAnything: true}}]",
    "version: 1\nrules: [{scope: '*', require: {insecureAcceptAnything: true}, x: 1}]",
    "version: 1\nrules: [{scope: '*'}]",
    "version: 1\nrules: [{require: {insecureAcceptAnything: true}}]",
    "version: 1\nrules: [x]",
    *(one("{signed: {by: a}}", identities=identities) for identities in [
        "a: {}", "a: {key: {}}", "a: {key: {file: signer.pub, x: 1}}", f"a: {{key: {{file: signer.pub, pem: {PEM}}}}}",
        "a: {key: {file: signer.pub}, keyless: {}}", "a: {other: {}}", "a: []", "a: {key: {file: 1}}",
        "a: {key: {file: signer.pub, until: }}", "a: {key: {file: signer.pub, until: ''}}",
        "a: {key: {file: signer.pub, until: soon}}", "a: {key: {file: signer.pub, until: '2026-01-31 12:00:00Z'}}",
        "a: {key: {file: signer.pub, until: 2026-1-31}}", "a: {key: {file: signer.pub, until: 20260131}}",
        "a: {key: {file: signer.pub, until: '2026-01-31T12:00:00'}}", "a: {key: {file: signer.pub, until: 2026-W05-6}}",
        "a: {key: {file: signer.pub, rsaPss: 'yes'}}", "a: {key: {file: signer.pub, rsaPss: yes}}",
        "a: {certificate: {roots: [root.pem]}}", "a: {certificate: {roots: [], san: x@y.example}}",
        "a: {certificate: {san: x@y.example}}", "a: {certificate: {roots: root.pem, san: x@y.example}}",
        "a: {keyless: {identity: x, identityRegexp: y, issuer: z}}", "a: {keyless: {identity: x}}",
        "a: {keyless: {identity: '', identityRegexp: y, issuer: z}}", "a: {keyless: {issuer: x}}",
        "a: {keyless: {identity: x, issuer: z, trustedRoot: }}",
        "a: {notary: {roots: [root.pem]}}", "a: {notary: {subject: 'C=US, ST=WA, O=acme'}}",
        '"a\\nb": {key: {file: signer.pub}}, a: {key: {file: signer.pub}}',
        '"": {key: {file: signer.pub}}, a: {key: {file: signer.pub}}',
        f"{'x' * 101}: {{key: {{file: signer.pub}}}}, a: {{key: {{file: signer.pub}}}}",
    ]),
    *(one(require) for require in [
        "{}", "{signed: {}}", "{signed: {by: a}, insecureAcceptAnything: true}", "{insecureAcceptAnything: false}",
        "{insecureAcceptAnything: }", "{insecureAcceptAnything: 'true'}", "{all: []}", "{any: []}", "{any: {}}", "{all: [{}]}",
        "{all: }", "{signed: {by: []}}", "{signed: {by: [1]}}", "{signed: {by: a, threshold: 0}}",
        "{signed: {by: a, threshold: '1'}}",
        "{signed: {by: a, threshold: true}}", "{signed: {by: a, threshold: 1.0}}", "{signed: {by: a, threshold: -1}}",
        "{signed: {by: a, threshold: }}", "{signed: {by: a, after: }}", "{signed: {by: a, after: yesterday}}",
        "{signed: {by: a, where: {}}}", "{signed: {by: a, modelSignatures: }}", "{signed: {by: ''}}", "{unsigned: {}}", "[]",
        "{attested: {by: a}}", "{attested: {type: '', by: a}}", "{attested: {type: vsa}}",
        "{attested: {type: vsa, by: a, where: }}",
        "{attested: {type: vsa, by: a, where: {'': 1}}}", "{attested: {type: vsa, by: a, where: {x: []}}}",
        "{attested: {type: vsa, by: a, where: [x]}}", "{attested: {type: vsa, by: a, modelSignatures: true}}",
    ]),
    *(one("{signed: {by: a}}", scope) for scope in [
        "''", "'**'", "oci:models/*", "registry.example", "Registry.example/*", "registry.example/ML/*", "registry.example/ml*",
        "'registry.example/*/x'", "https://registry.example/*", "registry.example/ml:v1", "index.docker.io/*", "docker.io/tiny",
        "tiny", "ml/tiny", "'/*'", "'registry.example//x'", "' registry.example/*'", "1",
    ]),
]  # fmt: skip
"""Both refuse these."""

REFUSED_WHEN_READ = {
    one("{signed: {by: c}}"): "'c' is not among the identities",
    one("{signed: {by: [a, b], threshold: 3}}"): "3 of 2 identities cannot be required",
    one("{signed: {by: [a, a], threshold: 2}}"): "2 of 1 identities cannot be required",
    one("{signed: {by: a, after: 2026-02-30}}"): "a date",
    one("{signed: {by: a, after: 2026-13-01}}"): "a date",
    one("{signed: {by: a}}", identities="a: {key: {file: absent.pub}}"): "there is no absent.pub",
    one("{signed: {by: a}}", identities="a: {key: {file: private.key}}"): "private.key is a private key",
    one("{signed: {by: a}}", identities="a: {key: {pem: x}}"): r"identities.a.key.pem is not a public key",
    one("{signed: {by: a}}", identities="a: {certificate: {roots: [signer.pub], san: x@y.example}}"): "signer.pub",
    one("{signed: {by: a}}", identities="a: {notary: {roots: [root.pem], subject: 'x'}}"): r"identities\.a",
    one("{signed: {by: a}}", identities="a: {keyless: {identityRegexp: '(', issuer: x}}"): "identities.a",
    one("{signed: {by: a}}") + "  # no end\n- ]": "not YAML",
    one("{signed: {by: a}}").replace(
        "rules: [", "rules: [{scope: '*', require: {insecureAcceptAnything: true}}, "
    ): "rule already",
    one("{signed: {by: a}}", identities="a: {key: {file: signer.pub}}, a: {key: {file: other.pub}}"): "stands twice",
}
"""What a schema cannot know."""


def tree(text: str) -> Any:
    return load_yaml(text, "policy")


@pytest.mark.parametrize("text", GOOD)
def test_schema_and_reader_accept(text: str) -> None:
    assert parse(text).rules
    assert schema_problems(tree(text), "modelpack-policy.schema.json", "policy") == ()


@pytest.mark.parametrize("text", BAD)
def test_schema_and_reader_refuse(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert schema_problems(tree(text), "modelpack-policy.schema.json", "policy") != ()


@pytest.mark.parametrize("text", REFUSED_WHEN_READ)
def test_the_reader_alone_refuses(text: str) -> None:
    with pytest.raises(DocumentError, match=REFUSED_WHEN_READ[text]):
        parse(text)


def test_too_many_rules() -> None:
    rule = "{scope: a.b/c%d, require: {insecureAcceptAnything: true}}"
    text = f"version: 1\nrules: [{', '.join(rule % n for n in range(1001))}]"
    with pytest.raises(DocumentError, match="1001 entries are more than the 1000"):
        parse(text)
    assert schema_problems(tree(text), "modelpack-policy.schema.json", "policy") != ()


def test_short_names_are_cosign_s() -> None:
    assert PREDICATES["slsaprovenance1"] == "https://slsa.dev/provenance/v1"
    assert all(name.isalnum() and uri.startswith("https://") for name, uri in PREDICATES.items())
    assert issubclass(DocumentError, ModelPackError)
