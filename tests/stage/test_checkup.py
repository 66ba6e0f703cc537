from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import modelpack
from modelpack import Packed
from modelpack.errors import InputError, NoSpace, NotFound
from modelpack.oci import Kind
from modelpack.stage import Cache, Depth, Request, check, find, used_bytes
from modelpack.unpack import Selection
from tests.stage.models import staged


def packed(folder: Path, text: str = "{}") -> Packed:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(text)
    (folder / "model.bin").write_bytes(b"w" * 1000)
    return modelpack.pack(folder, name="m")


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> Packed:
    return packed(tmp_path / "model")


@pytest.fixture(name="cache")
def _cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def rewritten(cache: Cache, key: str, **members: object) -> None:
    """A receipt that says something else."""
    document = json.loads(cache.receipt(key).read_bytes()) | members
    cache.receipt(key).write_text(json.dumps(document))


def test_what_is_sound_and_what_is_not(model: Packed, cache: Cache) -> None:
    key = staged(cache.root, model.store, model.manifest).digest.hex
    assert check(cache, key).damage == ""
    assert check(cache, key).size == 1002
    place = cache.snapshot(key) / "config.json"
    status = place.stat()
    place.chmod(0o644)
    place.write_text("[]")
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    place.chmod(0o444)
    assert check(cache, key, Depth.RECEIPT).damage == "", "by size and time it is the same"
    assert check(cache, key, Depth.SAMPLE).damage == "config.json does not match its digest"


def test_a_receipt_is_held_against_the_manifest(model: Packed, cache: Cache) -> None:
    key = staged(cache.root, model.store, model.manifest).digest.hex
    original = json.loads(cache.receipt(key).read_bytes())
    first, second = original["files"]
    rewritten(cache, key, files=[first | {"layer": str(modelpack.Digest.of(b"x"))}, second])
    assert "a layer that the manifest does not have" in check(cache, key).damage
    rewritten(cache, key, files=[first | {"digest": second["digest"]}, second])
    assert "is not as its layer" in check(cache, key).damage
    rewritten(cache, key, files=[first])
    assert "is missing or another" in check(cache, key).damage
    rewritten(cache, key, files=original["files"], digest=str(modelpack.Digest.of(b"y")))
    assert check(cache, key).damage == "its receipt is for something else"
    cache.receipt(key).unlink()
    assert check(cache, key).damage == "it has no valid receipt"


def test_without_the_manifest_nothing_can_be_said(model: Packed, cache: Cache) -> None:
    key = staged(cache.root, model.store, model.manifest).digest.hex
    blob = cache.evidence / "blobs" / "sha256" / key
    blob.chmod(0o644)
    blob.write_bytes(b"{}")
    assert "cannot be read" in check(cache, key).damage


def test_a_selection_is_a_snapshot_of_its_own(model: Packed, cache: Cache) -> None:
    chosen = Request(selection=Selection(kinds=frozenset({Kind.CONFIG})))
    key = staged(cache.root, model.store, model.manifest, chosen).snapshot.name
    assert "-" in key
    assert check(cache, key).damage == ""


def test_names_digests_and_beginnings(model: Packed, cache: Cache) -> None:
    done = staged(cache.root, model.store, model.manifest)
    key = done.digest.hex
    for wanted in ("current", key, str(done.digest), key[:12], f"sha256:{key[:20]}"):
        assert find(cache, wanted) == key
    for wanted in ("other", key[:11], "sha256:" + "0" * 64, "0" * 64):
        with pytest.raises(NotFound):
            find(cache, wanted)
    with pytest.raises(InputError):
        find(cache, "../x")
    chosen = Request(selection=Selection(kinds=frozenset({Kind.CONFIG})))
    staged(cache.root, model.store, model.manifest, chosen)
    assert find(cache, key) == key
    with pytest.raises(InputError, match="several"):
        find(cache, key[:12])


def test_without_a_name_nothing_is_swapped(model: Packed, cache: Cache, tmp_path: Path) -> None:
    done = staged(cache.root, model.store, model.manifest, Request(name=None))
    assert (done.swapped, done.path) == (False, done.snapshot)
    assert not (cache.root / "current").exists()
    assert staged(cache.root, model.store, model.manifest, Request(name=None)).hit
    cache.root.chmod(0o555)
    assert staged(cache.root, model.store, model.manifest, Request(name=None)).hit, "a hit that changes nothing"


def test_a_budget(model: Packed, cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match="0 of the 1000 allowed"):
        staged(cache.root, model.store, model.manifest, Request(max_bytes=1000))
    staged(cache.root, model.store, model.manifest, Request(max_bytes=1002))
    assert used_bytes(cache) == 1002
    other = packed(tmp_path / "other", "[1, 2, 3]")
    with pytest.raises(NoSpace):
        staged(cache.root, other.store, other.manifest, Request(max_bytes=1005))
    assert staged(cache.root, other.store, other.manifest, Request(max_bytes=1011)).fetched == 9
    assert staged(cache.root, model.store, model.manifest, Request(max_bytes=1)).hit, "what is there costs nothing"
