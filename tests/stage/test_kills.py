"""Killed at any instant: a name leads to one whole version, always, and the next run goes on."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from modelpack import PrivateKey
from modelpack.errors import ModelPackError
from modelpack.stage import Cache, Receipt, collect, names
from tests.faults.relay import Relay
from tests.real.registries import Registry
from tests.stage.models import content
from tests.stage.test_registry import publish
from tests.stage.victims import End, Task, Victims

KILLS = int(os.environ.get("MODELPACK_KILLS", "50"))
SMALL, LARGE = 1 << 20, 4 << 20
"""Bytes of each of a version's two large files, one of which all versions have."""

LOST = 768 << 10
"""Bytes that a kill may cost: what was in the buffers of two connections, and what is asked again (manifests, signatures)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Three signed versions behind a relay that counts, and a cache."""

    relay: Relay
    name: str
    key: Path
    cache: Path
    versions: tuple[dict[str, bytes], ...]

    def stage(self, version: int) -> Task:
        return Task("stage", str(self.cache), f"{self.relay.host}/{self.name}:v{version}", str(self.key))

    def check(self) -> None:
        """Whatever is published is whole: each snapshot, what names lead to, and what every receipt says."""
        cache = Cache(self.cache)
        for key in cache.keys():  # noqa: SIM118  # a method
            assert content(cache.snapshot(key)) in self.versions
            if receipt := Receipt.load(cache, key):
                assert {file.path for file in receipt.files} == set(self.versions[0])
        for name in names(cache):
            assert content(cache.root / name) in self.versions


@pytest.fixture(name="scene")
def _scene(own_registry: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    signer = PrivateKey.generate("ecdsa-p256")
    key = tmp_path / "signer.pub"
    key.write_bytes(signer.public_key.pem)
    name = own_registry.repository().partition("/")[2]
    where = f"{own_registry.host}/{name}"
    size: int = getattr(request, "param", SMALL)
    versions = tuple(publish(tmp_path / "m", f"{where}:v{n}", signer, n, size) for n in (1, 2, 3))
    with Relay(own_registry.host) as relay:
        yield Scene(relay, name, key, tmp_path / "cache", versions)


@pytest.fixture(scope="module", name="victims")
def _victims() -> Iterator[Victims]:
    with Victims() as victims:
        yield victims


def killed_somewhere(victims: Victims, task: Task, chance: random.Random, changes: float, seconds: float) -> End:
    """By turns at a change to the file system and at a moment, both rather early than late: about ``changes`` and ``seconds``."""
    if chance.random() < 0.5:
        return victims.run(replace(task, at=1 + int(chance.expovariate(1 / changes))))
    return victims.run(replace(task, after=0.001 + chance.expovariate(1 / seconds)))


@pytest.mark.parametrize("scene", [LARGE], indirect=True)
def test_staging_killed_again_and_again_fetches_little_twice(
    scene: Scene, victims: Victims, record_property: Callable[[str, object], None]
) -> None:
    """Staging goes on where the last run was killed, until it is done: first one version, then updates; and all over again."""
    chance, begun = random.Random(KILLS), scene.relay.received
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        for version in (1, 2, 3):
            task = replace(scene.stage(version), rate=LARGE * 8)
            while (end := killed_somewhere(victims, task, chance, 20, 0.1)).killed:
                kills += 1
                scene.check()
            assert end.status == 0
            assert content(scene.cache / "current") == scene.versions[version - 1]
        shutil.rmtree(scene.cache)
    again = scene.relay.received - begun - 4 * LARGE * rounds
    record_property("kills", kills)
    record_property("bytes fetched again", again)
    assert again < (kills + 3 * rounds) * LOST


def test_every_single_change_can_be_the_last(scene: Scene, victims: Victims) -> None:
    """An update and the clearing away after it, killed before each change that they make to the file system in turn."""
    assert victims.run(scene.stage(1)).status == 0
    assert victims.run(scene.stage(2)).status == 0
    before = scene.cache.parent / "before"
    scene.cache.rename(before)
    for task in (scene.stage(3), Task("rollback", str(scene.cache)), Task("gc", str(scene.cache))):
        shutil.copytree(before, scene.cache, symlinks=True)
        total = victims.run(task).changes
        assert total >= 3
        for at in _some(total):
            shutil.rmtree(scene.cache)
            shutil.copytree(before, scene.cache, symlinks=True)
            assert victims.run(replace(task, at=at)).killed
            scene.check()
            assert content(scene.cache / "current") in scene.versions[1:]  # what was served is served, or the new one
            assert victims.run(task).status == 0
            scene.check()
        shutil.rmtree(before)
        scene.cache.rename(before)


def _some(total: int) -> list[int]:
    """All, or about as many as kills are wanted, spread evenly; the last ones always."""
    step = max(1, 3 * total // KILLS)
    return sorted({*range(1, total + 1, step), *range(max(1, total - 2), total + 1)})


def test_everything_at_once_killed_anywhere(scene: Scene, victims: Victims) -> None:
    """Updates, roll-backs and clearing away in any order, each of them killed somewhere or not at all."""
    chance = random.Random(KILLS + 1)
    assert victims.run(scene.stage(1)).status == 0
    assert victims.run(scene.stage(2)).status == 0
    others = [Task("gc", str(scene.cache)), Task("rollback", str(scene.cache))]
    kills = 0
    for _ in range(KILLS):
        task = chance.choice([scene.stage(chance.randint(1, 3)), *others])
        end = killed_somewhere(victims, task, chance, 8, 0.05)
        kills += end.killed
        scene.check()
        assert content(scene.cache / "current") in scene.versions
    assert kills >= KILLS // 4
    for version in (1, 2, 3):
        assert victims.run(scene.stage(version)).status == 0
        assert content(scene.cache / "current") == scene.versions[version - 1]
    # What killed runs had leases of stays for ten minutes, and their litter for a day.
    later = time.time() + 2 * 86400
    collect(Cache(scene.cache), now=later)
    assert len(Cache(scene.cache).keys()) == 2
    assert list((scene.cache / ".modelpack" / "tmp").iterdir()) == []
    assert content(scene.cache / "current") == scene.versions[2]


def test_what_a_victim_does_is_what_anybody_does(scene: Scene, victims: Victims, tmp_path: Path) -> None:
    """The kills would prove nothing if the verbs failed before."""
    assert victims.run(replace(scene.stage(1), reference=f"{scene.relay.host}/{scene.name}:no")).status == 1
    assert victims.run(replace(scene.stage(1), at=1)).killed
    assert victims.run(replace(scene.stage(1), after=0.001)).killed
    end = victims.run(scene.stage(1))
    assert (end.status, end.changes > 20) == (0, True)
    with pytest.raises(ModelPackError):
        Cache(tmp_path / "signer.pub").check()
