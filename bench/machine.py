"""What a benchmark ran on and with: no names, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from bench.measure import find

_VERSIONS = {
    "oras": ["version"],
    "crane": ["version"],
    "skopeo": ["--version"],
    "nginx": ["-v"],
    "docker-registry": ["--version"],
    "curl": ["--version"],
    "openssl": ["version"],
}
_PACKAGES = {
    "modelpack": "modelpack-toolkit",
    "oras-py": "oras",
    "requests": "requests",
    "urllib3": "urllib3",
    "huggingface_hub": "huggingface_hub",
}


def describe(work: Path) -> dict[str, Any]:
    """Processor, memory, kernel, the file system below ``work``, and the versions of all programs."""
    return {
        "kind": f"{platform.machine()}-{os.cpu_count()}-cores",
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release().partition("-")[0],
        "file_system": _file_system(work),
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": {**_packages(), **_programs()},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(path: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    resolved = path.resolve()
    around = [mount for mount in mounts if resolved.is_relative_to(mount[1])]
    return max(around, key=lambda mount: len(mount[1]))[2]


def _commit() -> str:
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _packages() -> dict[str, str]:
    found = {}
    for name, package in _PACKAGES.items():
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "-"
    return found


def _programs() -> dict[str, str]:
    return {name: _version(name, arguments) for name, arguments in _VERSIONS.items()}


def _version(name: str, arguments: list[str]) -> str:
    program = find(name)
    if not program:
        return "-"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    match = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return match[0] if match else "installed"
