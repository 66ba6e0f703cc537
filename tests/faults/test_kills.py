"""Pull and push that are killed at random instants: the result is right, and little is sent again.

What is counted: the bytes that pass a relay before the registry (both directions, HTTP's own included), less the size of
what is moved; divided by the number of kills. What a pull loses is nearly all of it in the kernel's receive buffers (several
megabytes for each connection on loopback): what was written is never fetched again. ``MODELPACK_KILLS=100`` is the long
version, with 2 GiB.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from modelpack import LayoutStore, pack
from modelpack.oci import Descriptor, Manifest
from modelpack.store import Registry, RegistryStore, copy
from tests.faults.programs import finish, start
from tests.faults.relay import Relay
from tests.real.registries import Registry as Running

KILLS = int(os.environ.get("MODELPACK_KILLS", "12"))
LONG = KILLS >= 100
SIZES = {"large": (1, 1 << 30), "shard": (8, 128 << 20)} if LONG else {"large": (1, 96 << 20), "shard": (3, 24 << 20)}
SMALL = (200 if LONG else 40, 40 << 10)
ALLOWED = 0.05
"""Of the total, on the average of the kills."""


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One large file, some that are not small, and many small ones."""
    folder = tmp_path_factory.mktemp("model")
    source = random.Random(11)
    for stem, (count, size) in {**SIZES, "small": SMALL}.items():
        for number in range(count):
            with (folder / f"{stem}-{number:03}.bin").open("wb") as file:
                for begin in range(0, size, 64 << 20):
                    file.write(source.randbytes(min(64 << 20, size - begin)))
    return folder


@pytest.fixture(scope="module", name="layout")
def _layout(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayoutStore]:
    with LayoutStore(tmp_path_factory.mktemp("layout")) as store:
        packed = pack(folder, into=store, name="mixed")
        store.tag(packed.descriptor, "registry.example/ml/mixed:v1")
        yield store


@pytest.fixture(scope="module", name="manifest")
def _manifest(layout: LayoutStore) -> Manifest:
    document = layout.document(layout.resolve("registry.example/ml/mixed:v1"))
    assert isinstance(document, Manifest)
    return document


def blobs(manifest: Manifest) -> dict[str, Descriptor]:
    return {str(blob.digest): blob for blob in manifest.blobs}


def kill_often(begin: Callable[[], Popen[bytes]], relay: Relay, total: int, seed: int, times: int = KILLS) -> float:
    """Run it, kill it, run it again … and at last let it end. What was sent again, as a part of the total for each kill."""
    chance = random.Random(seed)
    kills = 0
    before = relay.moved
    for instant in sorted(chance.uniform(0, total) for _ in range(times)):
        process = begin()
        deadline = time.monotonic() + chance.uniform(0.3, 6.0)
        while process.poll() is None and relay.moved - before < instant and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        kills += process.poll() is None
        process.kill()
        process.communicate()
    finish(begin())
    again = relay.moved - before - total
    share = again / kills / total
    print(f"\n{kills} kills of {total / 1e6:.0f} MB: {again / kills / 1e6:.2f} MB, {share:.2%}, again for each")  # noqa: T201  # pytest -s shows it
    assert kills >= times // 2
    return share


def test_pull(distribution: Running, layout: LayoutStore, manifest: Manifest, folder: Path, tmp_path: Path) -> None:
    total = sum(blob.size for blob in blobs(manifest).values())
    with RegistryStore(Registry(distribution.host, distribution.options), "kills/pull") as store:
        copy(layout, manifest.descriptor, store, names=("v1",))
    with Relay(distribution.host) as relay:
        again = kill_often(lambda: start("pull", f"{relay.host}/kills/pull:v1", tmp_path / "out"), relay, total, 1)
    for path in folder.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert again < ALLOWED


def push_and_kill(
    registry: Running, layout: LayoutStore, manifest: Manifest, folder: Path, times: int = KILLS
) -> float:
    """What was sent again for each kill. Checks that everything arrived."""
    total = sum(blob.size for blob in blobs(manifest).values())
    name = f"kills/push-{registry.kind}"
    source = f"{layout.path}=registry.example/ml/mixed:v1"
    with Relay(registry.host) as relay:
        again = kill_often(lambda: start("push", source, f"{relay.host}/{name}:v1", folder), relay, total, 2, times)
    with RegistryStore(Registry(registry.host, registry.options), name) as store, LayoutStore(folder / "back") as back:
        assert store.resolve("v1").digest == manifest.descriptor.digest
        copy(store, manifest.descriptor, back)  # every byte is hashed
    return again


def test_push(own_registry: Running, layout: LayoutStore, manifest: Manifest, tmp_path: Path) -> None:
    assert push_and_kill(own_registry, layout, manifest, tmp_path) < ALLOWED


@pytest.mark.parametrize("kind", ["distribution", "crane_registry"])
def test_push_where_broken_requests_end_sessions(
    request: pytest.FixtureRequest, kind: str, layout: LayoutStore, manifest: Manifest, tmp_path: Path
) -> None:
    push_and_kill(request.getfixturevalue(kind), layout, manifest, tmp_path, KILLS // 4)
