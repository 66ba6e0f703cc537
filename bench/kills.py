"""Transfers that are killed once, at a random instant, and run again: ``python -m bench.kills --help``.

Each of the runs moves the same mixed model: one large file, some of middle size, many small ones. It is killed (SIGKILL) when a
random part of the bytes has passed a counter before the server, and then run to its end. What passed beyond the model's size
was sent again; HTTP's own bytes, and what lay in the kernel's buffers when it died, are among that. The result is compared byte
for byte (a pull), or hashed blob by blob in the server's layout (a push).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import filecmp
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.machine import describe
from bench.models import MIB, TAG, Model, Shape, mix
from bench.servers import Endpoint, origin, registry
from bench.servers.counter import Counter

_COMMAND = [sys.executable, "-m", "modelpack_cli.main"]


def main() -> None:
    """Run, print, save."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description="Transfers that are killed.")
    parser.add_argument("--kills", type=int, default=100, help="of each direction")
    parser.add_argument("--size-mib", type=int, default=1024, help="of the model: half of it in one file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / ".work", help="folder for the data")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "kills.json")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kills-", dir=arguments.work) as name:
        work = Path(name).resolve()
        size = arguments.size_mib * MIB
        model = mix(
            "mixed", [Shape("large", 1, size // 2), Shape("middle", 4, size // 8), Shape("small", 200, 40 << 10)], work
        )
        runs: list[dict[str, Any]] = []
        machine = describe(arguments.work)
        for run in _runs(model, work, random.Random(arguments.seed), arguments.kills):
            runs.append(run)
            arguments.out.write_text(json.dumps(_result(machine, model, runs), indent=1) + "\n")  # it may take hours
    print(json.dumps(_result(machine, model, runs)["summary"], indent=1))


def _result(machine: dict[str, Any], model: Model, runs: list[dict[str, Any]]) -> dict[str, Any]:
    ways = {way: [run for run in runs if run["way"] == way] for way in ("pull", "push")}
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "machine": machine,
        "model": {"bytes": model.size, "files": len(model.layers)},
        "summary": {way: _summary(found) for way, found in ways.items() if found},
        "runs": runs,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    shares = sorted(run["again"] / run["bytes"] for run in runs)
    return {
        "kills": len(runs),
        "right": sum(run["right"] for run in runs),
        "share_mean": round(mean(shares), 5),
        "share_median": round(median(shares), 5),
        "share_95": round(shares[int(len(shares) * 0.95)], 5),
        "share_max": round(shares[-1], 5),
        "above_5_percent": sum(share > 0.05 for share in shares),
    }


def _runs(model: Model, work: Path, chance: random.Random, kills: int) -> Iterator[dict[str, Any]]:
    with origin([model], work) as nginx:
        for number in range(kills):
            for way, endpoint in (("pull", nginx), ("push", None)):
                while not (run := _once(way, model, work, chance, endpoint)):
                    pass  # it had ended before it was killed
                print(
                    f"{way} {number + 1}: killed at {run['killed_at']:.2f}, {run['again'] / model.size:.2%} again",
                    flush=True,
                )
                yield run


def _once(
    way: str, model: Model, work: Path, chance: random.Random, endpoint: Endpoint | None
) -> dict[str, Any] | None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=work)))
        server = endpoint or stack.enter_context(registry("modelpack", folder))
        counter = stack.enter_context(Counter(server.host))
        reference = f"{counter.host}/bench/{model.name}:{TAG}"
        target = folder / "out"
        command = (
            ["pull", reference, "-o", str(target)]
            if way == "pull"
            else ["push", model.local_name, reference, "--store", str(model.layout)]
        )
        at = chance.random()
        if not _killed([*_COMMAND, *command, "-q", "--plain-http"], folder, counter, int(at * model.size), chance):
            return None
        subprocess.run(
            [*_COMMAND, *command, "-q", "--plain-http"], check=True, env=_environment(folder), stdout=subprocess.DEVNULL
        )
        right = _same_files(model, target) if way == "pull" else _same_blobs(model, folder)
        return {
            "way": way,
            "killed_at": round(at, 4),
            "bytes": model.size,
            "again": counter.moved - model.size,
            "right": right,
        }


def _killed(command: list[str], folder: Path, counter: Counter, instant: int, chance: random.Random) -> bool:
    """Whether it was still running when it was killed."""
    process = subprocess.Popen(command, env=_environment(folder), stdout=subprocess.DEVNULL)
    while process.poll() is None and counter.moved < instant:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.01))
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C.UTF-8"}


def _same_files(model: Model, target: Path) -> bool:
    return all(filecmp.cmp(layer.path, target / layer.title, shallow=False) for layer in model.layers)


def _same_blobs(model: Model, folder: Path) -> bool:
    blobs = {path.name: path for path in folder.rglob("blobs/sha256/*")}
    for blob in (*model.layers, model.config, model.manifest):
        with blobs[blob.digest.removeprefix("sha256:")].open("rb") as file:
            if "sha256:" + hashlib.file_digest(file, "sha256").hexdigest() != blob.digest:
                return False
    return True


if __name__ == "__main__":
    main()
