"""A large blob over several connections from a registry that misbehaves."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, SizeMismatch, Unavailable
from modelpack.oci import Descriptor
from modelpack.store import RegistryStore, receive
from modelpack.store.parallel import THRESHOLD
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import Recorder, connect, stored
from tests.store.content import WEIGHTS

DATA = random.Random(3).randbytes(THRESHOLD + 12_345)
BLOB = "/blobs/"


def fetch(store: RegistryStore, blob: Descriptor, path: Path) -> Recorder:
    """Receive, and check that nothing but the file is left, and that the bytes were counted once."""
    counted: list[int] = []
    observe = Recorder()
    receive(store.source(blob, counted.append), path)
    assert path.read_bytes() == DATA
    assert sum(counted) == len(DATA)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    return observe


def test_it_arrives(faulty: FaultyRegistry, tmp_path: Path) -> None:
    with connect(faulty) as store:
        fetch(store, stored(faulty, DATA), tmp_path / "weights")
    assert all("range" in request.headers for request in faulty.find("GET", BLOB))


def test_breaks_are_taken_up_again(faulty: FaultyRegistry, tmp_path: Path) -> None:
    faulty.on("GET", BLOB, effects.cut(1_000_000, "reset"), times=5)
    faulty.on("GET", BLOB, effects.status(503), skip=7, times=2)
    with connect(faulty) as store:
        fetch(store, stored(faulty, DATA), tmp_path / "weights")


def test_a_registry_that_ignores_ranges(tmp_path: Path) -> None:
    with FaultyRegistry(Features(ranges=False)) as faulty, connect(faulty) as store:
        fetch(store, stored(faulty, DATA), tmp_path / "weights")


def test_wrong_content_gets_no_name(faulty: FaultyRegistry, tmp_path: Path) -> None:
    blob = stored(faulty, DATA)
    faulty.on("GET", BLOB, effects.wrong_bytes(0), times=None)
    with connect(faulty) as store, pytest.raises(DigestMismatch):
        receive(store.source(blob), tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [len(DATA) + 1, len(DATA) * 2])
def test_a_blob_that_is_shorter_than_promised(faulty: FaultyRegistry, tmp_path: Path, size: int) -> None:
    lie = Descriptor(WEIGHTS, stored(faulty, DATA).digest, size)
    with connect(faulty) as store, pytest.raises(SizeMismatch):
        receive(store.source(lie), tmp_path / "weights")


def test_a_second_run_goes_on(faulty: FaultyRegistry, tmp_path: Path) -> None:
    blob = stored(faulty, DATA)
    faulty.on("GET", BLOB, effects.cut(9_000_000))
    faulty.on("GET", BLOB, effects.status(503), skip=1, times=3)
    with connect(faulty, retries=3) as store, pytest.raises(Unavailable):
        receive(store.source(blob), tmp_path / "weights")
    with connect(faulty) as store:
        fetch(store, blob, tmp_path / "weights")


def test_an_expired_token_between_two_parts(tmp_path: Path) -> None:
    with FaultyRegistry() as faulty:
        faulty.guard.kind, faulty.guard.username, faulty.guard.password = "token", "robot", "canary"
        faulty.on("GET", BLOB, effects.cut(3_000_000), skip=1)
        faulty.on("GET", BLOB, effects.expired_token(), skip=2)
        with connect(faulty, login=("robot", "canary")) as store:
            fetch(store, stored(faulty, DATA), tmp_path / "weights")
        assert len(faulty.guard.scopes) == 2
