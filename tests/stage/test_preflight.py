from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.errors import InputError, NoSpace
from modelpack.stage import Facts, Request, admit, check_clock, memory_limit
from modelpack.store import MemoryStore
from tests.stage.models import content, staged
from tests.unpack.models import model, raw, simple

GOOD = Facts("/cache", 1 << 40, 100_000, "ext4", False, True, 65532, 65532, 0o755, 1 << 30)


def test_enough() -> None:
    admit(GOOD, 1 << 35, 100)
    admit(replace(GOOD, kind="tmpfs"), 1 << 20, 1)
    admit(replace(GOOD, kind="tmpfs", memory=None, inodes=None), 1 << 35, 1)
    admit(replace(GOOD, free=0), 0, 0)


@pytest.mark.parametrize(
    ("change", "error", "text", "hint"),
    [
        ({"read_only": True}, InputError, "mounted read-only", "readOnly"),
        ({"writable": False, "owner": 0}, InputError, "belongs to uid 0 .mode 755., and uid 65532", "fsGroup"),
        ({"free": 1 << 20}, NoSpace, "only 1048576 are free", "gc"),
        ({"inodes": 5}, NoSpace, "only 5 inodes", "inodes"),
        ({"kind": "tmpfs"}, InputError, "count as memory, and the limit is 1073741824", "medium: Memory"),
    ],
)
def test_too_little(change: dict[str, object], error: type[Exception], text: str, hint: str) -> None:
    with pytest.raises(error, match=text) as caught:
        admit(replace(GOOD, **change), 2 << 30, 10)  # type: ignore[arg-type]
    assert hint in caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize("now", [0.0, 1e9, 5e9])
def test_clocks(now: float) -> None:
    with pytest.raises(InputError, match="clock"):
        check_clock(now)
    check_clock(1.8e9)


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n"}, 67108864),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/memory.max": "1000\n"}, 1000),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "500\n",
                "sys/fs/cgroup/a/b/memory.max": "900\n",
            },
            500,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/x\n2:memory:/kubepods/pod1\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes": "2000\n",
            },
            2000,
        ),
    ],
)
def test_memory_limits(files: dict[str, str], limit: int | None, tmp_path: Path) -> None:
    assert memory_limit(system(tmp_path, files)) == limit


def test_kinds_of_file_systems(tmp_path: Path) -> None:
    mounts = f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / {tmp_path} rw shared:1 - tmpfs t rw\nnonsense\n"
    fake = system(tmp_path / "system", {"proc/self/mountinfo": mounts})
    assert Facts.of(tmp_path / "not" / "there", fake).kind == "tmpfs"
    assert Facts.of(Path("/"), fake).kind == "ext4"
    assert Facts.of(tmp_path).writable


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_real_disk_that_is_full(disk: Path) -> None:
    store = MemoryStore()
    small, large = (model(store, raw(store, "a", bytes([n]) * size)) for n, size in ((1, 1 << 20), (2, 12 << 20)))
    staged(disk, store, small)
    with pytest.raises(NoSpace, match="still to be written"):
        staged(disk, store, large)
    roomy = replace(GOOD, path=str(disk))
    huge = model(store, raw(store, "a", b"3" * (40 << 20)))
    with pytest.raises(NoSpace, match="no space left"):
        staged(disk, store, huge, facts=lambda _: roomy)
    assert content(disk / "current") == {"a": b"\1" * (1 << 20)}
    assert len(list((disk / "snapshots").iterdir())) == 1


def test_a_read_only_cache_serves_hits_and_says_what_to_do_otherwise(disk: Path) -> None:
    store, manifest = simple({"a": b"1"})
    staged(disk, store, manifest)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert staged(disk, MemoryStore(), manifest).hit
    with pytest.raises(InputError, match="mounted read-only"):
        staged(disk, *simple({"b": b"2"}))
    with pytest.raises(InputError, match="mounted read-only"):
        staged(disk, store, manifest, Request(lease="pod"))
