from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from modelpack.errors import DocumentError, InputError, ModelPackError, NotFound, SizeMismatch
from modelpack.oci import Codec, Digest, Kind, Manifest, ModelConfig, validate_config, validate_manifest
from modelpack.pack import Entry, Layout, Packed, Plan, execute, layering
from modelpack.pack.planning import plan
from modelpack.store import Event, LayoutStore, MemoryStore, Store
from tests.faults import FaultyRegistry
from tests.pack.folders import CONTENT, write
from tests.store.clients import connect

GOLDEN = "sha256:9e1fd14dfda4bfe9fafc99a0f6c22b47131b890aec8109e65e6bceee5dd435ab"
GOLDEN_TAR = "sha256:9d17b975fcf610ca73c62388405c1b5e05cfc48cdd694e1d59df0cba51b6e063"
CONFIG = ModelConfig(name="demo", format="safetensors", licenses=("Apache-2.0",))
TARS = Layout(codecs=dict.fromkeys(Kind, Codec.TAR), bundle=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "demo")


def _digests(contents: dict[str, bytes]) -> dict[str, Digest]:
    return {path: Digest.of(content) for path, content in contents.items()}


def test_the_digest_never_changes(root: Path) -> None:
    assert str(execute(plan(root), MemoryStore(), CONFIG).digest) == GOLDEN
    assert str(execute(plan(root, layout=TARS), MemoryStore(), CONFIG).digest) == GOLDEN_TAR


@pytest.mark.parametrize("layout", [Layout(), TARS, Layout(codecs=dict.fromkeys(Kind, Codec.TAR_GZIP))])
def test_only_content_counts(tmp_path: Path, layout: Layout) -> None:
    """Order, times, umask, owner's other permissions, number of jobs: nothing of it shows."""
    digests = {
        execute(
            plan(write(tmp_path / str(seed) / "demo", seed=seed), layout=layout), MemoryStore(), CONFIG, jobs=seed + 1
        ).digest
        for seed in range(4)
    }
    assert len(digests) == 1


def test_writes_what_go_tools_write(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": b"{}", "sub/a & <b>.safetensors": b"weights"})
    packed = execute(plan(tmp_path), MemoryStore(), ModelConfig(name="x"), annotations={"z": "1", "a": "<2>"})
    config = (
        '{"descriptor":{"name":"x"},"modelfs":{"type":"layers","diffIds":["sha256:'
        + hashlib.sha256(b"{}").hexdigest()
        + '","sha256:'
        + hashlib.sha256(b"weights").hexdigest()
        + '"]},"config":{}}'
    ).encode()
    assert packed.store.read(packed.manifest.config) == config
    expected = (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        '"artifactType":"application/vnd.cncf.model.manifest.v1+json",'
        '"config":{"mediaType":"application/vnd.cncf.model.config.v1+json","digest":"sha256:'
        + hashlib.sha256(config).hexdigest()
        + f'","size":{len(config)}}},"layers":['
        '{"mediaType":"application/vnd.cncf.model.weight.config.v1.raw","digest":"sha256:'
        + hashlib.sha256(b"{}").hexdigest()
        + '","size":2,"annotations":{"org.cncf.model.file.metadata+json":'
        r'"{\"name\":\"config.json\",\"mode\":420,\"uid\":0,\"gid\":0,\"size\":2,\"mtime\":\"1970-01-01T00:00:00Z\",\"typeflag\":0}"'
        ',"org.cncf.model.filepath":"config.json","org.opencontainers.image.title":"config.json"}},'
        '{"mediaType":"application/vnd.cncf.model.weight.v1.raw","digest":"sha256:'
        + hashlib.sha256(b"weights").hexdigest()
        + '","size":7,"annotations":{"org.cncf.model.file.metadata+json":'
        r'"{\"name\":\"a \\u0026 \\u003cb\\u003e.safetensors\",\"mode\":420,\"uid\":0,\"gid\":0,\"size\":7,'
        r'\"mtime\":\"1970-01-01T00:00:00Z\",\"typeflag\":0}"'
        r',"org.cncf.model.filepath":"sub/a \u0026 \u003cb\u003e.safetensors"'
        r',"org.opencontainers.image.title":"sub/a \u0026 \u003cb\u003e.safetensors"}}],'
        r'"annotations":{"a":"\u003c2\u003e","z":"1"}}'
    ).encode()
    assert packed.manifest.raw == expected
    assert packed.descriptor.digest == Digest.of(expected)


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("bundle", [False, True])
def test_documents_follow_the_specification(root: Path, codec: Codec, bundle: bool) -> None:
    layout = Layout(codecs=dict.fromkeys(Kind, codec), bundle=bundle)
    packed = execute(plan(root, layout=layout), MemoryStore(), CONFIG)
    validate_manifest(packed.manifest.raw)
    validate_config(packed.config.to_bytes())
    assert packed.files == _digests(dict(CONTENT))
    assert list(packed.files) == sorted(CONTENT)
    assert len(packed.config.diff_ids) == len(packed.manifest.layers)
    plain = [layer.digest for layer in packed.manifest.layers if layer.media_type.endswith(("raw", "tar"))]
    assert [digest for digest in packed.config.diff_ids if digest in plain] == plain
    if codec in (Codec.TAR_GZIP, Codec.TAR_ZSTD):
        tars = execute(plan(root, layout=replace(layout, codecs=dict.fromkeys(Kind, Codec.TAR))), MemoryStore(), CONFIG)
        assert packed.config.diff_ids == tars.config.diff_ids


def test_only_guessed_kinds_are_untested(root: Path) -> None:
    layers = execute(plan(root), MemoryStore(), CONFIG).manifest.layers
    untested = "org.cncf.model.file.mediatype.untested"
    assert {layer.annotations["org.cncf.model.filepath"]: layer.annotations.get(untested) for layer in layers} == {
        path: "true" if path == "strange.xyz" else None for path in CONTENT
    }


def test_a_bundle_is_described_by_its_archive(root: Path) -> None:
    layers = execute(plan(root, layout=Layout(bundle=True)), MemoryStore(), CONFIG).manifest.layers
    bundles = [layer.annotations for layer in layers if layer.media_type.endswith("tar")]
    assert bundles == [
        {"org.cncf.model.filepath": "config", "org.opencontainers.image.title": "config"},
        {
            "org.cncf.model.file.mediatype.untested": "true",
            "org.cncf.model.filepath": "code",
            "org.opencontainers.image.title": "code",
        },
    ]


@contextmanager
def _store(kind: str, tmp_path: Path) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore()
    elif kind == "layout":
        yield LayoutStore(tmp_path / "layout")
    else:
        with FaultyRegistry() as faulty, connect(faulty) as store:
            yield store


@pytest.mark.parametrize("kind", ["memory", "layout", "registry"])
@pytest.mark.parametrize("layout", [Layout(), TARS, Layout(codecs=dict.fromkeys(Kind, Codec.TAR_ZSTD), bundle=True)])
def test_any_store(root: Path, tmp_path: Path, kind: str, layout: Layout) -> None:
    with _store(kind, tmp_path) as store:
        packed = execute(plan(root, layout=layout), store, CONFIG, jobs=3)
        assert packed.digest == execute(plan(root, layout=layout), MemoryStore(), CONFIG).digest
        store.tag(packed.descriptor, "v1")
        document = store.document(store.resolve("v1"))
        assert isinstance(document, Manifest)
        for blob in document.blobs:
            assert Digest.of(store.read(blob)) == blob.digest
        assert ModelConfig.parse(store.read(document.config)).diff_ids == packed.config.diff_ids


def test_created_is_said_everywhere(root: Path) -> None:
    moment = datetime(2024, 5, 6, 9, 8, 9, 500, tzinfo=timezone(timedelta(hours=2)))
    packed = execute(plan(root), MemoryStore(), CONFIG, created=moment)
    assert packed.config.created_at == "2024-05-06T07:08:09Z"
    metadata = [json.loads(layer.annotations["org.cncf.model.file.metadata+json"]) for layer in packed.manifest.layers]
    assert {entry["mtime"] for entry in metadata} == {"2024-05-06T07:08:09Z"}
    assert execute(plan(root), MemoryStore(), CONFIG).config.created_at == ""


@pytest.mark.parametrize("moment", [datetime(2024, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])
def test_refuses_times_that_mean_nothing(root: Path, moment: datetime) -> None:
    with pytest.raises(InputError, match="the time of creation"):
        execute(plan(root), MemoryStore(), CONFIG, created=moment)


def test_tells_its_observer(root: Path) -> None:
    events: list[Event] = []
    execute(plan(root), MemoryStore(), CONFIG, observe=events.append)
    sizes = {path: len(content) for path, content in CONTENT.items()}
    assert {event.name: event.total for event in events if event.action == "begin"} == sizes
    assert {event.name for event in events if event.action == "end"} == set(sizes)
    passed: Counter[str] = Counter()
    for event in events:
        if event.action != "plan":
            passed[event.name] += event.count
    assert dict(passed) == sizes


def test_each_file_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelpack.store import FileSource

    opened: Counter[str] = Counter()
    original = FileSource.open

    def count(self: FileSource, offset: int = 0) -> object:
        opened[self.path.name] += 1
        return original(self, offset)

    monkeypatch.setattr(FileSource, "open", count)
    execute(plan(root), MemoryStore(), CONFIG)
    assert set(opened.values()) == {1}
    assert len(opened) == len(CONTENT)


def test_the_same_content_twice_is_fine(tmp_path: Path) -> None:
    write(tmp_path, {"a.bin": b"same", "b.bin": b"same", "c.json": b"same"})
    packed = execute(plan(tmp_path), LayoutStore(tmp_path.parent / "layout"), CONFIG, jobs=3)
    assert len({layer.digest for layer in packed.manifest.layers}) == 1
    assert len(packed.manifest.layers) == len(packed.config.diff_ids) == 3


@pytest.mark.parametrize("content", [b"", b"longer than it was before"])
@pytest.mark.parametrize("layout", [Layout(), TARS])
def test_a_file_that_changes_is_refused(root: Path, content: bytes, layout: Layout) -> None:
    decided = plan(root, layout=layout)
    (root / "config.json").write_bytes(content)
    store = MemoryStore()
    with pytest.raises(SizeMismatch, match="changed while it was read"):
        execute(decided, store, CONFIG)


@pytest.mark.parametrize("layout", [Layout(), TARS])
def test_a_file_that_goes_away_is_an_error(root: Path, layout: Layout) -> None:
    decided = plan(root, layout=layout)
    (root / "config.json").unlink()
    with pytest.raises(ModelPackError, match="No such file") as caught:
        execute(decided, MemoryStore(), CONFIG)
    assert isinstance(caught.value, NotFound | InputError)


def test_a_bad_config_is_refused_before_anything_is_read(root: Path) -> None:
    events: list[Event] = []
    with pytest.raises(DocumentError, match="languages"):
        execute(plan(root), MemoryStore(), replace(CONFIG, languages=("English",)), observe=events.append)
    assert events == []


def test_too_many_layers_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x")
    entries = tuple(Entry(f"folder/{'x' * 200}/{number}.py", file, Kind.CODE, 1) for number in range(6000))
    decided = Plan("many", entries, layering.layers(entries, Layout()))
    events: list[Event] = []
    with pytest.raises(InputError, match="6000 layers do not fit") as caught:
        execute(decided, MemoryStore(), CONFIG, observe=events.append)
    assert "bundle" in caught.value.hint
    assert events == []
    bundled = replace(decided, layers=layering.layers(entries, Layout(bundle=True)))
    assert len(execute(bundled, MemoryStore(), CONFIG).files) == 6000


def test_packed_is_a_value(root: Path) -> None:
    packed = execute(plan(root), MemoryStore(), CONFIG)
    assert isinstance(packed, Packed)
    assert packed.digest == packed.descriptor.digest == packed.manifest.descriptor.digest
