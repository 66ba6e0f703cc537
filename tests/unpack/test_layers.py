from __future__ import annotations

import pytest

from modelpack.errors import DocumentError, UnsafePath, UnsupportedFormat
from modelpack.oci import Codec, Descriptor, Digest, Kind
from modelpack.oci.mediatypes import FILE_METADATA, FILEPATH, OCI_EMPTY, TITLE
from modelpack.store import MemoryStore
from modelpack.unpack import LayerEntry, contents
from tests.unpack.models import model

CNCF = "application/vnd.cncf.model."
CNAI = "application/vnd.cnai.model."
OLD_MANIFEST = "application/vnd.cnai.model.manifest.v1+json"


def entry(media_type: str, artifact_type: str | None = None, **annotations: str) -> LayerEntry:
    store = MemoryStore()
    layer = Descriptor(media_type, Digest.of(b"x"), 1).annotated(**annotations)
    manifest = model(store, layer, artifact_type=artifact_type) if artifact_type else model(store, layer)
    (only,) = contents(manifest)
    return only


@pytest.mark.parametrize("family", [CNCF, CNAI])
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("codec", list(Codec))
def test_all_types_of_the_specification(family: str, kind: Kind, codec: Codec) -> None:
    found = entry(f"{family}{kind}.v1.{codec}", **{FILEPATH: "a/name"})
    assert (found.kind, found.codec, found.path, found.size) == (kind, codec, "a/name", 1)
    assert found.is_file == (codec is Codec.RAW)


@pytest.mark.parametrize("suffix", ["gguf", "safetensors"])
def test_types_that_docker_wrote_before(suffix: str) -> None:
    found = entry(f"{CNCF}weight.v1.{suffix}", **{FILEPATH: f"model.{suffix}"})
    assert (found.kind, found.codec) == (Kind.WEIGHT, Codec.RAW)


def test_cnai_annotations_and_metadata() -> None:
    found = entry(
        f"{CNAI}weight.v1.raw",
        OLD_MANIFEST,
        **{
            "org.cnai.model.filepath": "w.bin",
            "org.cnai.model.file.metadata+json": '{"mode":493,"mtime":"2026-11-23T07:28:57.918589774Z","typeflag":0}',
        },
    )
    assert (found.path, found.executable, found.single) == ("w.bin", True, True)
    assert found.mtime_ns == 1_795_418_937_918_589_774


def test_the_file_path_goes_before_the_title() -> None:
    assert entry(f"{CNCF}doc.v1.raw", **{FILEPATH: "right", TITLE: "wrong"}).path == "right"
    assert entry(f"{CNCF}doc.v1.raw", **{TITLE: "title/x"}).path == "title/x"


@pytest.mark.parametrize(
    ("media_type", "title", "kind"),
    [
        ("application/octet-stream", "w/model.gguf", Kind.WEIGHT),
        ("application/vnd.oci.image.layer.v1.tar", "model.safetensors", Kind.WEIGHT),
        ("application/vnd.oci.image.layer.v1.tar", "README", Kind.DOC),
        ("text/plain", "LICENSE-MIT", Kind.DOC),
        ("text/plain", "notes.TXT", Kind.DOC),
        ("text/x-python", "run.py", Kind.CODE),
        ("application/json", "config.json", Kind.CONFIG),
    ],
)
def test_files_under_a_title(media_type: str, title: str, kind: Kind) -> None:
    found = entry(media_type, **{TITLE: title})
    assert (found.path, found.kind, found.codec) == (title, kind, Codec.RAW)


def test_a_folder_that_oras_pushed() -> None:
    found = entry(
        "application/vnd.oci.image.layer.v1.tar+gzip", **{TITLE: "folder", "io.deis.oras.content.unpack": "true"}
    )
    assert (found.path, found.codec, found.single) == ("folder", Codec.TAR_GZIP, False)


def test_shards_that_kitops_files_under_config() -> None:
    assert entry(f"{CNCF}weight.config.v1.tar", **{FILEPATH: "model-00002-of-2.safetensors"}).kind is Kind.WEIGHT
    assert entry(f"{CNCF}weight.config.v1.raw", **{FILEPATH: "config.json"}).kind is Kind.CONFIG
    assert entry(f"{CNCF}doc.v1.raw", **{FILEPATH: "odd.bin"}).kind is Kind.DOC


@pytest.mark.parametrize(("label", "path"), [("./model/", "model"), (".", ""), ("../up", ""), ("", ""), ("a/", "a")])
def test_an_archive_only_has_a_label(label: str, path: str) -> None:
    assert entry(f"{CNCF}code.v1.tar", **{FILEPATH: label}).path == path


def test_bundles_hold_more_than_one_file() -> None:
    metadata = '{"name":"config","typeflag":0,"files":["a","b"]}'
    assert not entry(f"{CNCF}code.v1.tar", **{FILEPATH: "config", FILE_METADATA: metadata}).single


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        '{"mode":"0755"}',
        '{"mode":4.5}',
        '{"mode":null,"mtime":null}',
        '{"mtime":7}',
        '{"mtime":"yesterday"}',
        '{"mtime":"2026-13-41T99:99:99Z"}',
        '{"mtime":"1969-12-31T23:59:59Z"}',
        '{"mtime":"2100-01-01T00:00:00Z"}',
        '{"mtime":"0001-01-01T00:00:00Z"}',
        '{"mtime":"0001-01-01T00:00:00+14:00"}',
        '{"mtime":"9999-12-31T23:59:59-14:00"}',
        '{"mtime":"2026-01-01T00:00:00"}',
        '{"a":' * 40 + "1" + "}" * 40,
        '{"x":"' + "y" * 70_000 + '"}',
        '{"mode":420,"mode":493}',
        '{"mtime":"\ud800"}',
    ],
)
def test_damaged_metadata_says_nothing(metadata: str) -> None:
    store = MemoryStore()
    layer = Descriptor(f"{CNCF}doc.v1.raw", Digest.of(b"x"), 1).annotated(**{FILEPATH: "x"})
    manifest = model(store, layer)
    damaged = layer.annotated(**{FILE_METADATA: metadata})
    object.__setattr__(manifest, "layers", (damaged,))
    (found,) = contents(manifest)
    assert (found.executable, found.mtime_ns) == (False, None)


def test_times_with_an_offset() -> None:
    found = entry(f"{CNCF}doc.v1.raw", **{FILEPATH: "x", FILE_METADATA: '{"mtime":"1970-01-01T02:00:01.5+02:00"}'})
    assert found.mtime_ns == 1_500_000_000


@pytest.mark.parametrize("media_type", [f"{CNCF}weight.v1.raw", "application/octet-stream"])
def test_a_file_needs_a_name(media_type: str) -> None:
    with pytest.raises(DocumentError, match=r"layers\[0\]\.annotations.*no file name"):
        entry(media_type)


def test_dockers_names_that_lead_out_are_refused_clearly() -> None:
    with pytest.raises(UnsafePath, match=r"'\.\./\.\./models/x\.gguf' leads out of its folder") as caught:
        entry(f"{CNCF}weight.v1.gguf", **{FILEPATH: "../../models/x.gguf"})
    assert "packed again" in caught.value.hint


def test_the_empty_layer_is_no_file() -> None:
    assert contents(model(MemoryStore(), Descriptor(OCI_EMPTY, Digest.of(b"{}"), 2))) == ()


def test_what_is_no_model() -> None:
    store = MemoryStore()
    image = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.of(b"x"), 1)
    with pytest.raises(UnsupportedFormat, match=r"not a ModelPack artifact .*image\.config"):
        contents(model(store, image, artifact_type="", config_type="application/vnd.oci.image.config.v1+json"))
    layer = Descriptor(f"{CNCF}doc.v1.raw", Digest.of(b"x"), 1).annotated(**{FILEPATH: "x"})
    assert contents(model(store, layer, artifact_type="", config_type="application/json"))[0].path == "x"


def test_two_layers_of_one_name() -> None:
    layer = Descriptor(f"{CNCF}doc.v1.raw", Digest.of(b"x"), 1).annotated(**{FILEPATH: "x"})
    with pytest.raises(UnsafePath, match="stands twice"):
        contents(model(MemoryStore(), layer, layer))
