"""Processes that want the same content at the same time, and what one of them may use of the memory."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelpack import LayoutStore, pack
from tests.faults.programs import finish, start
from tests.real.registries import Registry

FILES = {"weights.bin": 40_000_000, "second.bin": 9_000_000, **{f"small-{number}.bin": 3000 for number in range(10)}}
NAME = "registry.example/ml/model:v1"
MOST = 150 << 20
"""Bytes of memory above what the interpreter and its modules take."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A folder, and a layout with its model."""

    folder: Path
    layout: LayoutStore

    @property
    def source(self) -> str:
        return f"{self.layout.path}={NAME}"

    def check(self, pulled: Path) -> None:
        assert {path.name for path in pulled.iterdir()} >= {path.name for path in self.folder.iterdir()}
        for path in self.folder.iterdir():
            assert (pulled / path.name).read_bytes() == path.read_bytes()


def packed(folder: Path, layout: Path) -> Packed:
    store = LayoutStore(layout)
    store.tag(pack(folder, into=store, name="model").descriptor, NAME)
    return Packed(folder, store)


@pytest.fixture(scope="module", name="model")
def _model(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("model")
    for name, size in FILES.items():
        (folder / name).write_bytes(random.Random(name).randbytes(size))
    return packed(folder, tmp_path_factory.mktemp("layout"))


def test_processes_that_move_the_same(distribution: Registry, model: Packed, tmp_path: Path) -> None:
    """Two push at once, with one journal; three pull at once, two of them into one folder."""
    reference = f"{distribution.repository('processes/same')}:v1"
    pushing = [start("push", model.source, reference, tmp_path / "journal") for _ in range(2)]
    for process in pushing:
        finish(process)
    assert not (tmp_path / "journal").exists() or not list((tmp_path / "journal").iterdir())
    places = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    pulling = [start("pull", reference, place) for place in places]
    for process in pulling:
        finish(process)
    for place in places:
        model.check(place)


def test_memory_stays_flat(own_registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "sparse"
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(512 << 20)
    (folder / "config.json").write_bytes(b"{}")
    model = packed(folder, tmp_path / "layout")
    reference = f"{own_registry.repository('processes/sparse')}:v1"
    pushed = finish(start("push", model.source, reference, tmp_path / "journal"))
    pulled = finish(start("pull", reference, tmp_path / "out"))
    assert (tmp_path / "out" / "weights.bin").stat().st_size == 512 << 20
    assert (pushed < MOST, pulled < MOST) == (True, True), f"{pushed >> 20} MiB to push, {pulled >> 20} MiB to pull"
    print(f"\n{pushed >> 20} MiB to push, {pulled >> 20} MiB to pull")  # noqa: T201  # pytest -s shows it
