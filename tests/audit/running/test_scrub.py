"""Stored content hashed again, a budget at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.running.making import DAY, NOW, fill, put, run, said
from tests.faults import FaultyRegistry, effects
from tests.store.clients import connect


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as registry:
        yield registry


def rot(faulty: FaultyRegistry, name: str) -> str:
    """Change one byte of a repository's largest blob; its digest."""
    blobs = faulty.repository(name).blobs
    digest = max(blobs, key=lambda one: len(blobs[one]))
    blobs[digest] = blobs[digest][:-1] + bytes([blobs[digest][-1] ^ 1])
    return digest


def test_rot_is_found_and_stays_known_until_it_is_gone(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 2, 1)
    digest = rot(faulty, "ml/r1")
    found, _ = run(faulty.host, tmp_path / "state")
    assert said(found, "MP003") == set()
    found, results = run(faulty.host, tmp_path / "state", scrub=1 << 20)
    told = [one for one in found if one.rule == "MP003"]
    assert [(one.place, one.data["state"]) for one in told] == [(digest, "corrupt")]
    assert results.summary.scrubbed > 300
    found, results = run(faulty.host, tmp_path / "state")
    assert (said(found, "MP003"), results.summary.scrubbed) == ({("MP003", "ml/r1:v0")}, 0)
    good = faulty.repository("ml/r1").blobs
    good[digest] = good[digest][:-1] + bytes([good[digest][-1] ^ 1])
    run(faulty.host, tmp_path / "state", scrub=1 << 20, now=NOW + DAY / 24)
    found, _ = run(faulty.host, tmp_path / "state")
    assert said(found, "MP003") == set()


def test_a_blob_that_is_gone(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    run(faulty.host, tmp_path / "state")
    blobs = faulty.repository("ml/r0").blobs
    del blobs[max(blobs, key=lambda one: len(blobs[one]))]
    found, _ = run(faulty.host, tmp_path / "state", scrub=1 << 20)
    assert [one.data["state"] for one in found if one.rule == "MP003"] == ["missing"]


def test_each_audit_goes_on_where_the_last_one_ended(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 4, 1)
    hashed: list[str] = []
    for number in range(4):
        before = len(faulty.requests)
        # Two blobs of a model fit: its weights and settings.
        run(faulty.host, tmp_path / "state", scrub=300, now=NOW + DAY * number / 100)
        hashed += [
            one.path for one in faulty.requests[before:] if number and "/blobs/" in one.path and one.method == "GET"
        ]
    assert len(hashed) == len(set(hashed)) > 3


def test_a_blob_larger_than_the_budget_has_its_turn(faulty: FaultyRegistry, tmp_path: Path) -> None:
    with connect(faulty, "ml/r0") as store:
        put(store, "v0")
    run(faulty.host, tmp_path / "state")
    sizes = [
        run(faulty.host, tmp_path / "state", scrub=1, now=NOW + DAY * n / 100)[1].summary.scrubbed for n in range(1, 5)
    ]
    assert sorted(sizes[:3]) == [2, 160, max(sizes)]  # settings, weights, configuration
    assert max(sizes) > 200


def test_what_could_not_be_hashed_is_told(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    run(faulty.host, tmp_path / "state")
    faulty.on("GET", "/blobs/", effects.status(503), times=None)
    found, results = run(faulty.host, tmp_path / "state", scrub=1 << 20)
    assert said(found, "MP009") == {("MP009", "ml/r0")}
    assert (results.complete, results.summary.scrubbed) == (False, 0)
