"""Several real processes at one layout, and processes that are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from modelpack.oci import Manifest
from modelpack.store import LayoutStore

TAGGER = """
import sys
from modelpack.store import LayoutStore
from tests.store.content import push_model
store = LayoutStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(12):
    manifest = push_model(store, f"{sys.argv[2]}-{number}".encode())
    store.tag(manifest.descriptor, f"{sys.argv[2]}-{number}")
    store.tag(manifest.descriptor, "latest")
"""

ENDLESS = """
import sys
from modelpack.store import BytesSource, FileSource, LayoutStore
from pathlib import Path
from tests.store.content import push_model, WEIGHTS
store = LayoutStore(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    data = b"%d" % number * 100_000
    Path(sys.argv[2]).write_bytes(data)
    store.ingest(WEIGHTS, FileSource.of(Path(sys.argv[2])))
    manifest = push_model(store, data)
    store.tag(manifest.descriptor, f"v{number % 5}")
"""


def start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)


def ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"


def test_processes_that_tag_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "layout"  # made by all of them at once
    processes = [start(TAGGER, path, name) for name in "abc"]
    for process in processes:
        ready(process)
    for process in processes:
        process.communicate(b"go\n", timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    store = LayoutStore(path, create=False)
    names = {f"{name}-{number}" for name in "abc" for number in range(12)}
    assert set(store.tags()) == {*names, "latest"}
    for name in names:
        document = store.document(store.resolve(name))
        assert isinstance(document, Manifest)
        assert store.read(document.layers[0]) == name.encode()
    assert {item.path for item in store.garbage()} == set()


def test_a_killed_process_leaves_a_layout_that_works(tmp_path: Path) -> None:
    path, chance = tmp_path / "layout", random.Random(7)
    for attempt in range(6):
        process = start(ENDLESS, path, tmp_path / "weights")
        ready(process)
        time.sleep(chance.uniform(0.02, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        store = LayoutStore(path, create=False)
        for name in store.tags():
            document = store.document(store.resolve(name))
            assert isinstance(document, Manifest)
            for part in document.blobs:
                store.read(part)
        store.prune(grace=0, untagged=attempt % 2 == 0)
        assert store.garbage() == ()


def test_a_layout_that_was_never_finished_is_finished_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    LayoutStore(path)
    (path / "oci-layout").unlink()
    assert LayoutStore(path).tags() == ()
    (path / "oci-layout").unlink()
    (path / "index.json").unlink()
    assert LayoutStore(path).tags() == ()
