"""One verb on a cache, in a process that can be killed: ``stage REFERENCE CACHE KEY``, ``gc CACHE``, ``rollback CACHE``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from modelpack import Access, HttpOptions, PublicKey, SignedBy
from modelpack.stage import Cache, collect, rollback
from modelpack.staging import stage


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.stage.programs", *map(str, arguments)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _main(verb: str, *arguments: str) -> None:
    if verb == "gc":
        collect(Cache(Path(arguments[0])), grace=0)
    elif verb == "rollback":
        rollback(Cache(Path(arguments[0])))
    else:
        policy = SignedBy(PublicKey.load(Path(arguments[2]).read_bytes()))
        access = Access(HttpOptions(plain_http=True, limit_rate=int(arguments[3]) if arguments[3:] else 0))
        staged = stage(arguments[0], arguments[1], policy=policy, access=access)
        print("hit" if staged.hit else "miss")  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
