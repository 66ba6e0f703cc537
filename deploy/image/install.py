"""Inside the build: an environment with what the wheels hold, bytecode included: ``install.py WHEELS TARGET``.

Runs in an image that has Python and perhaps no pip: that comes as a wheel too, and is not installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

UNUSED = ("zstandard/_cffi*.so",)
"""Half of that package: a second way to do the same, for interpreters that cannot load the first."""


def main(wheels: Path, target: Path) -> None:
    """Install what the list pins, and our own wheel."""
    venv.create(target, symlinks=True)
    for script in (target / "bin").glob("[aA]ctivate*"):
        script.unlink()
    python = target / "bin" / "python3"
    pip = next(wheels.glob("pip-*.whl")) / "pip"
    install = [
        python,
        "-I",
        "-B",
        pip,
        "install",
        "--no-index",
        "--no-deps",
        "--no-compile",
        "--no-cache-dir",
        "--quiet",
    ]
    install += ["--disable-pip-version-check", "--root-user-action", "ignore", "--find-links", wheels]
    ours = next(wheels.glob("modelpack_toolkit-*.whl"))
    pinned = (
        f"modelpack-toolkit=={ours.name.split('-')[1]} --hash=sha256:{hashlib.sha256(ours.read_bytes()).hexdigest()}\n"
    )
    everything = Path("/tmp/requirements.txt")  # noqa: S108  # of the build's container, which nobody else is in
    everything.write_text((wheels / "requirements.txt").read_text() + pinned)
    run(*install, "--require-hashes", "--requirement", everything)
    for pattern in UNUSED:
        next(target.glob(f"lib/python3*/site-packages/{pattern}")).unlink()
    # Bytecode that is not compared with the source: same bytes each time, and no look at the source at the start.
    run(python, "-I", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", target / "lib")


def run(*command: str | Path) -> None:
    """Run a program; its failure is ours."""
    subprocess.run(list(map(str, command)), check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
