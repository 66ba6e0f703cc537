"""Layers that are archives: taken apart, and not fetched again for the next version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelpack.errors import InputError, UnsafePath
from modelpack.oci import Digest
from modelpack.stage import Depth, Request
from modelpack.store import MemoryStore
from modelpack.unpack import EVERYTHING, Selection
from tests.stage.models import content, staged
from tests.unpack.models import archive, compress, model, raw, tar, tar_of
from tests.unpack.models import member as tar_member


@pytest.mark.parametrize("codec", ["tar", "tar+gzip", "tar+zstd"])
def test_archives(codec: str, tmp_path: Path) -> None:
    store = MemoryStore()
    data = tar([tar_member("run.sh", b"#!", mode=0o755), tar_member("lib/x.py", b"x")])
    manifest = model(store, archive(store, compress(data, codec), codec), raw(store, "w.bin", b"w"))
    staged(tmp_path, store, manifest)
    assert content(tmp_path / "current") == {"run.sh": b"#!", "lib/x.py": b"x", "w.bin": b"w"}
    assert os.access(tmp_path / "current" / "run.sh", os.X_OK)
    assert (tmp_path / "current" / "run.sh").stat().st_mode & 0o777 == 0o555
    assert staged(tmp_path, store, manifest, Request(depth=Depth.FULL)).hit


@pytest.mark.parametrize("codec", ["tar", "tar+zstd"])
def test_archives_are_not_fetched_for_the_next_version(codec: str, tmp_path: Path) -> None:
    store = MemoryStore()
    members = [tar_member("run.sh", b"#!", mode=0o755), tar_member("lib/x.py", b"x"), tar_member("lib/y.py", b"x")]
    code = archive(store, compress(tar(members), codec), codec)
    one, two = (model(store, code, raw(store, "w.bin", data)) for data in (b"1", b"22"))
    staged(tmp_path, store, one)
    only = MemoryStore()
    for descriptor in (two.config, two.layers[1]):
        only.push(descriptor, store.source(descriptor))
    only.push(two.descriptor, store.source(two.descriptor))
    second = staged(tmp_path, only, two)
    assert (second.hit, second.fetched) == (False, 2)
    assert content(tmp_path / "current") == {"run.sh": b"#!", "lib/x.py": b"x", "lib/y.py": b"x", "w.bin": b"22"}
    assert (tmp_path / "current" / "run.sh").stat().st_mode & 0o777 == 0o555
    assert staged(tmp_path, MemoryStore(), two, Request(depth=Depth.FULL)).hit
    part = staged(tmp_path, MemoryStore(), two, Request("part", Selection(include=("lib/*", "w.bin"))))
    assert part.fetched == 0
    assert sorted(content(tmp_path / "part")) == ["lib/x.py", "lib/y.py", "w.bin"]
    with pytest.raises(InputError, match="no file matches"):
        staged(tmp_path, MemoryStore(), two, Request("part", Selection(include=("*.gguf",))))


@pytest.mark.parametrize("harm", ["blob gone", "blob wrong", "program wrong", "file gone", "selection"])
def test_archives_whose_files_are_not_here_are_fetched(harm: str, tmp_path: Path) -> None:
    store = MemoryStore()
    code = archive(
        store, tar([tar_member("a", b"aa"), tar_member("run.sh", b"#!", mode=0o755), tar_member("z", b"zz")])
    )
    one, two = (model(store, code, raw(store, "w.bin", data)) for data in (b"1", b"22"))
    first = staged(
        tmp_path, store, one, Request(selection=Selection(exclude=("a",)) if harm == "selection" else EVERYTHING)
    )
    blobs = tmp_path / "blobs" / "sha256"
    wrong = blobs / Digest.of(b"#!" if harm == "program wrong" else b"zz").hex
    if harm == "file gone":
        (first.snapshot / "z").unlink()
    elif harm != "selection":
        wrong.unlink()
        if harm != "blob gone":
            wrong.write_bytes(b"??")
            wrong.chmod(0o444)
    again = staged(tmp_path, store, two)
    assert again.fetched == 2 + code.size
    assert content(tmp_path / "current") == {"a": b"aa", "run.sh": b"#!", "z": b"zz", "w.bin": b"22"}
    assert staged(tmp_path, MemoryStore(), two, Request(depth=Depth.FULL)).hit


def test_an_archive_that_collides_with_a_file_is_refused_like_before(tmp_path: Path) -> None:
    store = MemoryStore()
    code = archive(store, tar_of({"a": b"1"}))
    staged(tmp_path, store, model(store, code))
    with pytest.raises((UnsafePath, InputError)):
        staged(tmp_path, store, model(store, code, raw(store, "a", b"2")))
    with pytest.raises(UnsafePath):
        staged(tmp_path, store, model(store, code, archive(store, tar_of({"a": b"3"}))))
    assert content(tmp_path / "current") == {"a": b"1"}
