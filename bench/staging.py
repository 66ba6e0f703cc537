"""Staging in a container: a hit, a full check, and what a memory limit does: ``python -m bench.staging [--mib N]``.

A hit is one of a model of 100 GB whose files are sparse, with a receipt, against a registry on loopback that has manifest and
signature only: whoever read weights would read zeros and fail. A full check cannot be measured at that size here; it reads
``--mib`` MiB, once from the page cache and once from the disk, and the time for 100 GB is reckoned from that. All times are of
whole processes inside the container, from exec to exit; what podman takes around them is measured apart.

Needs what tests/deploy needs (root, podman, MODELPACK_TEST_IMAGE). The raw figures go to ``bench/results/staging.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import modelpack
from bench.machine import describe
from bench.measure import timed
from modelpack import LayoutStore, PrivateKey
from modelpack.serve import Server
from modelpack.stage import Cache
from tests.cli.test_stage import sparse
from tests.deploy.conftest import IMAGE, published
from tests.deploy.containers import HARDENED, Measured, measured, owned
from tests.deploy.engine import Engine
from tests.deploy.pods import USER
from tests.real.registries import distribution

REPEATS = 15
FILES, SIZE = 40, 2_500_000_000
LIMITS = ("64m", "2g")
STAGE = ("--to", "/node/cache", "--key", "/node/signer.pub", "--format", "json")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=4096, help="size of the model that is really fetched and read")
    size = parser.parse_args().mib << 20
    engine, key = Engine.find(), PrivateKey.generate("ecdsa-p256")
    engine.build(IMAGE)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        work.chmod(0o755)
        found: dict[str, Any] = {"hit": _hit(engine, work / "hit", key), "podman": _around(engine)}
        found["limits"] = _limits(engine, work / "large", key, size)
        machine = describe(work)
    full = found["limits"]["full check"]["page cache"] / size * FILES * SIZE
    found["ratio"] = {"full check of 100 GB, reckoned": full, "to a hit": full / found["hit"]["wall"]}
    text = json.dumps({"machine": machine, "mib": size >> 20, "repeats": REPEATS, "seconds": found}, indent=1)
    (Path(__file__).parent / "results" / "staging.json").write_text(f"{text}\n")
    print(text)


def _node(work: Path, key: PrivateKey) -> Path:
    owned(work / "cache")
    (work / "signer.pub").write_bytes(key.public_key.pem)
    return work


def _hit(engine: Engine, work: Path, key: PrivateKey) -> dict[str, float]:
    """Medians of the time and the processor time, and the least of each."""
    node = _node(work, key)
    with LayoutStore(node / "layout") as layout:
        modelpack.sign(sparse(Cache(node / "cache"), layout, FILES, SIZE), key)
        for path in (node / "cache").rglob("*"):
            os.chown(path, USER, USER, follow_symlinks=False)
        with Server(layout, read_only=True) as server:
            runs = [_staged(engine, node, f"{server.host}/layout:v1") for _ in range(REPEATS)]
    assert all(json.loads(run.out)["hit"] for run in runs)
    wall, cpu = ([getattr(run, field) for run in runs] for field in ("wall", "cpu"))
    rss = max(run.rss for run in runs)
    return {"wall": median(wall), "cpu": median(cpu), "least wall": min(wall), "least cpu": min(cpu), "rss": rss}


def _around(engine: Engine) -> float:
    """The median of a container that does nothing: what podman takes to make, start and remove it."""
    nothing = ("run", "--rm", *HARDENED, "--entrypoint", "/usr/bin/python3", IMAGE, "-I", "-S", "-c", "pass")
    return median(timed(lambda: engine.podman(*nothing)) for _ in range(5))


def _limits(engine: Engine, work: Path, key: PrivateKey, size: int) -> dict[str, Any]:
    """The same model under each limit: time, memory, what is in the page cache after it, and how fast that is read."""
    found: dict[str, Any] = {}
    model = work / "model"
    model.mkdir(parents=True)
    (model / "model.bin").touch()
    os.truncate(model / "model.bin", size)
    with distribution() as registry:
        reference = published(model, registry.repository("ml/large"), key).reference
        for limit in LIMITS:
            node = _node(work / limit, key)
            run = _staged(engine, node, reference, "--memory", limit, "--memory-swap", limit)
            file = (node / "cache" / "current" / "model.bin").resolve()
            found[limit] = {"wall": run.wall, "rss": run.rss, "in the page cache": _resident(file)}
            found[limit]["read again, bytes a second"] = size / timed(lambda file=file: _read(file))  # type: ignore[misc]
        hot = _staged(engine, node, reference, verify="full").wall
        _forget(file)
        cold = _staged(engine, node, reference, verify="full").wall
    return {**found, "full check": {"page cache": hot, "disk": cold}}


def _staged(engine: Engine, node: Path, reference: str, *limits: str, verify: str = "receipt") -> Measured:
    run = measured(engine, IMAGE, node, "stage", reference, *STAGE, "--verify", verify, limits=limits)
    if run.code:
        raise SystemExit(run.err)
    return run


def _resident(file: Path) -> int:
    """Bytes of a file that are in the page cache."""
    command = ["fincore", "--bytes", "--noheadings", "--output", "RES", str(file)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _read(file: Path) -> None:
    buffer = bytearray(1 << 20)
    with file.open("rb", buffering=0) as source:
        while source.readinto(buffer):
            pass


def _forget(file: Path) -> None:
    with file.open("rb") as source:
        os.fsync(source.fileno())
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
