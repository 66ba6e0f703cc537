from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import Descriptor
from modelpack.paths import MARKER
from modelpack.store import Event, MemoryStore
from modelpack.unpack import unpack
from tests.unpack.models import archive, leftovers, model, put, raw, simple, tar_of, tree

ROOT = os.geteuid() == 0


def test_a_staging_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    staging = tmp_path / ".m.modelpack-partial"
    (tmp_path / "elsewhere").mkdir()
    staging.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        unpack(store, manifest, tmp_path / "m")
    staging.unlink()
    staging.mkdir()
    staging.chmod(0o777)
    with pytest.raises(InputError, match="not this user's own"):
        unpack(store, manifest, tmp_path / "m")
    staging.chmod(0o700)
    if ROOT:
        os.chown(staging, 12345, 12345)
        with pytest.raises(InputError, match="not this user's own"):
            unpack(store, manifest, tmp_path / "m")
        os.chown(staging, 0, 0)
    unpack(store, manifest, tmp_path / "m")
    assert leftovers(tmp_path / "m") == []


def test_an_old_tree_in_somebody_elses_staging_folder_does_not_come_back(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m")
    staging = tmp_path / ".m.modelpack-partial"
    staging.mkdir()
    staging.chmod(0o777)
    (tmp_path / "m").rename(staging / "previous")
    with pytest.raises(InputError, match="not this user's own"):
        unpack(store, manifest, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_links_in_a_staging_folder_are_not_followed(tmp_path: Path) -> None:
    store = MemoryStore()
    layer = raw(store, "a", b"1")
    tarred = archive(store, tar_of({"b": b"2"}))
    manifest = model(store, layer, tarred)
    staging = tmp_path / ".m.modelpack-partial"
    put(tmp_path, {"victim": b"1", "folder/x": b"x"})
    (staging / "blobs").mkdir(parents=True)
    staging.chmod(0o700)
    (staging / "blobs" / f"sha256-{layer.digest.hex}").symlink_to(tmp_path / "victim")
    (staging / "blobs" / f"sha256-{layer.digest.hex}.partial").symlink_to(tmp_path / "victim")
    (staging / "members").symlink_to(tmp_path / "folder")
    (staging / "tree").symlink_to(tmp_path / "folder")
    (staging / "previous").write_bytes(b"")
    unpack(store, manifest, tmp_path / "m")
    assert tree(tmp_path / "m") == {"a": b"1", "b": b"2"}
    assert (tmp_path / "m" / "a").stat().st_ino != (tmp_path / "victim").stat().st_ino
    assert tree(tmp_path / "folder") == {"x": b"x"}
    assert (tmp_path / "victim").read_bytes() == b"1"


def test_what_is_left_behind_is_hashed_before_it_is_used(tmp_path: Path) -> None:
    store = MemoryStore()
    layers = [raw(store, name, name.encode() * 1000) for name in "abc"]
    tarred = archive(store, tar_of({"t": b"t" * 100}))
    lost = Descriptor(layers[0].media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, *layers, tarred, lost), tmp_path / "m", jobs=1)
    staging = tmp_path / ".m.modelpack-partial"
    blob = staging / "blobs" / f"sha256-{layers[0].digest.hex}"
    assert blob.read_bytes() == b"a" * 1000
    blob.write_bytes(b"A" * 1000)
    (staging / "blobs" / f"sha256-{layers[1].digest.hex}").write_bytes(b"b" * 999)
    other = staging / "blobs" / ("sha256-" + "0" * 64)
    other.write_bytes(b"of another model")
    (member,) = (staging / "members").glob("*/0")
    member.write_bytes(b"T" * 100)
    store.push_bytes("x", b"lost")
    unpack(store, model(store, *layers, tarred, lost), tmp_path / "m")
    assert tree(tmp_path / "m") == {name: name.encode() * 1000 for name in "abc"} | {"t": b"t" * 100, "lost": b"lost"}
    assert leftovers(tmp_path / "m") == []


@pytest.mark.parametrize(
    "record", [b"", b"{}", b'{"files":[{"path":"../x","digest":"y"}]}', b'{"files":7}', b'{"count":1}', None]
)
def test_damaged_records_in_the_staging_folder(record: bytes | None, tmp_path: Path) -> None:
    store = MemoryStore()
    tarred = archive(store, tar_of({"t": b"t"}))
    lost = Descriptor(tarred.media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, tarred, lost), tmp_path / "m", jobs=1)
    (path,) = (tmp_path / ".m.modelpack-partial" / "members").glob("*/record.json")
    path.unlink()
    if record is None:
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(record)
    unpack(store, model(store, tarred), tmp_path / "m")
    # An empty record is a record of nothing; that is no reason to believe that the archive is empty.
    assert tree(tmp_path / "m") == {"t": b"t"}


def test_after_a_run_that_was_killed_in_its_last_step(tmp_path: Path) -> None:
    """The new tree is live and shares its files with what waits in the staging folder."""
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m")
    staging = tmp_path / ".m.modelpack-partial"
    put(staging, {"tree/old": b"old", "blobs/x": b""})
    staging.chmod(0o700)
    os.link(tmp_path / "m" / "a", staging / "blobs" / f"sha256-{manifest.layers[0].digest.hex}")
    (tmp_path / "m" / MARKER).unlink()
    (tmp_path / "m" / "a").chmod(0o640)
    events: list[int] = []

    def look(event: Event) -> None:
        events.append(stat.S_IMODE((tmp_path / "m" / "a").stat().st_mode))

    unpack(store, manifest, tmp_path / "m", force=True, observe=look)
    assert set(events) == {0o640}
    assert (tmp_path / "m" / "a").stat().st_nlink == 1
    assert leftovers(tmp_path / "m") == []
