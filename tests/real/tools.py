"""Programs that tests start: on the PATH, among the system's daemons, or in ``$MODELPACK_TEST_TOOLS/bin``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = {
    "crane": ".ci/peers DIR and MODELPACK_TEST_TOOLS=DIR",
    "cosign": ".ci/peers DIR and MODELPACK_TEST_TOOLS=DIR",
    "notation": ".ci/peers DIR and MODELPACK_TEST_TOOLS=DIR",
    "oras": ".ci/peers DIR and MODELPACK_TEST_TOOLS=DIR",
    "docker-registry": "apt-get install docker-registry",
    "ip": "apt-get install iproute2",
    "nginx": "apt-get install nginx",
    "node": "apt-get install nodejs",
    "openssl": "apt-get install openssl",
    "skopeo": "apt-get install skopeo",
    "skopeo-sigstore": ".ci/peers DIR and MODELPACK_TEST_TOOLS=DIR",
    "zstd": "apt-get install zstd",
}


def find_tool(name: str) -> Path | None:
    """Where a program is, or None."""
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    if tools := os.environ.get("MODELPACK_TEST_TOOLS"):
        places.append(str(Path(tools) / "bin"))
    found = shutil.which(name, path=os.pathsep.join(places))
    return Path(found) if found else None


def tool(name: str) -> str:
    """Where a program is; without it the test is skipped."""
    found = find_tool(name)
    if not found:
        pytest.skip(f"needs {name} ({INSTALL.get(name, 'not installed')})")
    return str(found)


def run(
    name: str, *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with ``env`` beside the usual environment; its failure fails the test, with what it said."""
    done = subprocess.run(
        [tool(name), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"{name} {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done
