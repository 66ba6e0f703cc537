"""buildah and podman on a storage of their own, where containers run although this machine does not let them as usual."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.tools import find_tool, tool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "image"
PLACE = "MODELPACK_TEST_IMAGE"
"""Names a folder that keeps root file system, wheels and image layers between runs."""

NEEDED = ("apt-get", "buildah", "catatonit", "crun", "dpkg-deb", "podman")
CONFIG = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "crun"
events_logger = "file"
"""
"""Root here may perhaps not raise limits (CAP_SYS_RESOURCE), and there is no systemd to make control groups."""

PRIVATE = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
"""crun refuses a machine with both versions of control groups mounted; so it does not see the second."""

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything is below ``folder``: layers, containers, what was fetched for images."""

    folder: Path

    @classmethod
    def find(cls) -> Engine:
        """The engine of this run; without what it needs the test is skipped."""
        if not (place := os.environ.get(PLACE)):
            pytest.skip(f"needs {PLACE}=DIR, a folder that keeps image layers")
        if os.geteuid():
            pytest.skip("needs root: containers with limits, root file systems")
        for name in NEEDED:
            if not find_tool(name):
                pytest.skip(f"needs {name} (apt-get install {' '.join(NEEDED[1:])})")
        folder = Path(place).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(CONFIG)
        return cls(folder)

    @property
    def options(self) -> tuple[str, ...]:
        """Where the storage is, for both programs."""
        return ("--root", f"{self.folder}/storage", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay")

    def build(self, tag: str) -> str:
        """Build our image as anybody does; its digest in the storage."""
        env = {"BUILDAH": " ".join((tool("buildah"), *self.options)), "IMAGE_CACHE": str(self.folder)}
        return self._run([str(DEPLOY / "build"), tag], env).stdout.strip()

    def buildah(self, *arguments: str | Path) -> str:
        """Run buildah; what it printed, without the end of the line."""
        return self._run([tool("buildah"), *self.options, *map(str, arguments)], {}).stdout.strip()

    def podman(self, *arguments: str | Path, check: bool = True, timeout: float = 120) -> Done:
        """Run podman to its end."""
        return self._run(self.command(*arguments), self._env, check=check, timeout=timeout)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Run podman beside the test."""
        return subprocess.Popen(
            self.command(*arguments),
            env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str | Path) -> list[str]:
        """podman in a mount namespace of its own."""
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE, "podman"]
        return [*prefix, tool("podman"), *self.options, *map(str, arguments)]

    @property
    def _env(self) -> dict[str, str]:
        return {"CONTAINERS_CONF": f"{self.folder}/containers.conf"}

    def _run(self, command: list[str], env: dict[str, str], *, check: bool = True, timeout: float = 300) -> Done:
        done = subprocess.run(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


def wait_until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something; fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
