"""Run a command that writes files, and hash them while they grow: ``python follow.py PLAN COMMAND…``.

PLAN is a JSON list of ``[path, size, digest]``. Exits with 1 if a digest differs. The bytes come from the page cache, in a
process of their own, so this is as fast as a verified download by curl can be.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

_PIECE = 256 * 1024
_PAUSE = 0.002


def _matches(writer: subprocess.Popen[bytes], file: tuple[str, int, str]) -> bool:
    path, size, digest = file
    hashed = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    while not Path(path).exists():
        if writer.poll() is not None and not Path(path).exists():
            return False
        time.sleep(_PAUSE)
    with Path(path).open("rb", buffering=0) as growing:
        while size:
            got = growing.readinto(buffer)
            if not got:
                if writer.poll() is not None and growing.tell() == Path(path).stat().st_size:
                    return False
                time.sleep(_PAUSE)
                continue
            hashed.update(buffer[:got])
            size -= got
    return f"sha256:{hashed.hexdigest()}" == digest


def main(plan: str, *command: str) -> int:
    """Run it."""
    files = json.loads(Path(plan).read_text())
    with subprocess.Popen(command) as writer, ThreadPoolExecutor(2) as threads:
        matches = list(threads.map(partial(_matches, writer), files))
    return int(writer.returncode != 0 or not all(matches))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
