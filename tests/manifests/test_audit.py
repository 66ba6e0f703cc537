"""What deploy/kubernetes/audit and examples/github-actions ship: valid, locked up, with arguments that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelpack import Reference
from modelpack.audit import AuditPolicy
from modelpack.audit.workloads import read_workloads
from tests.manifests.objects import FOLDER, Object, Pod, objects, pods
from tests.manifests.security import violations
from tests.manifests.test_kubernetes import VERSIONS, parsed, validate

AUDIT = FOLDER / "audit"
WORKFLOW = FOLDER.parents[1] / "examples" / "github-actions" / "audit.yml"
OBJECTS, PODS = objects(AUDIT), pods(AUDIT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", OBJECTS, ids=str)
def test_kubernetes_knows_every_field(one: Object, version: str) -> None:
    validate(one.value, version)


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_pods_are_locked_up(pod: Pod) -> None:
    assert pod.namespace == "models"
    assert violations(pod.spec) == []
    assert pod.spec["automountServiceAccountToken"] is False
    for container in pod.containers():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert "limits" in container["resources"]


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_arguments_are_what_the_program_takes(pod: Pod) -> None:
    (container,) = pod.ours()
    command, values = parsed(container["args"])
    assert command == "audit"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    for path in (values[name] for name in ("audit_policy", "state", "html", "metrics") if values[name]):
        assert str(path.parent) in mounts
    written = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert "/tmp" in written
    if values["state"]:
        assert str(values["state"].parent) in written
    if values["from_manifests"]:
        assert [str(Path(target).parent) for target in values["targets"]] == ["/found"]
    assert {volume["name"] for volume in pod.spec["volumes"]} == {
        mount["name"] for one in pod.containers() for mount in one["volumeMounts"]
    }


def test_only_the_lister_gets_a_token_and_it_may_only_list() -> None:
    (pod,) = (pod for pod in PODS if "workloads" in pod.source)
    holders = [one["name"] for one in pod.containers() if "token" in {mount["name"] for mount in one["volumeMounts"]}]
    assert holders == ["list"]
    (role,) = (one.value for one in OBJECTS if one.kind == "ClusterRole")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}
    assert not {"secrets", "configmaps", "*"} & {name for rule in role["rules"] for name in rule["resources"]}
    (script,) = (one["command"][-1] for one in pod.containers() if one["name"] == "list")
    asked = set(re.search(r"get (\S+)", script)[1].split(","))  # type: ignore[index]
    assert asked == {name for rule in role["rules"] for name in rule["resources"]}


def test_exit_codes_that_are_tried_again() -> None:
    (job,) = (one.value["spec"]["jobTemplate"]["spec"] for one in OBJECTS if str(one).endswith("CronJob/model-audit"))
    codes = {
        rule["action"]: rule["onExitCodes"]["values"]
        for rule in job["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    }
    assert codes == {"FailJob": [1, 3, 4], "Ignore": [143], "Count": [2, 5]}


def test_the_policy_is_read_as_kubelets_mount_it(tmp_path: Path) -> None:
    (config,) = (one.value for one in OBJECTS if one.kind == "ConfigMap")
    (tmp_path / "..2026").mkdir()
    for name, text in config["data"].items():
        (tmp_path / "..2026" / name).write_text(text)
        (tmp_path / name).symlink_to(Path("..data") / name)
    (tmp_path / "..data").symlink_to("..2026")
    policy = AuditPolicy.load(tmp_path / "audit.yaml")
    assert policy.trust is not None
    assert policy.trust.for_reference(Reference.parse("registry.example/ml/llama:v3")).identities
    assert len(policy.revoked) == 1


def test_our_own_manifests_name_models() -> None:
    """Every kind of reference in the examples for serving is found; the audit's own name none."""
    found = read_workloads([FOLDER])
    assert found.unread == ()
    assert len(found.found) > 10
    assert {Path(one.file).name for one in found.found} >= {
        "kserve.yaml",
        "image-volume.yaml",
        "ray.yaml",
        "prefetch-job.yaml",
    }
    assert read_workloads([AUDIT]).found == ()


def test_the_readme_names_every_file() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(audit/([\w-]+\.yaml)\)", text)) == {path.name for path in AUDIT.glob("*.yaml")}


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(
        WORKFLOW.read_text(encoding="utf-8"), yaml.BaseLoader
    )  # texts only, so that `on` stays
    return found


def test_the_workflow_asks_for_little_and_pins_what_it_runs() -> None:
    found = workflow()
    assert found["permissions"] == {}
    (job,) = found["jobs"].values()
    assert job["permissions"] == {"contents": "read", "packages": "read", "security-events": "write"}
    assert not {"pull_request", "pull_request_target"} & found["on"].keys()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", one) for one in used)
    assert job["steps"][0]["with"]["persist-credentials"] == "false"
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert not any("${{" in script for script in scripts), "what others write must not become a script"


def test_the_workflow_calls_the_program_as_it_is() -> None:
    (job,) = workflow()["jobs"].values()
    words = [
        shlex.split(script.replace("\\\n", " ").replace("|", " ; "))
        for step in job["steps"]
        if (script := step.get("run"))
    ]
    calls = [list(call(line)) for line in words if "modelpack" in line]
    assert [parsed(one)[0] for one in calls] == ["login", "audit", "audit"]
    uploads = {step["with"]["sarif_file"] for step in job["steps"] if "upload-sarif" in step.get("uses", "")}
    assert {str(parsed(one)[1]["sarif"]) for one in calls[1:]} == uploads
    for step in job["steps"]:
        if "upload" in step.get("uses", "") or "save" in step.get("uses", ""):
            assert "!cancelled()" in step["if"], "findings make a step fail, and must be told all the same"


def call(words: list[str]) -> list[str]:
    """The arguments of the program in a script."""
    return [word for word in words[words.index("modelpack") + 1 :] if word not in ("&&", ";")]
