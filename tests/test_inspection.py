"""What is told of a model, and of what only resembles one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelpack
from modelpack.errors import DocumentError, NotFound, SizeMismatch, UnsupportedFormat
from modelpack.inspection import look_at, model_manifest, read_config
from modelpack.oci import Descriptor, Kind, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import BytesSource, LayoutStore, MemoryStore, Ranged, Store
from tests.cli.models import model as make_model
from tests.cli.models import safetensors

WEIGHT = "application/vnd.cncf.model.weight.v1."


def layer(store: Store, path: str, data: bytes, codec: str = "raw") -> Descriptor:
    return store.push_bytes(WEIGHT + codec, data).annotated(**{FILEPATH: path})


def put(store: Store, config: Descriptor | bytes, *layers: Descriptor) -> Descriptor:
    if isinstance(config, bytes):
        config = store.push_bytes(MODEL_CONFIG, config)
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers)
    return store.push_bytes(manifest.descriptor.media_type, manifest.raw)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_model(tmp_path: Path) -> None:
    packed = modelpack.pack(make_model(tmp_path / "tiny"), into=LayoutStore(tmp_path / "store"), title="A title")
    found = look_at(packed.store, packed.descriptor, tensors=True)
    assert (found.descriptor, found.manifest, found.config) == (packed.descriptor, packed.manifest, packed.config)
    assert found.raw_config == packed.config.to_bytes()
    assert found.size == sum(size for _, size in found.kinds().values()) == 8553
    assert found.kinds() == {Kind.WEIGHT: (1, 8336), Kind.CONFIG: (3, 103), Kind.DOC: (1, 114)}
    assert list(found.tensors) == ["model.safetensors"]
    assert found.problems == ()
    told = found.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["model"] == {
        "name": "tiny",
        "title": "A title",
        "family": "bert",
        "architecture": "transformer",
        "format": "safetensors",
        "param_size": "4K",
        "precision": "float16",
        "licenses": ["Apache-2.0"],
        "languages": ["en", "de"],
        "input_types": ["text"],
        "output_types": ["embedding"],
    }


def test_nothing_but_headers_is_read(tmp_path: Path) -> None:
    class Watched(MemoryStore):
        def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
            read.append(length)
            return super().read_at(descriptor, offset, length)

    read: list[int] = []
    store = Watched()
    big = layer(store, "a.safetensors", safetensors({"w": ("F32", (250_000,))}))
    found = look_at(store, put(store, b"{}", big), tensors=True)
    assert found.tensors["a.safetensors"].parameters == 250_000
    assert sum(read) < 70_000


def test_archives_and_unknown_formats_have_no_tensors(store: MemoryStore) -> None:
    weights = safetensors({"w": ("F32", (1,))})
    layers = [layer(store, "a.safetensors", weights, "tar"), layer(store, "b.bin", b"?"), layer(store, "c.txt", b"")]
    assert look_at(store, put(store, b"{}", *layers), tensors=True).tensors == {}


def test_a_store_that_reads_no_ranges(store: MemoryStore) -> None:
    class Whole(Store):
        exists = resolve = tag = _push = _ingest = None  # type: ignore[assignment]

        def _open(self, descriptor: Descriptor, offset: int) -> object:  # type: ignore[override]
            return store._open(descriptor, offset)

    Whole.__abstractmethods__ = frozenset()
    whole = Whole()
    assert not isinstance(whole, Ranged)
    described = put(store, b"{}", layer(store, "a.safetensors", safetensors({"w": ("F32", (1,))})))
    assert look_at(whole, described, tensors=True).tensors == {}


def test_a_damaged_header_names_its_file(store: MemoryStore) -> None:
    described = put(store, b"{}", layer(store, "good/a.safetensors", b"\xff" * 40))
    assert look_at(store, described).files[0].path == "good/a.safetensors"
    with pytest.raises(DocumentError, match=r"^good/a\.safetensors: "):
        look_at(store, described, tensors=True)


def test_configurations_of_other_tools(store: MemoryStore) -> None:
    empty = Descriptor.of("application/vnd.oci.empty.v1+json", b"{}")
    store.push(empty, BytesSource(b"{}"))
    found = look_at(store, put(store, empty))
    assert (found.config, found.raw_config, found.files) == (modelpack.ModelConfig(), b"", ())
    assert found.problems != ()


@pytest.mark.parametrize("raw", [b"not JSON", b"[]", b'{"descriptor": 1}', b"", b"[" * 5000])
def test_broken_configurations(raw: bytes, store: MemoryStore) -> None:
    described = put(store, raw, layer(store, "a.bin", b"1"))
    found = look_at(store, described)
    assert (found.config, found.raw_config) == (modelpack.ModelConfig(), raw)
    assert len(found.problems) >= 1
    assert read_config(store, found.manifest) == modelpack.ModelConfig()


def test_a_configuration_without_end(store: MemoryStore) -> None:
    with pytest.raises(SizeMismatch):
        look_at(store, put(store, b" " * ((4 << 20) + 1)))


def test_what_is_no_model(store: MemoryStore) -> None:
    image = store.push_bytes("application/vnd.oci.image.config.v1+json", b"{}")
    other = store.push_bytes("application/vnd.oci.image.layer.v1.tar", b"")
    manifest = Manifest.build(artifact_type="", config=image, layers=(other,))
    described = store.push_bytes(manifest.descriptor.media_type, manifest.raw)
    with pytest.raises(UnsupportedFormat, match="not a ModelPack artifact"):
        look_at(store, described)
    with pytest.raises(NotFound):
        model_manifest(store, Descriptor.of(manifest.descriptor.media_type, b"nowhere"))
