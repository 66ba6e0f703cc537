from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from modelpack.errors import UnsafePath
from modelpack.oci import Descriptor
from modelpack.store import MemoryStore
from modelpack.unpack import unpack
from tests.paths.names import COLLISIONS, HOSTILE
from tests.unpack.models import archive, member, model, raw, tar


def check_refused(store: MemoryStore, layers: list[Descriptor], folder: Path) -> None:
    with pytest.raises(UnsafePath):
        unpack(store, model(store, *layers), folder / "a" / "b" / "model", jobs=1)
    left = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    # What was fetched before the refusal may wait in the staging folder, but under no name of the artifact's.
    staging = folder / "a" / "b" / ".model.modelpack-partial"
    assert all(path.is_relative_to(staging) for path in left)
    assert all(re.fullmatch(r"sha256-[0-9a-f]{64}|[0-9]+|record\.json", path.name) for path in left)
    assert not (folder / "a" / "b" / "model").exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_raw_layers_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    check_refused(store, [raw(store, "good.bin", b"good"), raw(store, name, b"evil")], tmp_path)


# The standard library cuts a name at NUL and at the end of a folder's slashes before it writes it.
@pytest.mark.parametrize("name", [name for name in [*HOSTILE, "a\udcffb", "\udcff/x"] if name.partition("\0")[0]])
def test_archive_members_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    data = tar([member("good.txt", b"good"), member(name.replace("\0", "\x01"), b"evil")])
    check_refused(store, [archive(store, data)], tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b", ".modelpack.json"])
def test_folders_in_archives_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    check_refused(store, [archive(store, tar([member(name, type_=tarfile.DIRTYPE)]))], tmp_path)


@pytest.mark.parametrize(("first", "second"), COLLISIONS)
@pytest.mark.parametrize("codecs", ["raw raw", "raw tar", "tar raw", "tar tar", "one tar"])
def test_names_cannot_collide(first: str, second: str, codecs: str, tmp_path: Path) -> None:
    store = MemoryStore()
    if codecs == "one tar":
        layers = [archive(store, tar([member(first, b"1"), member(second, b"2")]))]
    else:
        layers = [
            raw(store, name, name.encode()) if codec == "raw" else archive(store, tar([member(name, name.encode())]))
            for name, codec in zip((first, second), codecs.split(), strict=True)
        ]
    check_refused(store, layers, tmp_path)
