"""Peak memory of pack, push and pull of one large model, and the time of ``--help``: ``python -m bench.footprint [GIB]``.

Each command runs in a process of its own; memory is its peak resident set (``wait4``) less that of an empty interpreter. The
registry is ``modelpack serve``, in another process. Files are random bytes under a valid safetensors header.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

GIB = 1 << 30
_PIECE = 1 << 20  # small: a child begins with its parent's peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gib", nargs="?", type=float, default=4.0, help="size of the model's one weight file")
    size = int(parser.parse_args().gib * GIB)
    base = min(_run([sys.executable, "-c", "pass"])[1] for _ in range(3))
    helps = [_run([*_COMMAND, "--help"])[0] for _ in range(11)]
    print(
        f"modelpack --help      {median(helps) * 1000:6.0f} ms (median of {len(helps)}, fastest {min(helps) * 1000:.0f})"
    )
    print(f"empty interpreter     {base / 1e6:6.1f} MB peak")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        _measure(Path(folder), size, base)


_COMMAND = [sys.executable, "-m", "modelpack_cli.main"]


def _measure(folder: Path, size: int, base: int) -> None:
    model = folder / "model"
    model.mkdir()
    _write_weights(model / "model.safetensors", size)
    server = subprocess.Popen(
        [*_COMMAND, "serve", str(folder / "registry"), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        reference = server.stdout.readline().strip().removeprefix("http://") + "/bench/model:v1"
        store = ["--store", str(folder / "store")]
        steps = {
            "pack": ["pack", str(model), "-t", reference, *store],
            "push": ["push", reference, *store],
            "push again": ["push", reference, *store],
            "pack --push": ["pack", str(model), "-t", f"{reference}-direct", "--push"],
            "pull": ["pull", reference, "-o", str(folder / "pulled")],
        }
        for name, arguments in steps.items():
            seconds, peak = _run([*_COMMAND, *arguments, "--quiet"])
            rate = f"{size / seconds / 1e6:7.0f} MB/s"
            print(f"{name:<21} {(peak - base) / 1e6:6.1f} MB above it, {size / GIB:g} GiB in {seconds:6.2f} s {rate}")
    finally:
        server.terminate()
        server.wait()


def _write_weights(path: Path, size: int) -> None:
    length = size // 4 * 4
    header = json.dumps({"weight": {"dtype": "F32", "shape": [length // 4], "data_offsets": [0, length]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        while length:
            file.write(os.urandom(min(length, _PIECE)))
            length -= min(length, _PIECE)


def _run(command: list[str]) -> tuple[float, int]:
    """Seconds, and peak resident bytes."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
