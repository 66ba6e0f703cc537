"""A pod as Kubernetes would get it: an init container that stages, a server that reads."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelpack import PublicKey
from tests.deploy.engine import Engine

USER = 65532
HARDENED = {
    "runAsUser": USER,
    "runAsGroup": USER,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Pod:
    """``folder`` on the node has ``keys``, the ``message`` that stands for /dev/termination-log, and ``cache``."""

    engine: Engine
    name: str
    folder: Path

    @classmethod
    def prepare(cls, engine: Engine, folder: Path, key: PublicKey) -> Pod:
        """What is on the node before: as the node's owner would have prepared it for this user."""
        (folder / "keys").mkdir()
        (folder / "keys" / "signer.pub").write_bytes(key.pem)
        (folder / "message").touch()
        (folder / "cache").mkdir()
        for path in (folder / "message", folder / "cache"):
            os.chown(path, USER, USER)
        return cls(engine, f"pod-{os.getpid()}-{next(_numbers)}", folder)

    def play(self, image: str, loader: str, reference: str, cache: dict[str, Any]) -> tuple[int, str]:
        """Start it and wait for the init container: the exit code of ``podman kube play``, and what it said."""
        place = self.folder / "pod.yaml"
        place.write_text(yaml.safe_dump(self._manifest(image, loader, reference, cache)))
        done = self.engine.podman("kube", "play", "--network", "host", place, check=False)
        return done.returncode, done.stderr

    def main(self) -> dict[str, Any]:
        """What the server printed, when it has ended."""
        said = self.engine.podman("wait", f"{self.name}-server").stdout.strip()
        logs = self.engine.podman("logs", f"{self.name}-server")
        assert said == "0", logs
        found: dict[str, Any] = json.loads(logs.stdout)
        return found

    def state(self) -> str:
        """Of the server: ``created`` means that it never ran."""
        form = "{{.State.Status}} {{.State.StartedAt.IsZero}}"
        return self.engine.podman("inspect", "--format", form, f"{self.name}-server").stdout.strip()

    def message(self) -> dict[str, Any]:
        """What Kubernetes would show as the termination message."""
        found: dict[str, Any] = json.loads((self.folder / "message").read_text())
        return found

    def remove(self) -> None:
        """Take it away, with its volumes."""
        self.engine.podman("pod", "rm", "--force", "--time", "0", self.name, check=False)
        self.engine.podman("volume", "rm", "--force", self._volume, check=False)

    @property
    def _volume(self) -> str:
        """Its name has to differ from those of other pods: podman makes one of an emptyDir."""
        return f"{self.name}-cache"

    def _manifest(self, image: str, loader: str, reference: str, cache: dict[str, Any]) -> dict[str, Any]:
        limits = {"limits": {"memory": "256Mi", "cpu": "1"}, "requests": {"memory": "64Mi"}}
        shared = {"imagePullPolicy": "Never", "securityContext": HARDENED, "resources": limits}
        stage = ["stage", reference, "--to", "/cache", "--key", "/keys/signer.pub", "--log", "json"]
        mounts = [(self._volume, "/cache", False), ("keys", "/keys", True), ("message", "/dev/termination-log", False)]
        node = [("keys", "Directory"), ("message", "File")]
        volumes = [{"name": name, "hostPath": {"path": f"{self.folder}/{name}", "type": kind}} for name, kind in node]
        init = {"name": "stage", "image": image, "args": stage, "volumeMounts": list(map(_mount, mounts)), **shared}
        server = {
            "name": "server",
            "image": loader,
            "command": ["/usr/bin/python3", "-B", "/load.py"],
            "volumeMounts": [_mount((self._volume, "/models", True))],
            **shared,
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name},
            "spec": {
                "restartPolicy": "Never",
                "initContainers": [init],
                "containers": [server],
                "volumes": [{"name": self._volume, **cache}, *volumes],
            },
        }


def _mount(mount: tuple[str, str, bool]) -> dict[str, Any]:
    name, path, read_only = mount
    return {"name": name, "mountPath": path, "readOnly": read_only}
