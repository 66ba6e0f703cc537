"""The manifests in deploy/kubernetes, and the pods in them, however deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
OURS = "registry.example/tools/modelpack:"


@dataclass(frozen=True)
class Object:
    """One document of one file."""

    file: str
    value: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def core(self) -> bool:
        """Whether Kubernetes itself knows it: names of its own API groups have no dot, or end in k8s.io."""
        group = str(self.value["apiVersion"]).rpartition("/")[0]
        return "." not in group or group.endswith("k8s.io")

    def __str__(self) -> str:
        return f"{self.file}:{self.kind}/{self.value['metadata']['name']}"


@dataclass(frozen=True)
class Pod:
    """A pod as it will be: its namespace, and its spec."""

    source: str
    namespace: str
    spec: dict[str, Any]

    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def ours(self) -> list[dict[str, Any]]:
        return [one for one in self.containers() if one["image"].startswith(OURS)]

    def __str__(self) -> str:
        return self.source


def objects(folder: Path = FOLDER) -> list[Object]:
    return [
        Object(path.name, document)
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def pods(folder: Path = FOLDER) -> list[Pod]:
    return [pod for one in objects(folder) for pod in _pods(one)]


def _pods(one: Object) -> Iterator[Pod]:
    namespace = one.value["metadata"].get("namespace", "")
    spec = one.value.get("spec", {})
    match one.kind:
        case "Pod":
            yield Pod(str(one), namespace, spec)
        case "Deployment" | "DaemonSet" | "StatefulSet" | "Job":
            yield Pod(str(one), namespace, spec["template"]["spec"])
        case "CronJob":
            yield Pod(str(one), namespace, spec["jobTemplate"]["spec"]["template"]["spec"])
        case "RayService":
            cluster = spec["rayClusterConfig"]
            yield Pod(f"{one} head", namespace, cluster["headGroupSpec"]["template"]["spec"])
            for group in cluster["workerGroupSpecs"]:
                yield Pod(f"{one} {group['groupName']}", namespace, group["template"]["spec"])
