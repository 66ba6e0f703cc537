"""Many containers on one cache; told to stop; with little memory; and how little a hit takes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack import LayoutStore, PrivateKey
from modelpack.serve import Server
from modelpack.stage import Cache
from tests.cli.test_stage import sparse
from tests.deploy.conftest import Published, published
from tests.deploy.containers import HARDENED, measured, name, owned, volume
from tests.deploy.engine import Engine, wait_until
from tests.deploy.pods import USER
from tests.faults.relay import Relay
from tests.real.registries import Registry
from tests.stage.models import content

LARGE = int(os.environ.get("MODELPACK_STAGE_MIB", "256"))
"""MiB of the model that is staged with little memory; 4096 for the full size."""

STAGE = ("--to", "/node/cache", "--key", "/node/signer.pub", "--format", "json")


@pytest.fixture(name="node")
def _node(tmp_path: Path, signer: PrivateKey) -> Path:
    """A node with an empty cache and a key."""
    node = tmp_path / "node"  # pytest's own folder is closed to other users
    owned(node / "cache")
    (node / "signer.pub").write_bytes(signer.public_key.pem)
    return node


@pytest.fixture(name="relay")
def _relay(distribution: Registry) -> Iterator[Relay]:
    """Counts what comes from the registry."""
    with Relay(distribution.host) as relay:
        yield relay


def through(relay: Relay, model: Published) -> str:
    """The model's reference for those who go through the relay."""
    return model.reference.replace(relay.target, relay.host)


def test_ten_at_once_download_once(engine: Engine, image: str, minilm: Published, relay: Relay, node: Path) -> None:
    run = ("run", "--rm", *HARDENED, *volume(node))
    started = [engine.start(*run, "--name", name(), image, "stage", through(relay, minilm), *STAGE) for _ in range(10)]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * 10, said
    found = [json.loads(out) for out, _ in said]
    assert sorted(one["hit"] for one in found) == [False] + [True] * 9
    size = found[0]["bytes"]
    assert sum(one["fetched"] for one in found) == size
    assert size <= relay.received < size * 1.1
    assert len(content(node / "cache" / "current")) == found[0]["files"]


def test_sigterm_ends_process_one_and_the_next_goes_on(
    engine: Engine, image: str, minilm: Published, relay: Relay, node: Path
) -> None:
    container = name()
    (node / "message").touch()
    os.chown(node / "message", USER, USER)
    told = ("--volume", f"{node}/message:/dev/termination-log")
    slow = ("stage", through(relay, minilm), *STAGE, "--limit-rate", "40M")
    with engine.start("run", "--name", container, *HARDENED, *volume(node), *told, image, *slow) as process:
        try:
            wait_until(lambda: relay.received > 60 << 20, 60)
            pid = engine.podman("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
            status = Path(f"/proc/{pid}/status").read_text()
            assert "\nNSpid:\t" in status
            assert status.partition("\nNSpid:")[2].splitlines()[0].split()[-1] == "1"
            begun = time.monotonic()
            os.kill(int(pid), 15)  # as the kubelet's runtime does, without the time that podman takes
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10)
            assert time.monotonic() - begun < 2.0
            process.communicate(timeout=20)
            assert process.returncode == 143
        finally:
            engine.podman("rm", "--force", "--time", "0", container)
    assert json.loads((node / "message").read_text())["error"] == "Terminated"
    assert not (node / "cache" / "current").exists()
    done = measured(engine, image, node, "stage", through(relay, minilm), *STAGE)
    found = json.loads(done.out)
    assert (done.code, found["hit"]) == (0, False)
    # Both together; what was in the buffers of several connections is lost. From the beginning it would be 1.6 times as much.
    assert relay.received < found["bytes"] * 1.3


def test_little_memory_is_enough(
    engine: Engine, image: str, distribution: Registry, signer: PrivateKey, node: Path
) -> None:
    folder = node / "model"
    folder.mkdir()
    (folder / "model.bin").touch()
    os.truncate(folder / "model.bin", LARGE << 20)
    model = published(folder, distribution.repository("ml/large"), signer)
    limits = ("--memory", "64m", "--memory-swap", "64m")
    done = measured(engine, image, node, "stage", model.reference, *STAGE, limits=limits)
    assert (done.code, done.limit) == (0, str(64 << 20)), done
    assert json.loads(done.out)["bytes"] == LARGE << 20
    assert done.rss < 60 << 20
    assert (node / "cache" / "current" / "model.bin").stat().st_size == LARGE << 20


def test_a_hit_of_a_hundred_gigabytes_takes_half_a_second(
    engine: Engine, image: str, signer: PrivateKey, node: Path
) -> None:
    with LayoutStore(node / "layout") as layout:
        modelpack.sign(sparse(Cache(node / "cache"), layout, 40, 2_500_000_000), signer)
        for path in (node / "cache").rglob("*"):
            os.chown(path, USER, USER, follow_symlinks=False)
        with Server(layout, read_only=True) as server:
            reference = f"{server.host}/layout:v1"
            runs = [measured(engine, image, node, "stage", reference, *STAGE) for _ in range(3)]
    found = json.loads(runs[0].out)
    assert (found["hit"], found["bytes"], len(found["signers"])) == (True, 100_000_000_000, 1)
    # Other work on the machine makes it longer, but not more. bench/staging.py measures the time.
    assert min(run.cpu for run in runs) < 0.5
