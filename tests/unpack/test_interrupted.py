"""A run that is killed at any instant leaves the old folder or the new one, whole, and the next run ends well."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelpack.oci import Descriptor, Manifest
from modelpack.store import MemoryStore, Stream
from modelpack.unpack import unpack
from tests.unpack.models import archive, compress, leftovers, model, raw, tar_of, tree

KILLS = 15

SCRIPT = """
import sys
from pathlib import Path
from tests.unpack.test_interrupted import version
from modelpack.unpack import unpack
number, destination, slow = sys.argv[1:]
store, manifest, _ = version(int(number), float(slow))
print("ready", flush=True)
unpack(store, manifest, Path(destination), jobs=1)
print("done", flush=True)
"""


class Slow(MemoryStore):
    """Takes its time for every piece, so that a kill can come anywhere."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        return _SlowStream(super()._open(descriptor, offset), self.pause)


class _SlowStream:
    def __init__(self, stream: Stream, pause: float) -> None:
        self.stream = stream
        self.pause = pause

    def readinto(self, buffer: memoryview, /) -> int | None:
        time.sleep(self.pause)
        return self.stream.readinto(buffer[:50_000])

    def close(self) -> None:
        self.stream.close()


def version(number: int, pause: float) -> tuple[MemoryStore, Manifest, dict[str, bytes]]:
    """A model of files and archives; versions share some of them."""
    own = random.Random(number)
    shared = random.Random(-1)
    store = Slow(pause)
    files = {f"own/{index}": own.randbytes(400_000) for index in range(4)} | {"shared": shared.randbytes(300_000)}
    plain = {f"tar/{index}": own.randbytes(30_000) for index in range(10)}
    packed = {f"zip/{index}": shared.randbytes(30_000) for index in range(10)}
    layers = [raw(store, name, data) for name, data in files.items()]
    layers += [archive(store, tar_of(plain)), archive(store, compress(tar_of(packed), "tar+gzip"), "tar+gzip")]
    return store, model(store, *layers), files | plain | packed


def run_and_kill(number: int, destination: Path, pause: float, delay: float) -> bool:
    """Whether the run was killed before its end."""
    arguments = [sys.executable, "-c", SCRIPT, str(number), str(destination), str(pause)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        return process.stdout.readline() == ""


def test_killed_at_any_instant(tmp_path: Path) -> None:
    destination = tmp_path / "m"
    rng = random.Random(7)
    contents = [version(number, 0)[2] for number in range(2)]
    unpack(*version(0, 0)[:2], destination)
    (destination / "mine").write_bytes(b"!")
    current, killed = 0, 0
    for _ in range(KILLS):
        target = 1 - current
        killed += run_and_kill(target, destination, 0.001, rng.uniform(0, 0.12))
        found = tree(destination)
        assert found.pop("mine") == b"!"
        assert found in contents
        current = contents.index(found)
    assert killed > KILLS // 3
    for number in (1 - current, current):
        unpack(*version(number, 0)[:2], destination)
        assert tree(destination) == contents[number] | {"mine": b"!"}
        assert leftovers(destination) == []


def test_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    destination = tmp_path / "m"
    assert run_and_kill(0, destination, 0.01, 0.15)
    staging = tmp_path / ".m.modelpack-partial"
    assert not destination.exists()
    done = [path for path in (staging / "blobs").iterdir() if not path.name.endswith(".partial")]
    store, manifest, files = version(0, 0)
    opened: list[str] = []
    plain_open = store._open

    def watch(descriptor: Descriptor, offset: int) -> Stream:
        if offset == 0:
            opened.append(f"sha256-{descriptor.digest.hex}")
        return plain_open(descriptor, offset)

    store._open = watch  # type: ignore[method-assign]
    unpack(store, manifest, destination)
    assert tree(destination) == files
    assert not {path.name for path in done} & set(opened)
    assert leftovers(destination) == []


@pytest.mark.parametrize("step", ["replace", "discard"])
def test_killed_around_the_last_step(step: str, tmp_path: Path) -> None:
    code = f"""
import os, sys
from modelpack.unpack.destination import Place
from modelpack.unpack.staging import Staging
owner = Place if {step!r} == "replace" else Staging
setattr(owner, {step!r}, lambda *_: os.kill(os.getpid(), 9))
""" + SCRIPT.replace("\nimport sys\n", "\n", 1)
    destination = tmp_path / "m"
    unpack(*version(0, 0)[:2], destination)
    outcome = subprocess.run([sys.executable, "-c", code, "1", str(destination), "0"], check=False, capture_output=True)
    assert outcome.returncode == -signal.SIGKILL
    assert tree(destination) == version(0 if step == "replace" else 1, 0)[2]
    store, manifest, files = version(1, 0)
    result = unpack(store, manifest, destination)
    assert result.unchanged is (step == "discard")
    assert tree(destination) == files
    assert leftovers(destination) == []
