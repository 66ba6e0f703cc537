"""Pod Security Standards, level "restricted", as rules of our own (kubernetes.io, "Pod Security Standards")."""

from __future__ import annotations

from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(spec: dict[str, Any]) -> list[str]:
    """What the level forbids, in words. Volumes of images count as forbidden: not every version of the admission knows them."""
    found = [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes", []):
        found += [f"volume {volume['name']} is a {kind}" for kind in set(volume) - VOLUMES - {"name"}]
    whole = spec.get("securityContext", {})
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        found += [f"{container['name']}: {text}" for text in _container(whole, own, container)]
    return found


def _container(whole: dict[str, Any], own: dict[str, Any], container: dict[str, Any]) -> list[str]:
    found = []
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        found.append("may run as root")
    if own.get("runAsUser", whole.get("runAsUser")) == 0:
        found.append("runs as root")
    if own.get("allowPrivilegeEscalation") is not False:
        found.append("may gain privileges")
    if own.get("privileged"):
        found.append("is privileged")
    capabilities = own.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        found.append("has capabilities")
    profile = own.get("seccompProfile", whole.get("seccompProfile", {}))
    if profile.get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("has no seccomp profile")
    if any(port.get("hostPort") for port in container.get("ports", [])):
        found.append("takes a port of the host")
    if own.get("procMount", "Default") != "Default":
        found.append("sees more of /proc")
    return found
