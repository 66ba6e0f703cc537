"""audit --from-manifests: what a cluster's manifests refer to, audited where it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import modelpack

POD = """
kind: Pod
metadata: {{name: server, namespace: ml}}
spec:
  initContainers:
    - name: model
      image: registry.example/tools/modelpack:0.1.0
      args: [stage, "{reference}", --to=/cache]
"""


@pytest.fixture
def manifests(tmp_path: Path, pushed: str, reference: str) -> Path:
    """Two pods: one names its model by tag, one by digest."""
    folder = tmp_path / "k8s"
    folder.mkdir()
    (folder / "a.yaml").write_text(POD.format(reference=reference))
    (folder / "b.yaml").write_text(POD.format(reference=f"{reference}@{pushed}"))
    return folder


def test_models_of_manifests(manifests: Path, pushed: str, reference: str) -> None:
    ran = modelpack("audit", "--from-manifests", manifests, "--fail-on", "medium", "-f", "json")
    assert ran.code == 1
    told = ran.json
    findings = told["findings"]
    loose = [one for one in findings if one["rule"] == "MP130"]
    assert [one["data"]["reference"] for one in loose] == [reference]
    assert loose[0]["message"] == "Pod ml/server names it by the tag v1"
    assert loose[0]["place"].startswith(f"{manifests}/a.yaml#1 spec.initContainers[0].args[1]")
    # what they refer to is audited like anything else: nobody has signed it
    assert {one["subject"]["digest"] for one in findings if one["rule"] == "MP010"} == {pushed}


def test_files_as_a_shell_gives_them(manifests: Path) -> None:
    names = sorted(manifests.glob("*.yaml"))
    ran = modelpack("audit", "--from-manifests", *names, "--fail-on", "none", "-f", "jsonl")
    assert ran.code == 0
    rules = [json.loads(line).get("rule") for line in ran.out.splitlines()]
    assert rules.count("MP130") == 1


def test_manifests_that_refer_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("kind: ConfigMap\n")
    ran = modelpack("audit", "--from-manifests", tmp_path / "c.yaml")
    assert (ran.code, ran.out, ran.err) == (0, "", "no model is referred to in 1 file\n")
    (tmp_path / "c.yaml").write_text("kind: [")
    broken = modelpack("audit", "--from-manifests", tmp_path / "c.yaml")
    assert broken.code == 2
    assert "not YAML" in broken.err
    modelpack("audit", "--from-manifests").failed(2, "found no manifest")
    (tmp_path / "empty").mkdir()
    modelpack("audit", "--from-manifests", tmp_path / "empty").failed(2, "found no manifest")


def test_what_cannot_be_read_is_not_clean(manifests: Path) -> None:
    (manifests / "c.yaml").write_text(POD.format(reference="$(MODEL)"))
    ran = modelpack("audit", "--from-manifests", manifests, "--fail-on", "none", "-f", "json")
    assert ran.code == 2
    unread = [one for one in ran.json["findings"] if one.get("unchecked") and one["rule"] == "MP130"]
    assert [one["message"] for one in unread] == ["which model it is stands elsewhere"]


def test_the_rule_is_explained() -> None:
    assert "a workload names a model by tag only" in modelpack("audit", "explain", "MP130").done().out
