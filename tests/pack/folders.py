"""A small model folder with fixed content, in ways that must not matter to its digest."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

CONTENT: Mapping[str, bytes] = {
    "LICENSE": b"Apache License\n",
    "README.md": b"# Demo\n",
    "config.json": b'{"model_type": "demo"}\n',
    "data/train.csv": b"a,b\n1,2\n",
    "model-00001-of-00002.safetensors": b"\x00\x01" * 700,
    "model-00002-of-00002.safetensors": b"\x02" * 512,
    "run.sh": b"#!/bin/sh\n",
    "strange.xyz": b"?",
    "sub/empty.json": b"",
    "sub/x & <y>.py": b"print()\n",
}


def write(root: Path, content: Mapping[str, bytes] = CONTENT, *, seed: int = 0) -> Path:
    """Write the files; ``seed`` varies their order, times and permissions."""
    chance = random.Random(seed)
    names = list(content)
    chance.shuffle(names)
    mask = os.umask(chance.choice([0o022, 0o077, 0o002]))
    try:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[name])
            if name.endswith(".sh"):
                path.chmod(chance.choice([0o755, 0o700, 0o744]))
            os.utime(path, (chance.randrange(10**9), chance.randrange(10**9)))
    finally:
        os.umask(mask)
    return root
