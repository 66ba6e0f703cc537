from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.oci import ModelConfig
from modelpack.pack import execute
from modelpack.pack.planning import plan
from modelpack.store import DigestCache, Event, FileSource, LayoutStore, MemoryStore, digests
from tests.pack.folders import CONTENT, write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DigestCache:
    monkeypatch.setattr(digests, "WORTH_KNOWING", 0)
    monkeypatch.setattr(digests, "SETTLED", -10.0)  # the files of a test are always young
    return DigestCache(tmp_path / "digests.sqlite")


def test_known_files_that_are_stored_are_not_read(
    tmp_path: Path, cache: DigestCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = plan(write(tmp_path / "demo"))
    store = LayoutStore(tmp_path / "layout")
    first = execute(decided, store, ModelConfig(), digests=cache)
    monkeypatch.setattr(FileSource, "open", lambda *_: pytest.fail("a file was read"))
    events: list[Event] = []
    again = execute(decided, store, ModelConfig(), digests=cache, observe=events.append)
    assert (again.digest, again.files) == (first.digest, first.files)
    assert sorted(event.name for event in events if event.action == "exists") == sorted(CONTENT)


def test_known_files_that_are_not_stored_are_read(tmp_path: Path, cache: DigestCache) -> None:
    decided = plan(write(tmp_path / "demo"))
    first = execute(decided, MemoryStore(), ModelConfig(), digests=cache)
    elsewhere = execute(decided, LayoutStore(tmp_path / "layout"), ModelConfig(), digests=cache)
    assert elsewhere.digest == first.digest
    for layer in elsewhere.manifest.layers:
        assert len(elsewhere.store.read(layer)) == layer.size


def test_a_changed_file_is_not_known(tmp_path: Path, cache: DigestCache) -> None:
    root = write(tmp_path / "demo")
    store = MemoryStore()
    first = execute(plan(root), store, ModelConfig(), digests=cache)
    (root / "config.json").write_bytes(CONTENT["config.json"][::-1])
    assert execute(plan(root), store, ModelConfig(), digests=cache).files["config.json"] != first.files["config.json"]
