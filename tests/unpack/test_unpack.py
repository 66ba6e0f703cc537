from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from modelpack.errors import DigestMismatch, DocumentError, InputError, NotFound, SizeMismatch
from modelpack.oci import Descriptor, Digest, Kind, ModelConfig, loads_object
from modelpack.paths import MARKER
from modelpack.store import BytesSource, Event, MemoryStore, Stream
from modelpack.unpack import Selection, unpack
from tests.unpack.models import archive, compress, leftovers, member, model, raw, simple, tar, tar_of, tree

FILES = {"config.json": b"{}", "weights/a.bin": b"a" * 700_000, "weights/b.bin": b"b" * 10, "README.md": b"# it"}


class Watched(MemoryStore):
    """Notes which blobs are read, and can give wrong bytes for some."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Digest] = []
        self.wrong: dict[Digest, bytes] = {}

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        self.opened.append(descriptor.digest)
        if descriptor.digest in self.wrong:
            return BytesSource(self.wrong[descriptor.digest]).open(offset)
        return super()._open(descriptor, offset)


def test_all_files(tmp_path: Path) -> None:
    store, manifest = simple(FILES)
    result = unpack(store, manifest, tmp_path / "new" / "model", reference="registry.example/m:1")
    assert tree(tmp_path / "new" / "model") == FILES
    assert result.path == tmp_path / "new" / "model"
    assert result.files == tuple(sorted(FILES))
    assert (result.digest, result.reused, result.unchanged) == (manifest.descriptor.digest, 0, False)
    assert leftovers(result.path) == []
    marker = loads_object((result.path / MARKER).read_bytes(), "marker")
    assert (marker["reference"], marker["digest"]) == ("registry.example/m:1", str(manifest.descriptor.digest))


@pytest.mark.parametrize("codec", ["tar", "tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_archives_and_files_together(codec: str, jobs: int, tmp_path: Path) -> None:
    store = MemoryStore()
    inside = {"src/run.py": b"print()", "src/deep/x": b"", "big": os.urandom(600_001)}
    layers = [archive(store, compress(tar_of(inside), codec), codec), archive(store, tar_of({"more": b"1"}))]
    manifest = model(store, raw(store, "w.bin", b"w"), *layers)
    result = unpack(store, manifest, tmp_path / "m", jobs=jobs)
    assert tree(tmp_path / "m") == {**inside, "w.bin": b"w", "more": b"1"}
    assert len(result.files) == 5
    again = unpack(store, manifest, tmp_path / "m")
    assert again.unchanged
    assert again.reused == 5


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    folder = tmp_path / "m"
    folder.mkdir(mode=0o750)
    unpack(store, manifest, folder)
    assert tree(folder) == {"a": b"1"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("umask", "plain", "runs"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o644, 0o755)]
)
def test_modes_and_times(umask: int, plain: int, runs: int, tmp_path: Path) -> None:
    store = MemoryStore()
    time = '"mtime":"2020-02-02T02:02:02.123456789Z"'
    layers = [
        raw(store, "plain", b"1", metadata=f'{{"mode":438,{time}}}'),
        raw(store, "runs", b"2", metadata='{"mode":511}'),
        raw(store, "setuid", b"3", metadata='{"mode":8389101}'),
        archive(
            store,
            tar(
                [
                    member("d", type_=b"5", mode=0o777),
                    member("d/plain", b"4", mode=0o6666, uid=0, gid=0, mtime=1_500_000_000),
                    member("d/runs", b"5", mode=0o4711, mtime=-5),
                    member("d/late", b"6", mtime=2**40),
                ]
            ),
        ),
    ]
    before = os.umask(umask)
    try:
        unpack(store, model(store, *layers), tmp_path / "m")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "m").rglob("*") if path.is_file()}
    expected = {"plain": plain, "runs": runs, "setuid": runs, "late": plain}
    assert {name: modes[name] for name in expected} == expected
    assert stat.S_IMODE((tmp_path / "m" / "d").stat().st_mode) == 0o755 & ~umask
    assert (tmp_path / "m" / "plain").stat().st_mtime_ns == 1_580_608_922_123_456_789
    assert (tmp_path / "m" / "d" / "plain").stat().st_mtime == 1_500_000_000
    assert abs((tmp_path / "m" / "d" / "late").stat().st_mtime - (tmp_path / "m" / MARKER).stat().st_mtime) < 60
    assert abs((tmp_path / "m" / "d" / "runs").stat().st_mtime - (tmp_path / "m" / MARKER).stat().st_mtime) < 60


def test_files_of_one_content_do_not_share_storage(tmp_path: Path) -> None:
    store = Watched()
    manifest = model(store, *(raw(store, name, b"same" * 100) for name in ("a", "b", "c")))
    unpack(store, manifest, tmp_path / "m")
    assert len({(tmp_path / "m" / name).stat().st_ino for name in "abc"}) == 3
    assert all((tmp_path / "m" / name).stat().st_nlink == 1 for name in "abc")
    assert len(store.opened) == 1
    newer = model(store, *(raw(store, name, b"same" * 100) for name in ("c", "d", "e")), raw(store, "f", b"f"))
    result = unpack(store, newer, tmp_path / "m")
    assert result.reused == 3
    assert len({(tmp_path / "m" / name).stat().st_ino for name in "cde"}) == 3
    assert sorted(tree(tmp_path / "m")) == ["c", "d", "e", "f"]


def test_only_what_is_selected_is_read(tmp_path: Path) -> None:
    store = Watched()
    layers = {name: raw(store, name, data) for name, data in FILES.items()}
    lone = archive(store, tar_of({"tok.model": b"t"}), path="tok.model").annotated(
        **{"org.cncf.model.file.metadata+json": '{"typeflag":0}'}
    )
    doc = archive(store, tar_of({"doc/x.json": b"t"}), kind="doc")
    manifest = model(store, *layers.values(), lone, doc)
    selection = Selection(include=("*.json", "b.bin"), kinds=frozenset({Kind.WEIGHT, Kind.CODE}))
    result = unpack(store, manifest, tmp_path / "m", selection=selection)
    assert sorted(tree(tmp_path / "m")) == ["config.json", "weights/b.bin"]
    assert set(store.opened) == {layers["config.json"].digest, layers["weights/b.bin"].digest}
    assert result.files == ("config.json", "weights/b.bin")


def test_selection_inside_archives(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = model(store, archive(store, tar_of({"a/x.py": b"1", "a/y.txt": b"2", "z.py": b"3"})))
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("*.py",), exclude=("z.py",)))
    assert tree(tmp_path / "m") == {"a/x.py": b"1"}


def test_a_glob_for_nothing_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    store = Watched()
    manifest = model(store, *(raw(store, name, data) for name, data in FILES.items()))
    with pytest.raises(InputError, match=r"no file matches '\*\.gguf'") as caught:
        unpack(store, manifest, tmp_path / "m", selection=Selection(include=("*.gguf",)))
    assert "config.json" in caught.value.hint
    assert store.opened == []
    assert list(tmp_path.iterdir()) == []


def test_a_glob_for_nothing_in_an_archive_changes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = model(store, archive(store, tar_of({"a.txt": b"1"})))
    with pytest.raises(InputError, match="no file matches") as caught:
        unpack(store, manifest, tmp_path / "m", selection=Selection(include=("*.gguf",)))
    assert caught.value.hint == "there is: a.txt"
    assert not (tmp_path / "m").exists()


def test_doing_it_again_reads_nothing(tmp_path: Path) -> None:
    store = Watched()
    manifest = model(store, *(raw(store, name, data) for name, data in FILES.items()))
    unpack(store, manifest, tmp_path / "m")
    inode = (tmp_path / "m").stat().st_ino
    store.opened.clear()
    events: list[Event] = []
    result = unpack(store, manifest, tmp_path / "m", observe=events.append)
    assert result.unchanged
    assert (result.reused, result.files) == (4, tuple(sorted(FILES)))
    assert store.opened == []
    assert (tmp_path / "m").stat().st_ino == inode
    assert [(event.action, event.name) for event in events] == [("exists", name) for name in sorted(FILES)]


def test_another_selection_of_the_same_model_adds(tmp_path: Path) -> None:
    store = Watched()
    parts = archive(store, tar_of({"x.py": b"1", "x.txt": b"2"}))
    manifest = model(store, *(raw(store, name, data) for name, data in FILES.items()), parts)
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("*.json", "*.py")))
    inode = (tmp_path / "m" / "config.json").stat().st_ino
    store.opened.clear()
    result = unpack(store, manifest, tmp_path / "m", selection=Selection(include=("*.md", "*.txt")))
    assert sorted(tree(tmp_path / "m")) == ["README.md", "config.json", "x.py", "x.txt"]
    assert result.files == ("README.md", "config.json", "x.py", "x.txt")
    assert (tmp_path / "m" / "config.json").stat().st_ino == inode
    assert len(store.opened) == 2
    for patterns in (("*.json", "*.py"), ("*.md", "*.txt")):
        assert unpack(store, manifest, tmp_path / "m", selection=Selection(include=patterns)).unchanged
    store.opened.clear()
    result = unpack(store, manifest, tmp_path / "m")
    assert sorted(tree(tmp_path / "m")) == sorted([*FILES, "x.py", "x.txt"])
    assert (result.unchanged, result.reused) == (False, 2)
    # Now that all of the archive is here, any part of it is.
    assert unpack(store, manifest, tmp_path / "m", selection=Selection(include=("x.*",))).unchanged


def test_a_new_version_fetches_what_is_new(tmp_path: Path) -> None:
    store = Watched()
    common = [raw(store, "weights/a.bin", b"a" * 5000), archive(store, tar_of({"run.py": b"1"}))]
    first = model(store, *common, raw(store, "old", b"old"), raw(store, "moved", b"m" * 3000), raw(store, "v", b"1"))
    second = model(store, *common, raw(store, "to/here", b"m" * 3000), raw(store, "v", b"2"))
    unpack(store, first, tmp_path / "m")
    inodes = {name: (tmp_path / "m" / name).stat().st_ino for name in ("weights/a.bin", "run.py", "moved")}
    store.opened.clear()
    result = unpack(store, second, tmp_path / "m")
    assert sorted(tree(tmp_path / "m")) == ["run.py", "to/here", "v", "weights/a.bin"]
    assert tree(tmp_path / "m")["v"] == b"2"
    assert store.opened == [Digest.of(b"2")]
    assert result.reused == 3
    assert (tmp_path / "m" / "to" / "here").stat().st_ino == inodes["moved"]
    assert (tmp_path / "m" / "run.py").stat().st_ino == inodes["run.py"]
    assert leftovers(tmp_path / "m") == []


def test_a_new_version_can_change_the_mode_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    unpack(store, model(store, raw(store, "run", b"1")), tmp_path / "m")
    result = unpack(store, model(store, raw(store, "run", b"1", metadata='{"mode":493}')), tmp_path / "m")
    assert result.reused == 1
    assert (tmp_path / "m" / "run").stat().st_mode & 0o100


def test_a_folder_becomes_a_file_and_back(tmp_path: Path) -> None:
    for files in ({"a/b": b"1"}, {"a": b"2"}, {"a/b/c": b"3"}):
        store, manifest = simple(files)
        unpack(store, manifest, tmp_path / "m")
        assert tree(tmp_path / "m") == files


@pytest.mark.parametrize("wrong", [b"B" * 10, b"b" * 9, b"b" * 11, b""])
@pytest.mark.parametrize("codec", ["raw", "tar", "tar+gzip", "tar+zstd"])
def test_wrong_bytes_change_nothing(wrong: bytes, codec: str, tmp_path: Path) -> None:
    store = Watched()
    good = model(store, raw(store, "v", b"1"))
    if codec == "raw":
        layer = raw(store, "v", b"b" * 10)
        store.wrong[layer.digest] = wrong
    else:
        layer = archive(store, compress(tar_of({"v": b"2"}), codec), codec)
        other = compress(tar_of({"v": b"3"}), codec)
        store.wrong[layer.digest] = {10: other, 9: other[:-1], 11: other + b"\0", 0: b""}[len(wrong)]
    unpack(store, good, tmp_path / "m")
    with pytest.raises((DigestMismatch, SizeMismatch)):
        unpack(store, model(store, layer), tmp_path / "m")
    assert tree(tmp_path / "m") == {"v": b"1"}
    assert leftovers(tmp_path / "m") == []


def test_a_missing_blob_keeps_what_was_fetched(tmp_path: Path) -> None:
    store = Watched()
    lost = Descriptor("application/vnd.cncf.model.doc.v1.raw", Digest.of(b"lost"), 4).annotated(
        **{"org.cncf.model.filepath": "lost"}
    )
    manifest = model(store, raw(store, "a", b"here"), archive(store, tar_of({"b": b"here too"})), lost)
    with pytest.raises(NotFound):
        unpack(store, manifest, tmp_path / "m", jobs=1)
    assert leftovers(tmp_path / "m") == [".m.modelpack-partial"]
    store.opened.clear()
    store.push_bytes("application/octet-stream", b"lost")
    unpack(store, manifest, tmp_path / "m", jobs=1)
    assert store.opened == [Digest.of(b"lost")]
    assert tree(tmp_path / "m") == {"a": b"here", "b": b"here too", "lost": b"lost"}
    assert leftovers(tmp_path / "m") == []


@pytest.mark.parametrize("codec", ["tar+gzip", "tar+zstd"])
def test_diff_ids(codec: str, tmp_path: Path) -> None:
    store = MemoryStore()
    data = tar_of({"a": b"1"})
    layers = [raw(store, "w", b"w"), archive(store, compress(data, codec), codec), archive(store, tar_of({"b": b""}))]
    manifest = model(store, *layers)
    # The tar layer's own id is wrong, but its bytes are what the manifest's digest says.
    good = ModelConfig(diff_ids=(layers[0].digest, Digest.of(data), Digest.of(b"?")))
    unpack(store, manifest, tmp_path / "good", config=good)
    bad = ModelConfig(diff_ids=(layers[0].digest, layers[1].digest, layers[2].digest))
    with pytest.raises(Exception, match="does not expand to what the model's config says"):
        unpack(store, manifest, tmp_path / "bad", config=bad)
    assert not (tmp_path / "bad").exists()
    with pytest.raises(DocumentError, match="1 entries for 3 layers"):
        unpack(store, manifest, tmp_path / "bad", config=ModelConfig(diff_ids=(layers[0].digest,)))
    unpack(store, manifest, tmp_path / "aikit", config=ModelConfig())


def test_events_add_up(tmp_path: Path) -> None:
    store = MemoryStore()
    layers = [raw(store, "a", b"a" * 300_000), archive(store, tar_of({"x": b"1"})), raw(store, "b", b"a" * 300_000)]
    events: list[Event] = []
    unpack(store, model(store, *layers), tmp_path / "m", observe=events.append)
    for layer, name in zip(layers, ("a", str(layers[1].digest), "b"), strict=True):
        mine = [event for event in events if event.name == name]
        assert (mine[0].action, mine[-1].action) == ("begin", "end")
        assert sum(event.count for event in mine) == layer.size == mine[0].total


def test_what_the_observer_raises_stops_it(tmp_path: Path) -> None:
    def refuse(event: Event) -> None:
        if event.action == "bytes" and event.count > 0:
            raise KeyboardInterrupt

    store, manifest = simple(FILES)
    with pytest.raises(KeyboardInterrupt):
        unpack(store, manifest, tmp_path / "m", observe=refuse)
    assert not (tmp_path / "m").exists()
    unpack(store, manifest, tmp_path / "m")
    assert tree(tmp_path / "m") == FILES
