from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelpack.errors import CannotVerify, InputError, NotFound
from modelpack.stage import Cache, Request, collect, fingerprint, leases, names, pins, release, renew, set_pin
from modelpack.stage.cache import locks_work, pinned
from modelpack.store import MemoryStore
from modelpack.trust import (
    AllOf,
    AnyOf,
    Attested,
    InsecureAcceptAnything,
    KeyIdentity,
    KeylessIdentity,
    Kind,
    Policy,
    PrivateKey,
    SignedBy,
)
from tests.stage.models import content, staged
from tests.unpack.models import model, raw, simple

OLD = 30 * 86400.0 + 5


@pytest.fixture(name="cache")
def _cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path)
    cache.prepare()
    return cache


def versions(cache: Cache, count: int = 4) -> list[str]:
    """Several models with one blob in common, the last one under the name."""
    store = MemoryStore()
    shared = raw(store, "shared", b"s" * 1000)
    manifests = [model(store, shared, raw(store, "own", bytes([65 + n]) * (n + 1))) for n in range(count)]
    for number, manifest in enumerate(manifests):
        staged(cache.root, store, manifest)
        os.utime(cache.receipt(manifest.descriptor.digest.hex), (1e9 + number, 1e9 + number))
    return [manifest.descriptor.digest.hex for manifest in manifests]


def test_gc_keeps_what_names_lead_to_and_led_to(cache: Cache) -> None:
    keys = versions(cache)
    freed = collect(cache, grace=-1)
    assert [item.path.name for item in freed if item.kind == "snapshot"] == keys[:2]
    assert sorted(item.size for item in freed if item.kind == "blob") == [1, 2]
    assert cache.keys() == tuple(sorted(keys[2:]))
    assert content(cache.root / "current")["own"] == b"DDDD"
    assert collect(cache, grace=-1) == ()
    assert sorted(path.name for path in cache.receipts.iterdir()) == sorted(f"{key}.json" for key in keys[2:])


def test_gc_keeps_leases_and_pins(cache: Cache) -> None:
    keys = versions(cache)
    renew(cache, "pod-1", keys[0], ttl=60)
    set_pin(cache, keys[1], keep=True)
    assert (pinned(cache, keys[1]), pins(cache)) == (True, frozenset({keys[1]}))
    assert collect(cache, grace=-1) == ()
    assert [item.path.name for item in collect(cache, grace=-1, now=time.time() + 61, dry_run=True)][:1] == [keys[0]]
    renew(cache, "pod-1")
    release(cache, "pod-1")
    release(cache, "pod-1")
    set_pin(cache, keys[1], keep=False)
    assert len([item for item in collect(cache, grace=-1) if item.kind == "snapshot"]) == 2


def test_gc_by_size_and_by_age(cache: Cache) -> None:
    keys = versions(cache)
    assert collect(cache, max_bytes=1010, grace=-1, dry_run=True) == ()
    by_size = collect(cache, max_bytes=1009, grace=-1)
    assert [(item.kind, item.path.name) for item in by_size][:1] == [("snapshot", keys[0])]
    assert [item.kind for item in by_size] == ["snapshot", "blob", "evidence"]
    now = 1e9 + 101
    assert collect(cache, max_age=100, now=now, dry_run=True, grace=0) == ()
    would = collect(cache, max_age=99, now=now, dry_run=True, grace=0)
    assert [(item.kind, item.path.name) for item in would] == [("snapshot", keys[1]), ("evidence", keys[1])]


def test_gc_leaves_young_blobs_and_clears_old_work(cache: Cache) -> None:
    loose = cache.blobs / "sha256" / ("0" * 64)
    loose.write_bytes(b"loose")
    work = cache.work / "some-boot" / ("1" * 64)
    work.mkdir(parents=True)
    (work / "part").write_bytes(b"12345")
    (cache.private / "tmp" / "left").write_bytes(b"1")
    assert collect(cache) == ()
    later = time.time() + 90_000
    assert {(item.kind, item.size) for item in collect(cache, now=later, dry_run=True)} == {
        ("blob", 5),
        ("work", 5),
        ("work", 1),
    }
    collect(cache, now=later)
    assert not loose.exists()
    assert not work.exists()


def test_what_is_used_again_at_the_last_moment_comes_back(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelpack.stage import garbage

    keys = versions(cache)
    real = garbage.used
    answers = iter([real(cache), frozenset(keys), real(cache), real(cache)])
    monkeypatch.setattr(garbage, "used", lambda *_: next(answers))
    freed = collect(cache, grace=-1)
    assert [item.path.name for item in freed if item.kind == "snapshot"] == [keys[1]]
    assert cache.snapshot(keys[0]).is_dir()


def test_leases(cache: Cache) -> None:
    key = versions(cache, 1)[0]
    with pytest.raises(NotFound, match="has no lease"):
        renew(cache, "pod")
    for owner in ("", "../x", "a b"):
        with pytest.raises(InputError, match="name of a lease"):
            renew(cache, owner, key, ttl=5)
    with pytest.raises(InputError, match="lasts between"):
        renew(cache, "pod", key, ttl=0)
    lease = renew(cache, "pod", key, ttl=5)
    assert leases(cache) == (lease,)
    assert leases(cache, time.time() + 6) == ()
    (cache.leases / "bad.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        collect(cache)
    os.utime(cache.leases / "bad.json", (time.time() - OLD, time.time() - OLD))
    assert len(leases(cache)) == 1
    (cache.leases / "worse.json").write_text('{"snapshot": "../../etc", "ttl": 5}')
    with pytest.raises(InputError, match="not a snapshot's key"):
        leases(cache)
    with pytest.raises(NotFound, match="no snapshot"):
        set_pin(cache, "0" * 64, keep=True)
    with pytest.raises(NotFound, match="no snapshot"):
        set_pin(cache, "../x", keep=False)


def test_a_lease_and_a_pin_come_with_staging(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    key = manifest.descriptor.digest.hex
    staged(tmp_path, store, manifest, Request("x", lease="pod-7", ttl=60, pin=True))
    cache = Cache(tmp_path)
    assert [(lease.owner, lease.key) for lease in leases(cache)] == [("pod-7", key)]
    assert pins(cache) == {key}
    assert names(cache) == {"x": key}
    before = (tmp_path / "leases" / "pod-7.json").stat().st_ino
    assert staged(tmp_path, store, manifest, Request("x", lease="pod-7", ttl=60)).hit
    assert (tmp_path / "leases" / "pod-7.json").stat().st_ino != before


@pytest.mark.parametrize("folder", ["", "snapshots", "receipts", "blobs", "evidence"])
def test_folders_of_others_are_refused(folder: str, tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    staged(tmp_path, store, manifest)
    place = tmp_path / folder
    place.chmod(0o777)
    if not folder:  # an emptyDir is like that
        assert staged(tmp_path, store, manifest).hit
        return
    with pytest.raises(InputError, match="others than uid"):
        staged(tmp_path, store, manifest)
    place.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(place, 4242, 4242)
        with pytest.raises(InputError, match="belongs to uid 4242") as caught:
            staged(tmp_path, store, manifest)
        assert "run as uid 4242" in caught.value.hint
        with pytest.raises(InputError, match="belongs to uid 4242"):
            collect(Cache(tmp_path))


def test_a_link_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "snapshots").symlink_to("/tmp")
    with pytest.raises(InputError, match="is not a folder"):
        Cache(tmp_path).check()


def test_locks_are_tried(cache: Cache) -> None:
    assert locks_work(cache)
    assert not locks_work(cache, lambda *_: None)

    def refuse(*_: int) -> None:
        raise OSError(37, "No locks available")

    assert not locks_work(cache, refuse)
    assert list((cache.private / "tmp").iterdir()) == []


def test_fingerprints_tell_policies_apart() -> None:
    one, two = (PrivateKey.generate("ed25519").public_key for _ in range(2))
    until = datetime(2030, 1, 1, tzinfo=UTC)
    policies: list[Policy] = [
        SignedBy(one),
        SignedBy(two),
        SignedBy(one, two),
        SignedBy(one, two, threshold=2),
        SignedBy(one, after=until),
        SignedBy(one, model_signatures=True),
        SignedBy(KeyIdentity(one, until=until)),
        AllOf(SignedBy(one)),
        AnyOf(SignedBy(one)),
        Attested("a", one),
        Attested("a", one, where={"b": 1}),
        Attested("a", one, where={"b": True}),
        Attested("a", one, where={"b": "1"}),
        InsecureAcceptAnything(),
    ]
    prints = [fingerprint(policy) for policy in policies]
    assert len(set(prints)) == len(policies)
    assert prints == [fingerprint(policy) for policy in policies]
    assert fingerprint(SignedBy(one)) == prints[0]
    one_more = KeylessIdentity("x", "a@example.org", "https://idp.example")
    assert fingerprint(SignedBy(one_more)) not in prints
    assert fingerprint(SignedBy(KeyIdentity(one, until=until))) == prints[6]
    assert fingerprint(Path("a")) != fingerprint(Path("b"))  # type: ignore[arg-type]  # parts are written like wholes
    assert fingerprint(frozenset({1, 2})) == fingerprint(frozenset({2, 1}))  # type: ignore[arg-type]  # as above
    assert fingerprint(Kind.SIGNATURE) != fingerprint("signature")  # type: ignore[arg-type]  # as above
    with pytest.raises(CannotVerify, match="no fingerprint"):
        fingerprint(object())  # type: ignore[arg-type]
