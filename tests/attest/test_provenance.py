"""Provenance: from a program, from a file, from a CI job, from git itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack.attest import (
    CYCLONEDX,
    Material,
    Origin,
    Provenance,
    Run,
    ci_facts,
    parse_provenance,
    problems,
    provenance,
    read_git,
    scan_predicate,
    verification_result,
    verification_summary,
)
from modelpack.attest.provenance import LOCAL_BUILDER, PACK, material
from modelpack.errors import DocumentError, InputError, InvalidDigest
from modelpack.oci import Descriptor, Digest
from tests.attest.samples import BUILT, COMMIT

SUBJECT = Digest.of(b"model")
DIGEST = Digest.of(b"base")


def clock() -> Iterator[datetime]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while True:
        yield moment
        moment += timedelta(minutes=1)


def made(run: Run) -> Any:
    data = run.provenance.statement(SUBJECT)
    assert problems(data) == ()
    return json.loads(data)["predicate"]


def test_a_build_as_it_goes() -> None:
    ticks = clock()
    build = modelpack.provenance(parameters={"source": "./m"}, versions={"modelpack": "1"}, clock=lambda: next(ticks))
    with build as run:
        run.uses(f"registry.example/base/bert@{DIGEST}", role="base-model", relation="finetune")
        run.uses(f"hf://datasets/org/name@{COMMIT}", role="dataset")
        run.uses("https://u:secret@host.example/x.csv", role="dataset", sha256=f"sha256:{'a' * 64}")
        run.uses(Origin("x", "https://host.example/y"))
        run.parameter("epochs", 3)
        run.made("sbom", Descriptor.of(CYCLONEDX, b"{}"))
    predicate = made(run)
    definition = predicate["buildDefinition"]
    assert definition["buildType"] == PACK
    assert definition["externalParameters"] == {"source": "./m", "epochs": 3}
    assert definition["resolvedDependencies"] == [
        {
            "name": "base-model",
            "uri": f"oci://registry.example/base/bert@{DIGEST}",
            "digest": {"sha256": DIGEST.hex},
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "annotations": {"relation": "finetune"},
        },
        {"name": "dataset", "uri": "https://huggingface.co/datasets/org/name", "digest": {"gitCommit": COMMIT}},
        {"name": "dataset", "uri": "https://host.example/x.csv", "digest": {"sha256": "a" * 64}},
        {"uri": "https://host.example/y"},
    ]
    details = predicate["runDetails"]
    assert details["builder"]["id"] == LOCAL_BUILDER
    assert set(details["builder"]["version"]) == {"modelpack", "python"}
    assert details["metadata"] == {"startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:01:00Z"}
    assert details["byproducts"] == [
        {"name": "sbom", "digest": {"sha256": Digest.of(b"{}").hex}, "mediaType": CYCLONEDX}
    ]


def test_a_build_that_failed_has_made_nothing() -> None:
    run = provenance()

    def build() -> None:
        with run:
            with pytest.raises(InputError, match="not come to its end"):
                _ = run.provenance
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build()
    with pytest.raises(InputError, match="not come to its end"):
        _ = run.provenance


def test_what_cannot_be_told() -> None:
    with provenance() as run:
        with pytest.raises(InputError, match="names no place"):
            run.uses("a model that I had")
        with pytest.raises(InvalidDigest):
            run.uses("acme/base", sha256="abc")
    for wrong in ({"build_type": "pack"}, {"builder": ""}, {"started": BUILT, "finished": BUILT - timedelta(1)}):
        with pytest.raises(InputError):
            Provenance(**wrong)
    assert material("acme/base") == Material("https://huggingface.co/acme/base")
    assert not Material("x:y").pinned
    bare = Provenance().predicate()
    assert bare == {
        "buildDefinition": {"buildType": PACK, "externalParameters": {}},
        "runDetails": {"builder": {"id": LOCAL_BUILDER}},
    }
    with pytest.raises(InputError, match="zone"):
        Provenance(finished=datetime(2026, 1, 1)).predicate()


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("pass\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def head(repository: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_git(repository: Path) -> None:
    state = read_git(repository)
    assert (state.commit, state.remote, state.branch, state.dirty) == (head(repository), "", "main", False)
    assert state.material() == Material(f"git:{state.commit}", "source", {"gitCommit": state.commit})
    (repository / "train.py").write_text("other\n")
    with provenance() as run:
        run.source_code_from_git(repository)
    found = made(run)["buildDefinition"]["resolvedDependencies"][0]
    assert found["digest"] == {"gitCommit": state.commit}
    assert found["annotations"] == {"dirty": "true"}


@pytest.mark.parametrize(
    ("remote", "public"),
    [
        ("https://user:secret@git.example/a/b.git?token=1", "https://git.example/a/b.git"),
        ("git@git.example:a/b.git", "ssh://git.example/a/b.git"),
        ("ssh://git@git.example/a/b", "ssh://git.example/a/b"),
        ("/home/somebody/b", ""),
        ("file:///home/somebody/b", ""),
        ("../b", ""),
    ],
)
def test_no_secret_of_a_remote_is_told(remote: str, public: str, repository: Path) -> None:
    git(repository, "remote", "add", "origin", remote)
    state = read_git(repository)
    assert state.remote == public
    expected = f"git+{public}@refs/heads/main" if public else f"git:{state.commit}"
    assert state.material().uri == expected


def test_a_detached_head_and_new_files(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://git.example/a")
    git(repository, "checkout", "-q", "--detach")
    (repository / "new").touch()
    state = read_git(repository)
    assert (state.branch, state.dirty, state.material().uri) == ("", True, "git+https://git.example/a")


def test_a_hostile_working_copy_runs_nothing(repository: Path) -> None:
    mark = repository / "mark"
    program = repository / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    read_git(repository)
    assert not mark.exists()


def test_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no git working copy"):
        read_git(tmp_path)
    with pytest.raises(InputError):
        read_git(Path("a\0b"))
    git(tmp_path, "init", "-q")
    with pytest.raises(InputError, match="no git working copy"):
        read_git(tmp_path)
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho nonsense\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    with pytest.raises(InputError, match="names no commit"):
        read_git(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="cannot be run"):
        read_git(tmp_path)


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/llama-chat",
    "GITHUB_WORKFLOW_REF": "acme/llama-chat/.github/workflows/pack.yml@refs/heads/main",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": COMMIT,
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_TOKEN": "secret",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/chat",
    "CI_JOB_URL": "https://gitlab.com/acme/chat/-/jobs/7",
    "CI_COMMIT_SHA": COMMIT,
    "CI_COMMIT_REF_NAME": "main",
    "CI_PIPELINE_SOURCE": "push",
    "CI_JOB_TOKEN": "secret",
}


def test_github() -> None:
    facts = ci_facts(GITHUB)
    with provenance(ci=facts) as run:
        pass
    predicate = made(run)
    page = "https://github.com/acme/llama-chat"
    builder = f"{page}/.github/workflows/pack.yml@refs/heads/main"
    assert predicate["runDetails"]["builder"]["id"] == builder
    assert predicate["runDetails"]["metadata"]["invocationId"] == f"{page}/actions/runs/42/attempts/2"
    assert predicate["buildDefinition"]["resolvedDependencies"] == [
        {"name": "source", "uri": f"git+{page}@refs/heads/main", "digest": {"gitCommit": COMMIT}}
    ]
    github = predicate["buildDefinition"]["internalParameters"]["github"]
    assert github == {"event_name": "push", "ref": "refs/heads/main", "repository": "acme/llama-chat"}
    assert "secret" not in json.dumps(predicate)


def test_gitlab() -> None:
    facts = ci_facts(GITLAB)
    assert facts
    assert facts.builder == "https://gitlab.com/acme/chat//.gitlab-ci.yml"
    assert facts.invocation == "https://gitlab.com/acme/chat/-/jobs/7"
    assert facts.source == Material("git+https://gitlab.com/acme/chat@main", "source", {"gitCommit": COMMIT})
    assert facts.internal == {"gitlab": {"pipeline_source": "push", "ref": "main"}}


def test_other_surroundings() -> None:
    assert ci_facts({"CI": "true"}) is None
    bare = ci_facts({"GITHUB_ACTIONS": "true", "GITHUB_SHA": "?"})
    assert bare
    assert (bare.invocation, bare.source) == ("", None)
    plain = ci_facts({"GITLAB_CI": "true", "CI_COMMIT_SHA": COMMIT})
    assert plain
    assert plain.source
    assert plain.source.uri == "git+https://gitlab.com"


FILE = f"""
version: 1
build:
  type: https://acme.example/buildtypes/finetune/v1
  builder: https://acme.example/builders/cluster
  invocation: job-7
  started: 2026-01-01T10:00:00Z
  finished: 2026-01-01T12:00:00+01:00
  parameters: {{epochs: 3, lr: 2e-5, layers: [1, 2]}}
source:
  uri: git+https://git.example/acme/train
  commit: {COMMIT}
base_models:
  - uri: registry.example/base/bert@{DIGEST}
    relation: finetune
datasets:
  - uri: hf://datasets/acme/words@{COMMIT}
  - {{uri: "https://data.example/x.csv", sha256: {"a" * 64}}}
inputs:
  - {{uri: "file:///model.safetensors", sha256: {"b" * 64}}}
"""


def test_a_file() -> None:
    found = parse_provenance(FILE.encode())
    assert problems(found.statement(SUBJECT)) == ()
    assert (found.build_type, found.invocation) == ("https://acme.example/buildtypes/finetune/v1", "job-7")
    assert found.parameters == {"epochs": "3", "lr": "2e-5", "layers": ["1", "2"]}
    assert found.started == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert found.finished == datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    assert [(item.role, *item.digests) for item in found.dependencies] == [
        ("source", "gitCommit"),
        ("base-model", "sha256"),
        ("dataset", "gitCommit"),
        ("dataset", "sha256"),
        ("input-file", "sha256"),
    ]
    assert parse_provenance(b"version: 1") == Provenance()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("[]", ""),
        ("version: 2", "version"),
        ("build: {}", "version"),
        ("version: 1\nbuild: 3", "build"),
        ("version: 1\nsecrets: x", "secrets"),
        ("version: 1\nbuild: {typ: x}", "build.typ"),
        ("version: 1\nbuild: {type: x}", "build"),
        ("version: 1\nbuild: {started: now}", "build.started"),
        ("version: 1\nbuild: {started: '2026-06-30T23:59:60Z'}", "build.started"),
        ("version: 1\nbuild: {parameters: [1]}", "build.parameters"),
        ("version: 1\nbuild: {started: '2026-01-02T00:00:00Z', finished: '2026-01-01T00:00:00Z'}", "build"),
        ("version: 1\nsource: {uri: x, commit: main}", "source.commit"),
        ("version: 1\nsource: {commit: x}", "source.commit"),
        ("version: 1\nsource: {}", "source.uri"),
        ("version: 1\nbase_models: [{uri: nowhere to be found}]", "base_models[0]"),
        ("version: 1\nbase_models: [x]", "base_models[0]"),
        ("version: 1\ndatasets: [{uri: a/b, relation: merge}]", "datasets[0].relation"),
        ("version: 1\ndatasets: [{uri: a/b, sha256: x}]", "datasets[0]"),
        ("version: 1\ndatasets: [{uri: ''}]", "datasets[0].uri"),
        ("version: 1\ninputs: {a: b}", "inputs"),
        ("version: &a 1\nbuild: *a", ""),
        ("version: [", ""),
        ("\0", ""),
    ],
)
def test_files_that_are_not_read(text: str, path: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_provenance(text.encode())
    assert (caught.value.document, caught.value.path) == ("prov.yaml", path)


def test_files_that_are_no_text() -> None:
    for data in (b"\xff", b" " * ((1 << 20) + 1), b"version: 1\ninputs: [" + b"{uri: a/b}," * 1001 + b"]"):
        with pytest.raises(DocumentError):
            parse_provenance(data)


def test_verdicts() -> None:
    level = "SLSA_BUILD_LEVEL_2"
    said: dict[str, Any] = {"resource": "oci://a/b", "verified": BUILT, "policy": "file:p"}
    seen = [Descriptor.of("x", b"1")]
    found = verification_summary(
        passed=True, levels=[level], inputs=seen, policy_digest=DIGEST, version={"modelpack": "1"}, **said
    )
    assert (found["verificationResult"], found["verifiedLevels"]) == ("PASSED", [level])
    assert found["inputAttestations"] == [{"digest": {"sha256": seen[0].digest.hex}}]
    assert found["policy"] == {"uri": "file:p", "digest": {"sha256": DIGEST.hex}}
    assert verification_summary(passed=False, **said)["verificationResult"] == "FAILED"
    with pytest.raises(InputError, match="verified no level"):
        verification_summary(passed=False, levels=[level], **said)
    with pytest.raises(InputError, match="needs a policy"):
        verification_summary(passed=True, **{**said, "policy": ""})
    result = verification_result(["B", "A", "B"], created=BUILT, policies=[("file:p", DIGEST), ("file:q", None)])
    assert result["properties"] == ["A", "B"]
    with pytest.raises(InputError, match="at least one"):
        verification_result([], created=BUILT)
    assert scan_predicate({"verdict": "clean"}) == {"verdict": "clean"}
