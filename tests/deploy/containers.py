"""Single containers as a kubelet would run them, and what they used."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.engine import Engine
from tests.deploy.pods import USER

HARDENED = ("--network", "host", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
_numbers = itertools.count(1)

METER = """
import json, os, resource, subprocess, sys, time
def limit():
    for name in ("memory/memory.limit_in_bytes", "memory.max"):
        if os.path.exists(path := "/sys/fs/cgroup/" + name):
            return open(path).read().strip()
begun = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True)
wall = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss << 10, "code": done.returncode,
           "out": done.stdout.decode(), "err": done.stderr.decode(), "limit": limit()}, sys.stdout)
"""
"""Runs a program inside the container: from its start to its end, without what podman needs around it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds (``wall``, ``cpu``) and bytes (``rss``) of a whole process; its exit code, and what it printed; the
    memory ``limit`` that its control group says it had."""

    wall: float
    cpu: float
    rss: int
    code: int
    out: str
    err: str
    limit: str


def name() -> str:
    """A container's name that nobody else uses."""
    return f"one-{os.getpid()}-{next(_numbers)}"


def volume(folder: Path) -> tuple[str, str]:
    """A folder of this node as /node."""
    return ("--volume", f"{folder}:/node")


def measured(engine: Engine, image: str, folder: Path, *arguments: str, limits: tuple[str, ...] = ()) -> Measured:
    """Run our program in a container."""
    python = "/opt/modelpack/bin/python3"
    said = engine.podman(
        *("run", "--rm", "--name", name(), *HARDENED, *limits, *volume(folder), "--entrypoint", python, image),
        *("-I", "-S", "-c", METER, python, "-I", "/opt/modelpack/bin/modelpack", *arguments),
        timeout=600,
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return Measured(**found)


def owned(folder: Path) -> Path:
    """A new folder of the user that the image runs as."""
    folder.mkdir(parents=True)
    os.chown(folder, USER, USER)
    return folder
