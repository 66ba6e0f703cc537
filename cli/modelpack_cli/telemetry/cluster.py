"""An Event of the pod, and a condition of it, by the API server of the cluster that this runs in. For people who look at the pod:
staging never fails for it, and without the rights (RBAC) nothing is said but one line in the log.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelpack_cli import environment
from modelpack_cli.output import note

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONDITION = "modelpack.dev/Verified"
_CONTROLLER = "modelpack.dev/stage"
_PATIENCE = 3.0
_MAX_TOKEN = 16 << 10
_MAX_MESSAGE = 1024
"""Characters that the API server takes for an event's message."""
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")

Announce = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server as a pod sees it: ``host`` and ``port``, the folder of the service account, and which pod this is."""

    host: str
    port: int
    account: Path
    namespace: str
    pod: str
    uid: str

    @classmethod
    def here(cls, account: Path | None = None) -> Cluster:
        """The one that this pod runs in. Raises InputError."""
        from modelpack import InputError

        account = account or ACCOUNT
        host, port = environment.variable("KUBERNETES_SERVICE_HOST"), environment.variable("KUBERNETES_SERVICE_PORT")
        pod = environment.variable("POD_NAME") or environment.variable("HOSTNAME") or ""
        try:
            namespace = (account / "namespace").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            namespace = ""
        if not host or not (port or "").isdecimal() or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(pod):
            raise InputError(
                "this is no pod with a service account",
                hint="--kubernetes-event and --kubernetes-condition need automountServiceAccountToken and POD_NAME",
            )
        return cls(host, int(port or 0), account, namespace, pod, environment.variable("POD_UID") or "")

    def send(self, method: str, path: str, kind: str, document: dict[str, Any]) -> str:
        """One request; what went wrong, in words that hold no secret (empty: nothing)."""
        try:
            token = (self.account / "token").read_bytes()[:_MAX_TOKEN].decode("ascii").strip()
            context = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": "application/json"}
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=_PATIENCE, context=context)
            with closing(connection):
                connection.request(method, path, json.dumps(document).encode(), headers)
                status = connection.getresponse().status
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"the API server cannot be asked: {type(error).__name__}"
        return "" if 200 <= status < 300 else f"the API server answers {status}"


def announcer(*, event: bool, condition: bool, trusted: bool) -> Announce:
    """What tells the cluster of outcomes; ``trusted``: somebody vouches for what is staged. Raises InputError outside of pods."""
    cluster = Cluster.here()

    def announce(line: dict[str, Any]) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if event:
            _complain(cluster.send("POST", *_event(cluster, line, moment)))
        if condition:
            _complain(cluster.send("PATCH", *_condition(cluster, line, moment, trusted=trusted)))

    return announce


def _complain(problem: str) -> None:
    if problem:
        note(f"the cluster was not told: {problem}")


def _event(cluster: Cluster, line: dict[str, Any], moment: str) -> tuple[str, str, dict[str, Any]]:
    """A core/v1 Event about the pod."""
    pod = {"apiVersion": "v1", "kind": "Pod", "namespace": cluster.namespace, "name": cluster.pod}
    if cluster.uid:
        pod["uid"] = cluster.uid
    document = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "modelpack-", "namespace": cluster.namespace},
        "involvedObject": pod,
        "type": "Warning" if line["result"] == "error" else "Normal",
        "reason": _reason(line),
        "message": _message(line),
        "source": {"component": "modelpack"},
        "reportingComponent": _CONTROLLER,
        "reportingInstance": cluster.pod,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
    return f"/api/v1/namespaces/{cluster.namespace}/events", "application/json", document


def _condition(
    cluster: Cluster, line: dict[str, Any], moment: str, *, trusted: bool
) -> tuple[str, str, dict[str, Any]]:
    """A condition of the pod, as a readiness gate can ask for it; conditions are merged by their type."""
    entry = {
        "type": CONDITION,
        "status": "True" if line["result"] != "error" and trusted else "False",
        "reason": _reason(line) if trusted or line["result"] == "error" else "NotVerified",
        "message": _message(line),
        "lastTransitionTime": moment,
    }
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{cluster.pod}/status"
    return path, "application/strategic-merge-patch+json", {"status": {"conditions": [entry]}}


def _reason(line: dict[str, Any]) -> str:
    """One word for machines."""
    if line["result"] != "error":
        return "ModelStaged"
    refused = ("NoSignature", "BadSignature", "UntrustedIdentity", "CannotVerify", "PolicyViolation")
    return "ModelRefused" if line.get("error") in refused else "ModelNotStaged"


def _message(line: dict[str, Any]) -> str:
    said = line.get("digest") if line["result"] != "error" else f"{line.get('error')}: {line.get('message')}"
    by = f", signed by {line['signer']}" if line.get("signer") else ""
    return f"{line['reference']}: {said}{by}"[:_MAX_MESSAGE]
