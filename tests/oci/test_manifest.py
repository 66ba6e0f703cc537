from __future__ import annotations

import hashlib

import pytest

from modelpack.errors import DocumentError
from modelpack.oci import JSON, Descriptor, Digest, Index, JSONObject, Manifest, dumps, parse_document
from modelpack.oci.manifest import MAX_LAYERS
from modelpack.oci.mediatypes import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    FILE_METADATA,
    FILEPATH,
    MODEL_CONFIG,
    MODEL_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)

ONE, TWO, THREE = (Digest.of(data) for data in (b"1", b"2", b"3"))
CONFIG = Descriptor(MODEL_CONFIG, ONE, 457)
# The form in which modctl writes a manifest: Go's member order, sorted annotations, < > & escaped.
GOLDEN = (
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
    '"artifactType":"application/vnd.cncf.model.manifest.v1+json",'
    f'"config":{{"mediaType":"application/vnd.cncf.model.config.v1+json","digest":"{ONE}","size":457}},'
    f'"layers":[{{"mediaType":"application/vnd.cncf.model.weight.v1.raw","digest":"{TWO}","size":8,'
    '"annotations":{"org.cncf.model.file.metadata+json":"{\\"name\\":\\"m\\",\\"mode\\":416}",'
    '"org.cncf.model.filepath":"sub/m"}}],'
    '"annotations":{"org.cncf.modctl.modelfile":"NAME demo \\u0026 \\u003cx\\u003e\\n"}}'
).encode()


def golden() -> Manifest:
    layer = Descriptor(
        "application/vnd.cncf.model.weight.v1.raw",
        TWO,
        8,
        {FILEPATH: "sub/m", FILE_METADATA: '{"name":"m","mode":416}'},
    )
    return Manifest.build(
        artifact_type=MODEL_MANIFEST,
        config=CONFIG,
        layers=(layer,),
        annotations={"org.cncf.modctl.modelfile": "NAME demo & <x>\n"},
    )


def document(**changes: JSON) -> bytes:
    whole: JSONObject = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG.to_json(), "layers": []}
    return dumps({key: value for key, value in {**whole, **changes}.items() if value != "absent"})


def test_a_long_document_is_parsed_once_and_told_from_others() -> None:
    layers: list[JSON] = [Descriptor("text/plain", ONE, 1, {"n": str(number)}).to_json() for number in range(300)]
    raw = document(layers=layers)
    first = parse_document(raw, OCI_MANIFEST)
    assert parse_document(bytes(bytearray(raw)), OCI_MANIFEST) is first
    assert parse_document(raw.replace(b'"n":"7"', b'"n":"8"'), OCI_MANIFEST) != first
    assert parse_document(raw, OCI_MANIFEST, "sha512").descriptor.digest == Digest.of(raw, "sha512")
    with pytest.raises(DocumentError):
        parse_document(raw, OCI_INDEX)


def test_golden_bytes() -> None:
    manifest = golden()
    assert manifest.raw == GOLDEN
    assert manifest.descriptor == Descriptor(
        OCI_MANIFEST, Digest("sha256", hashlib.sha256(GOLDEN).hexdigest()), len(GOLDEN)
    )
    assert Manifest.parse(GOLDEN) == manifest
    assert manifest.is_model
    assert manifest.subject is None


def test_subject_goes_between_layers_and_annotations() -> None:
    subject = Descriptor(OCI_MANIFEST, THREE, 9)
    manifest = Manifest.build(
        artifact_type="a/b", config=CONFIG, layers=(), subject=subject, annotations={"b": "", "a": ""}
    )
    assert manifest.raw.endswith(
        f'"layers":[],"subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{THREE}","size":9}},'
        '"annotations":{"a":"","b":""}}'.encode()
    )
    assert manifest.subject == subject


def test_the_bytes_that_were_read_are_kept() -> None:
    spaced = GOLDEN.replace(b'{"schemaVersion":2,', b'{ "schemaVersion" : 2 ,\n')
    manifest = Manifest.parse(spaced, "sha512")
    assert manifest.raw == spaced
    assert manifest.descriptor.digest == Digest.of(spaced, "sha512")


def test_artifact_type_falls_back_to_the_config() -> None:
    manifest = Manifest.build(artifact_type="", config=CONFIG, layers=())
    assert b"artifactType" not in manifest.raw
    assert manifest.artifact_type == MODEL_CONFIG
    assert manifest.is_model


@pytest.mark.parametrize(
    ("artifact_type", "config_type", "expected"),
    [
        ("application/vnd.cnai.model.manifest.v1+json", "a/b", True),
        ("a/b", "application/vnd.cnai.model.config.v1+json", True),
        ("a/b", "application/vnd.oci.image.config.v1+json", False),
    ],
)
def test_is_model(artifact_type: str, config_type: str, expected: bool) -> None:
    config = Descriptor(config_type, ONE, 1)
    assert Manifest.build(artifact_type=artifact_type, config=config, layers=()).is_model is expected


def test_blobs_name_each_digest_once() -> None:
    layers = tuple(Descriptor("a/b", digest, 1) for digest in (TWO, THREE, TWO, ONE))
    blobs = Manifest.build(artifact_type="", config=CONFIG, layers=layers).blobs
    assert [blob.digest for blob in blobs] == [ONE, TWO, THREE]


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_media_types(media_type: str) -> None:
    assert Manifest.parse(document(mediaType=media_type)).descriptor.media_type == media_type


def test_media_type_may_be_absent() -> None:
    assert Manifest.parse(document(mediaType="absent")).descriptor.media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "manifest: not JSON"),
        (b"[]", "manifest: not a JSON object"),
        (document(schemaVersion=1), "manifest: schemaVersion: 2 is required"),
        (document(schemaVersion="absent"), "manifest: schemaVersion: 2 is required"),
        (document(mediaType=OCI_INDEX), "manifest: mediaType: .* is not the type of an manifest|a manifest"),
        (document(manifests=[]), "manifest: manifests: does not belong in a manifest"),
        (document(config="absent"), "manifest: config.mediaType: a string is required"),
        (document(config=[]), "manifest: config: an object is required"),
        (document(layers={}), "manifest: layers: an array is required"),
        (
            document(layers=[{"mediaType": "a/b", "digest": str(ONE), "size": -1}]),
            r"manifest: layers\[0\].size: a non-neg",
        ),
        (document(annotations={"a": 1}), "manifest: annotations.a: a string is required"),
        (document(subject={}), "manifest: subject.mediaType: a string is required"),
        (document(artifactType=3), "manifest: artifactType: a string is required"),
    ],
)
def test_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Manifest.parse(raw)


def test_too_many_layers() -> None:
    with pytest.raises(DocumentError, match="20001 entries are more than the 20000 allowed"):
        Manifest.parse(document(layers=[{}] * (MAX_LAYERS + 1)))


def test_index() -> None:
    entries = (
        golden().descriptor,
        Descriptor(OCI_MANIFEST, TWO, 2, artifact_type="x/y", extra={"platform": {"os": "linux"}}),
    )
    index = Index.build(entries, annotations={"b": "1", "a": "2"})
    assert index.raw.startswith(
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['
    )
    assert index.raw.endswith(b'],"annotations":{"a":"2","b":"1"}}')
    assert index.manifests == entries
    assert Index.parse(index.raw) == index
    assert Index.build(()).annotations == {}


def test_index_members() -> None:
    raw = dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_INDEX,
            "artifactType": "a/b",
            "manifests": [],
            "subject": CONFIG.to_json(),
        }
    )
    index = Index.parse(raw)
    assert (index.artifact_type, index.subject, index.descriptor.media_type) == ("a/b", CONFIG, DOCKER_INDEX)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (document(), "index: mediaType: .* is not the type of an index"),
        (dumps({"schemaVersion": 2, "layers": []}), "index: layers: does not belong in an index"),
    ],
)
def test_index_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Index.parse(raw)


def test_parse_document_goes_by_the_media_type() -> None:
    index = Index.build(())
    assert parse_document(index.raw, OCI_INDEX) == index
    assert parse_document(GOLDEN, OCI_MANIFEST) == golden()
    assert parse_document(GOLDEN, OCI_MANIFEST, "sha512").descriptor.digest.algorithm == "sha512"
    with pytest.raises(DocumentError):
        parse_document(GOLDEN, OCI_INDEX)
