"""Volumes as nodes really have them: full, read-only, somebody else's, damaged. What a container says, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelpack import PrivateKey
from tests.deploy.conftest import Published, published
from tests.deploy.containers import HARDENED, name, owned, volume
from tests.deploy.engine import Done, Engine
from tests.deploy.pods import USER
from tests.real.registries import Registry
from tests.stage.models import content


@dataclass(frozen=True, slots=True)
class Node:
    """A node with a key and a file for the termination message; the cache is ``cache``."""

    engine: Engine
    image: str
    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def stage(self, model: Published, *more: str, read_only: bool = False) -> Done:
        """Stage a model in a container."""
        mounts: tuple[str, ...] = (*volume(self.folder), "--volume", f"{self.folder}/message:/dev/termination-log")
        mounts += ("--volume", f"{self.cache}:/cache{':ro' if read_only else ''}")
        verb = ("stage", model.reference, "--to", "/cache", "--key", "/node/signer.pub", *more)
        return self.engine.podman("run", "--rm", "--name", name(), *HARDENED, *mounts, self.image, *verb, check=False)

    def told(self) -> dict[str, Any]:
        """The termination message."""
        found: dict[str, Any] = json.loads((self.folder / "message").read_text())
        return found

    def refused(self, done: Done, code: int, error: str, message: str, hint: str) -> None:
        """It ended so, and said so where a cluster looks."""
        told = self.told()
        assert (done.returncode, told["result"], told["error"]) == (code, "error", error), done.stderr
        assert message in told["message"]
        assert hint in told["hint"]
        assert "Traceback" not in done.stderr


@pytest.fixture(name="node")
def _node(engine: Engine, image: str, signer: PrivateKey, tmp_path: Path) -> Node:
    folder = owned(tmp_path / "node")
    (folder / "signer.pub").write_bytes(signer.public_key.pem)
    (folder / "message").touch()
    os.chown(folder / "message", USER, USER)
    owned(folder / "cache")
    return Node(engine, image, folder)


@pytest.fixture(name="small", scope="module")
def _small(distribution: Registry, signer: PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return _published(tmp_path_factory.mktemp("small"), distribution, signer, 1 << 20)


@pytest.fixture(name="large", scope="module")
def _large(distribution: Registry, signer: PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return _published(tmp_path_factory.mktemp("large"), distribution, signer, 40 << 20)


def _published(folder: Path, registry: Registry, signer: PrivateKey, size: int) -> Published:
    (folder / "model.bin").write_bytes(os.urandom(size))
    (folder / "config.json").write_text("{}")
    return published(folder, registry.repository("ml/some"), signer)


@pytest.fixture(name="disk")
def _disk(node: Node) -> Iterator[Node]:
    """The cache is a disk of 48 MiB with a file system of its own."""
    place = node.folder / "disk.img"
    with place.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-E", f"root_owner={USER}:{USER}", place], check=True)
    if subprocess.run(["mount", "-o", "loop", place, node.cache], check=False, capture_output=True).returncode:
        pytest.skip("needs loop devices")
    yield node
    subprocess.run(["umount", "--lazy", node.cache], check=True)


def test_a_disk_that_is_too_small_keeps_what_it_has(disk: Node, small: Published, large: Published) -> None:
    assert disk.stage(small).returncode == 0
    disk.refused(disk.stage(large), 5, "NoSpace", "are still to be written", "stage gc")
    assert content(disk.cache / "current") == content(small.folder)
    assert disk.stage(small).returncode == 0
    assert disk.told()["result"] == "hit"


def test_a_read_only_mount_serves_what_is_there(node: Node, small: Published, large: Published) -> None:
    node.refused(node.stage(small, read_only=True), 2, "InputError", "mounted read-only", "may write")
    assert node.stage(small).returncode == 0
    assert node.stage(small, read_only=True).returncode == 0
    assert (node.told()["result"], node.told()["fetched"]) == ("hit", 0)
    node.refused(node.stage(large, read_only=True), 2, "InputError", "mounted read-only", "readOnly")
    assert content(node.cache / "current") == content(small.folder)


def test_what_belongs_to_somebody_else_is_not_used(node: Node, small: Published) -> None:
    os.chown(node.cache, 0, 0)  # as hostPath's DirectoryOrCreate makes it
    node.refused(node.stage(small), 2, "InputError", "belongs to uid 0 (mode 755)", f"chown {USER}")
    assert list(node.cache.iterdir()) == []
    os.chown(node.cache, USER, USER)
    assert node.stage(small).returncode == 0
    os.chown(node.cache / "snapshots", 1000, 1000)
    node.refused(node.stage(small), 2, "InputError", "belongs to uid 1000", "run as uid 1000")


def test_what_was_damaged_is_mended_from_the_registry(node: Node, small: Published) -> None:
    assert node.stage(small).returncode == 0
    file = (node.cache / "current" / "model.bin").resolve()
    status = file.stat()
    with file.open("r+b") as damaged:  # root may, and the times are put back: only its bytes are wrong
        damaged.write(b"damage")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert node.stage(small, "--verify", "full").returncode == 0
    assert (node.told()["result"], node.told()["fetched"]) == ("miss", 1 << 20)
    assert content(node.cache / "current") == content(small.folder)
    for receipt in (node.cache / "receipts").iterdir():
        receipt.write_bytes(b'{"version":')
    assert node.stage(small).returncode == 0
    assert (node.told()["result"], node.told()["fetched"]) == ("miss", 0)  # the blobs are hashed, and right
    assert node.stage(small).returncode == 0
    assert node.told()["result"] == "hit"
