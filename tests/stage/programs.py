"""Staging in a process of its own: ``REFERENCE CACHE KEY``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from modelpack import Access, HttpOptions, PublicKey, SignedBy
from modelpack.staging import stage


def start(reference: str, cache: Path, key: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.stage.programs", reference, str(cache), str(key)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _main(reference: str, cache: str, key: str) -> None:
    policy = SignedBy(PublicKey.load(Path(key).read_bytes()))
    staged = stage(reference, cache, policy=policy, access=Access(HttpOptions(plain_http=True)))
    print("hit" if staged.hit else "miss")  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
