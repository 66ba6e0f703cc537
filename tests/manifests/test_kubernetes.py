"""What deploy/kubernetes ships: valid, as strict as it says, and with arguments that the program takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from modelpack_cli.main import app

from modelpack import PolicyFile, Reference
from tests.manifests.objects import FOLDER, OURS, Object, Pod, objects, pods
from tests.manifests.security import violations

VERSIONS = ("1.28", "1.33", "1.37")
SINCE = {"image-volume.yaml": "1.33"}
"""Files that older versions do not know."""

COMMAND = typer.main.get_command(app)
OBJECTS, PODS = objects(), pods()
BY_KIND = {kind: [one for one in OBJECTS if one.kind == kind] for kind in {one.kind for one in OBJECTS}}


def validate(document: dict[str, Any], version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    validator.validate(document, version, strict=True)


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command that an argument list means, and its values, as the program itself reads them; nothing is run."""
    command: Any = COMMAND
    context, name, rest = None, "modelpack", [re.sub(r"\$\((\w+)\)", "1", argument) for argument in arguments]
    path: list[str] = []
    while True:
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "resolve_command"):
            return " ".join(path), context.params
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        path.append(name)


def test_there_is_one_for_each_way_to_serve() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert {"vllm-pvc", "vllm-hostpath", "triton", "tensorrt-llm", "ray", "kserve", "pytorch-emptydir"} <= names
    assert {"watch-sidecar", "prefetch-daemonset", "prefetch-job", "gc-cronjob", "image-volume", "policy"} <= names
    kinds = {next(iter(set(volume) - {"name"})) for pod in PODS for volume in pod.spec.get("volumes", [])}
    assert {"emptyDir", "persistentVolumeClaim", "hostPath", "configMap", "secret", "image"} <= kinds


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", [one for one in OBJECTS if one.core], ids=str)
def test_kubernetes_knows_every_field(one: Object, version: str) -> None:
    if version < SINCE.get(one.file, ""):
        with pytest.raises(Exception, match="image"):
            validate(one.value, version)
    else:
        validate(one.value, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_pods_in_others_objects_are_valid_too(version: str) -> None:
    found = [pod.spec for pod in PODS if "RayService" in pod.source]
    assert len(found) == 2
    found += [{"containers": [one.value["spec"]["container"]]} for one in BY_KIND["ClusterStorageContainer"]]
    for service in BY_KIND["InferenceService"]:
        predictor = dict(service.value["spec"]["predictor"])
        model = predictor.pop("model")
        container = {"name": "kserve-container", "args": model["args"], "resources": model["resources"]}
        found.append({**predictor, "containers": [container]})
    for spec in found:
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}, version)


def test_the_check_finds_what_is_wrong() -> None:
    pod = next(one for one in OBJECTS if one.kind == "Pod")
    with pytest.raises(Exception, match="restartPolicyy"):
        validate({**pod.value, "spec": {**pod.value["spec"], "restartPolicyy": "Never"}}, "1.33")


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_arguments_are_what_the_program_takes(pod: Pod) -> None:
    assert pod.ours() or pod.source.startswith("image-volume")
    for container in pod.ours():
        assert "command" not in container
        command, values = parsed(container["args"])
        assert command.startswith("stage ")
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert str(values["to"]) in mounts, "the cache is not mounted"
        for option in re.findall(r"--(?:policy|ca-file|digest-file|key)=(\S+)", " ".join(container["args"])):
            assert str(Path(option).parent) in mounts, option
        if command in ("stage model", "stage prefetch"):
            assert re.search(r"--(policy|key)=", " ".join(container["args"])), "trusts nobody"
        if "$(" in " ".join(container["args"]):
            wanted = set(re.findall(r"\$\((\w+)\)", " ".join(container["args"])))
            assert wanted <= {variable["name"] for variable in container["env"]}
        written = {path for path, mount in mounts.items() if not mount.get("readOnly")}
        assert "/tmp" in written, "HOME=/tmp has to be writable"
        assert {"name": "HOME", "value": "/tmp"} in container["env"]


@pytest.mark.parametrize("pod", [pod for pod in PODS if pod.spec.get("initContainers")], ids=str)
def test_the_server_reads_what_was_staged_and_cannot_write_it(pod: Pod) -> None:
    staging = pod.ours()[0]
    values = parsed(staging["args"])[1]
    volume = next(mount["name"] for mount in staging["volumeMounts"] if mount["mountPath"] == str(values["to"]))
    servers = [one for one in pod.containers() if not one["image"].startswith(OURS)]
    assert servers
    for server in servers:
        mount = next(mount for mount in server["volumeMounts"] if mount["name"] == volume)
        assert mount["readOnly"] is True
        if values["following"]:
            assert "subPath" not in mount, "would never see another version"
        else:
            assert mount["subPath"] == values["name"]


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_every_volume_that_is_mounted_is_there(pod: Pod) -> None:
    there = {volume["name"] for volume in pod.spec.get("volumes", [])}
    used = {mount["name"] for one in pod.containers() for mount in one.get("volumeMounts", [])}
    assert used == there
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for one in pod.containers():
            port = one.get(probe, {}).get("httpGet", {}).get("port")
            assert port is None or port in {named["name"] for named in one["ports"]}


@pytest.mark.parametrize("pod", PODS, ids=str)
def test_pods_are_as_locked_up_as_their_namespace_demands(pod: Pod) -> None:
    levels = {
        one.value["metadata"]["name"]: one.value["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for one in BY_KIND["Namespace"]
    }
    found = violations(pod.spec)
    if levels[pod.namespace] == "restricted":
        assert found == []
    else:
        assert [text for text in found if "volume" not in text] == [], "only its volumes may need more"
        assert found, "this could run in the restricted namespace"
    for container in pod.ours():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert "limits" in container["resources"]
        assert "nvidia.com/gpu" not in str(container["resources"]), "staging needs no accelerator"


def test_the_container_that_kserve_adds_is_locked_up_too() -> None:
    storage = BY_KIND["ClusterStorageContainer"][0].value["spec"]
    assert storage["container"]["name"] == "storage-initializer", "KServe looks for this name"
    assert violations({"containers": [storage["container"]]}) == []
    prefixes = [entry["prefix"] for entry in storage["supportedUriFormats"]]
    assert not any(prefix.startswith("oci+") for prefix in prefixes)
    for service in BY_KIND["InferenceService"]:
        uri = service.value["spec"]["predictor"]["model"]["storageUri"]
        assert uri.startswith(tuple(prefixes))
        command, values = parsed([uri, "/mnt/models"])
        assert (command, values["pairs"]) == ("stage storage-initializer", [uri, "/mnt/models"])


def references() -> list[str]:
    found = [values["reference"] for pod in PODS for c in pod.ours() if "reference" in (values := parsed(c["args"])[1])]
    found += [one for pod in PODS for c in pod.ours() for one in parsed(c["args"])[1].get("references", [])]
    return found


def test_the_policy_speaks_of_every_model(tmp_path: Path) -> None:
    maps = [one for one in BY_KIND["ConfigMap"] if one.value["metadata"]["name"] == "model-policy"]
    assert {one.value["metadata"]["namespace"] for one in maps} == {"models", "models-nodes"}
    assert maps[0].value["data"] == maps[1].value["data"]
    for name, text in maps[0].value["data"].items():
        (tmp_path / name).write_text(text)
    policy = PolicyFile.load(tmp_path / "policy.yaml")
    assert len(references()) > 8
    for reference in references():
        assert policy.for_reference(Reference.parse(reference)).identities


def test_exit_codes_of_the_failure_policy() -> None:
    """1 to 4 do not get better, 5 can, 143 is a pod that was told to go (docs/staging.md)."""
    rules = BY_KIND["Job"][0].value["spec"]["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
    assert codes == {"FailJob": [1, 2, 3, 4], "Ignore": [143], "Count": [5]}
    names = {container["name"] for container in BY_KIND["Job"][0].value["spec"]["template"]["spec"]["containers"]}
    assert {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} <= names


def test_the_readme_names_every_file() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w-]+\.yaml)\)", text)) == {path.name for path in FOLDER.glob("*.yaml")}
