from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.errors import InputError, NoSpace
from modelpack.oci import Descriptor
from modelpack.store import Event, MemoryStore
from modelpack.unpack import Selection, unpack, unpacking
from tests.unpack.models import archive, model, raw, simple, tar_of, tree


def test_too_little_space_is_known_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 2 << 20)
    events: list[Event] = []
    store = MemoryStore()
    manifest = model(store, raw(store, "a", b"a" * (3 << 20)), raw(store, "small", b"s"))
    with pytest.raises(NoSpace, match=f"{(3 << 20) + 1} bytes are still to be written .* only {2 << 20} are free"):
        unpack(store, manifest, tmp_path / "m", observe=events.append)
    assert events == []
    assert list(tmp_path.iterdir()) == []
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("small",)))


def test_what_is_here_already_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    layers = [raw(store, "a", b"a" * (3 << 20)), archive(store, tar_of({"b": b"b" * (3 << 20)}))]
    manifest = model(store, *layers)
    lost = Descriptor(layers[0].media_type, Descriptor.of("", b"lost").digest, 4, {"org.cncf.model.filepath": "lost"})
    with pytest.raises(Exception, match="sha256"):
        unpack(store, model(store, *layers, lost), tmp_path / "m", jobs=1)
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 0)
    unpack(store, manifest, tmp_path / "m")
    assert sorted(tree(tmp_path / "m")) == ["a", "b"]


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir()
    return (
        subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=False, capture_output=True).returncode
        == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    if not mounted(folder, "-o", "size=8m"):
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("form", ["raw", "tar"])
def test_a_disk_that_fills_up(form: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    first = raw(store, "first", b"1" * (3 << 20))
    data = os.urandom(6 << 20)
    second = raw(store, "second", data) if form == "raw" else archive(store, tar_of({"second": data}))
    manifest = model(store, first, second)
    with pytest.raises(NoSpace, match="still to be written"):
        unpack(store, manifest, small_disk / "m", jobs=1)
    monkeypatch.setattr(unpacking, "free_bytes", lambda _: 1 << 40)
    with pytest.raises(NoSpace) as caught:
        unpack(store, manifest, small_disk / "m", jobs=1)
    assert "kept" in caught.value.hint
    assert (small_disk / ".m.modelpack-partial" / "blobs" / f"sha256-{first.digest.hex}").exists()
    assert not (small_disk / "m").exists()
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    unpack(store, manifest, small_disk / "m", jobs=1)
    assert tree(small_disk / "m")["second"] == data


def test_mount_points(small_disk: Path) -> None:
    store, manifest = simple({"a": b"1"})
    with pytest.raises(InputError, match="mount point"):
        unpack(store, manifest, small_disk)
    unpack(store, manifest, small_disk.parent / "m")
    inner = small_disk.parent / "m" / "inner"
    if mounted(inner):
        try:
            with pytest.raises(InputError, match="is a mount point"):
                unpack(*simple({"a": b"2"}), small_disk.parent / "m")
        finally:
            subprocess.run(["umount", "-l", inner], check=True)
