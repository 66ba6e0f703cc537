"""A name that several writers change at once: in each store, from threads, and from processes at one layout."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from modelpack.errors import DocumentError, InvalidReference, NotFound, Unavailable
from modelpack.oci import Index, Manifest
from modelpack.oci.mediatypes import MODEL_CONFIG
from modelpack.store import BytesSource, LayoutStore, MemoryStore, RegistryStore, Rewriting, Store, merged
from modelpack.store.base import Change
from modelpack.store.registry import referrers
from tests.faults import FaultyRegistry
from tests.store.clients import connect
from tests.store.content import WEIGHTS

NAME = f"sha256-{'0' * 64}.sig"


@pytest.fixture(params=["memory", "layout", "registry"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(referrers, "_SETTLE", 0.01)
    if request.param == "registry":
        with FaultyRegistry() as faulty, connect(faulty) as registry:
            yield registry
    else:
        yield MemoryStore() if request.param == "memory" else LayoutStore(tmp_path / "layout")


def manifest(store: Store, *contents: bytes) -> Manifest:
    config = store.push_bytes(MODEL_CONFIG, b"{}")
    return Manifest.build(
        artifact_type="", config=config, layers=tuple(store.push_bytes(WEIGHTS, data) for data in contents)
    )


def rewrite(store: Store, change: Change) -> None:
    assert isinstance(store, Rewriting)
    store.rewrite(NAME, change)


def test_a_name_that_is_new_and_one_that_is_known(store: Store) -> None:
    one, two = manifest(store, b"1"), manifest(store, b"2")
    seen: list[Manifest | Index | None] = []

    def change(known: Manifest | Index | None, *, ours: Manifest) -> Manifest:
        seen.append(known)
        return merged(known, ours)

    rewrite(store, partial(change, ours=one))
    assert seen[0] is None
    assert store.document(store.resolve(NAME)) == one
    rewrite(store, partial(change, ours=two))
    assert seen[-2 if isinstance(store, RegistryStore) else -1] == one
    found = store.document(store.resolve(NAME))
    assert isinstance(found, Manifest)
    assert found.layers == (*one.layers, *two.layers)
    before = store.resolve(NAME)
    rewrite(store, partial(change, ours=two))
    assert store.resolve(NAME) == before


def test_what_the_change_raises_changes_nothing(store: Store) -> None:
    one = manifest(store, b"1")
    rewrite(store, lambda _: one)

    def refuse(_: Manifest | Index | None) -> Manifest:
        raise DocumentError("index", "", "in the way")

    with pytest.raises(DocumentError, match="in the way"):
        rewrite(store, refuse)
    assert store.document(store.resolve(NAME)) == one
    rewrite(store, lambda known: known or one)  # the lock is free


def test_threads_lose_nothing(store: Store) -> None:
    ours = [manifest(store, b"%d" % number) for number in range(6)]
    threads = [threading.Thread(target=rewrite, args=(store, partial(merged, ours=one))) for one in ours]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.document(store.resolve(NAME))
    assert isinstance(found, Manifest)
    assert set(found.layers) == {layer for one in ours for layer in one.layers}


def test_a_layout_forgets_what_only_had_this_name(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    one, two = manifest(store, b"1"), manifest(store, b"2")
    rewrite(store, lambda _: one)
    rewrite(store, lambda _: two)
    with LayoutStore(tmp_path) as again:
        assert [entry.digest for entry in again._index().entries] == [two.descriptor.digest]
    store.tag(two.descriptor, "kept")
    rewrite(store, lambda _: one)
    assert store.resolve("kept") == two.descriptor
    assert store.resolve(NAME) == one.descriptor
    with pytest.raises(InvalidReference):
        store.rewrite("not a name", lambda _: one)


WRITER = """
import sys
from functools import partial
from modelpack.oci import Manifest
from modelpack.store import LayoutStore, merged
from tests.store.test_rewrite import NAME, manifest
store = LayoutStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    store.rewrite(NAME, partial(merged, ours=manifest(store, f"{sys.argv[2]} {number}".encode())))
"""


def test_processes_lose_nothing(tmp_path: Path) -> None:
    """More than can be signed at once by hand: two of them, fifteen signatures each."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "layout")]
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    store = LayoutStore(tmp_path / "layout")
    found = store.document(store.resolve(NAME))
    assert isinstance(found, Manifest)
    assert {store.read(layer) for layer in found.layers} == {b"%s %d" % (n, i) for n in (b"a", b"b") for i in range(15)}
    assert [entry.digest for entry in store._index().entries] == [found.descriptor.digest]


def test_another_writer_at_a_registry_between_reading_and_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag has no compare-and-swap: what was overwritten is written again."""
    monkeypatch.setattr(referrers, "_SETTLE", 0.01)
    with FaultyRegistry() as faulty, connect(faulty) as store, connect(faulty) as other:
        ours, theirs = manifest(store, b"ours"), manifest(other, b"theirs")
        interrupted = iter([True])

        def change(known: Manifest | Index | None) -> Manifest:
            if next(interrupted, False):
                rewrite(other, partial(merged, ours=theirs))
            return merged(known, ours)

        rewrite(store, change)
        # ours overwrote theirs; the other writer looks again, as it does of its own while it waits
        rewrite(other, partial(merged, ours=theirs))
        found = store.document(store.resolve(NAME))
        assert isinstance(found, Manifest)
        assert set(found.layers) == {*ours.layers, *theirs.layers}


def test_writers_that_never_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "_SETTLE", 0.0)
    with FaultyRegistry() as faulty, connect(faulty) as store, connect(faulty) as other:
        one, two = manifest(store, b"1"), manifest(other, b"2")

        def change(_: Manifest | Index | None) -> Manifest:
            other.put_document(two.descriptor, _source(two), NAME)
            return one

        monkeypatch.setattr(referrers, "_tagged", lambda *_: two)
        with pytest.raises(Unavailable, match=f"other writers keep replacing {NAME}"):
            rewrite(store, change)


def _source(document: Manifest) -> BytesSource:

    return BytesSource(document.raw)


def test_nothing_has_the_name() -> None:
    with pytest.raises(NotFound):
        MemoryStore().resolve(NAME)
