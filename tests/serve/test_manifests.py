from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import DOCKER_MANIFEST, MODEL_CONFIG, MODEL_MANIFEST, OCI_INDEX, OCI_MANIFEST
from modelpack.store import BytesSource, LayoutStore
from tests.serve.client import Answer, Client
from tests.store.content import WEIGHTS, push_model
from tests.store.layout.places import blob, write_index


def model(client: Client, weights: bytes = b"weights", subject: Descriptor | None = None, kind: str = "") -> Manifest:
    """A small model whose blobs are in the registry."""
    parts = []
    for media_type, data in ((MODEL_CONFIG, b"{}"), (WEIGHTS, weights)):
        client.push(data)
        parts.append(Descriptor.of(media_type, data))
    return Manifest.build(artifact_type=kind or MODEL_MANIFEST, config=parts[0], layers=(parts[1],), subject=subject)


def put(client: Client, manifest: Manifest | Index, reference: str = "", repository: str = "ml/x") -> Answer:
    reference = reference or str(manifest.descriptor.digest)
    return client.put(manifest.raw, manifest.descriptor.media_type, reference, repository)


def test_by_tag_and_by_digest(client: Client, layout: LayoutStore) -> None:
    manifest = model(client)
    digest = str(manifest.descriptor.digest)
    answer = put(client, manifest, "v1")
    assert (answer.status, answer.headers["location"]) == (201, f"/v2/ml/x/manifests/{digest}")
    assert answer.headers["docker-content-digest"] == digest
    assert "oci-subject" not in answer.headers
    for reference in ("v1", digest):
        answer = client("GET", f"/v2/ml/x/manifests/{reference}", accept="text/html")
        assert (answer.status, answer.body) == (200, manifest.raw)
        assert (answer.headers["content-type"], answer.headers["docker-content-digest"]) == (OCI_MANIFEST, digest)
        head = client("HEAD", f"/v2/ml/x/manifests/{reference}")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(manifest.raw))
    assert layout.resolve("ml/x:v1") == manifest.descriptor


def test_without_a_tag(client: Client, layout: LayoutStore) -> None:
    manifest = model(client)
    assert put(client, manifest).status == 201
    assert client("GET", f"/v2/ml/x/manifests/{manifest.descriptor.digest}").body == manifest.raw
    assert layout.tags() == ()
    long = Digest.of(manifest.raw, "sha512")
    assert client.put(manifest.raw, OCI_MANIFEST, str(long)).status == 201
    assert client("GET", f"/v2/ml/x/manifests/{long}").body == manifest.raw


def test_a_tag_moves(client: Client) -> None:
    first, second = model(client, b"1"), model(client, b"2")
    put(client, first, "v1")
    put(client, second, "v1")
    assert client("GET", "/v2/ml/x/manifests/v1").body == second.raw
    assert client("GET", f"/v2/ml/x/manifests/{first.descriptor.digest}").body == first.raw


def test_deleting(client: Client, layout: LayoutStore) -> None:
    manifest = model(client)
    for tag in ("v1", "v2", "v3"):
        put(client, manifest, tag)
    assert client("DELETE", "/v2/ml/x/manifests/v1").status == 202
    assert client("DELETE", "/v2/ml/x/manifests/v1").code == "MANIFEST_UNKNOWN"
    assert client("GET", "/v2/ml/x/tags/list").json == {"name": "ml/x", "tags": ["v2", "v3"]}
    place = f"/v2/ml/x/manifests/{manifest.descriptor.digest}"
    assert client("DELETE", place).status == 202
    assert client("GET", place).code == "MANIFEST_UNKNOWN"
    assert client("GET", "/v2/ml/x/tags/list").code == "NAME_UNKNOWN"
    assert layout.tags() == ()


@pytest.mark.parametrize(
    "reference", ["absent", "sha256:" + "0" * 64, "sha256:abc", ".x", "a b", "x" * 200, "latest@sha256:abc"]
)
def test_what_is_not_there(client: Client, reference: str) -> None:
    answer = client("GET", f"/v2/ml/x/manifests/{quote(reference)}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("reference", [".x", "-x", "a%20b", "x" * 129, "%0d%0ax"])
def test_what_cannot_be_a_tag(client: Client, reference: str) -> None:
    answer = client.put(model(client).raw, OCI_MANIFEST, reference)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("name", ["ML/x", "ml//x", "-ml/x", "ml/x-", "ml/.x", "a" * 256, "ml/%0d%0ax", "%2e%2e"])
def test_what_cannot_be_a_repository(client: Client, name: str) -> None:
    for path in (f"/v2/{name}/manifests/v1", f"/v2/{name}/tags/list", f"/v2/{name}/blobs/sha256:abc"):
        answer = client("GET", path)
        assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b"[]", OCI_INDEX),
        (b"{" * 100_000, OCI_MANIFEST),
        (b'{"schemaVersion":2,"manifests":[]}', "application/json"),
        (b'{"schemaVersion":2,"manifests":[]}', ""),
        (b'{"schemaVersion":2,"manifests":[]}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"mediaType":"' + OCI_INDEX.encode() + b'","manifests":[]}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"manifests":[],"layers":[]}', OCI_INDEX),
    ],
)
def test_what_is_no_manifest(client: Client, layout: LayoutStore, raw: bytes, media_type: str) -> None:
    answer = client.put(raw, media_type, "v1")
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert layout.tags() == ()


def test_the_type_must_be_one_and_the_same(client: Client) -> None:
    document = json.loads(model(client).raw)
    del document["mediaType"]
    raw = json.dumps(document).encode()
    assert client.put(raw, DOCKER_MANIFEST, "v1").code == "MANIFEST_INVALID"
    assert client.put(raw, f"{OCI_MANIFEST}; charset=utf-8", "v1").status == 201


def test_a_manifest_of_another_digest(client: Client) -> None:
    answer = client.put(model(client).raw, OCI_MANIFEST, str(Digest.of(b"other")))
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert client.put(model(client).raw, OCI_MANIFEST, "md5:" + "0" * 32).code == "DIGEST_INVALID"


@pytest.mark.parametrize("chunked", [True, False])
def test_a_manifest_that_is_too_long(client: Client, chunked: bool) -> None:
    raw = b" " * (MAX_DOCUMENT + 1)
    headers = {"transfer_encoding": "chunked"} if chunked else {}
    answer = client(
        "PUT", "/v2/ml/x/manifests/v1", iter([raw]) if chunked else raw, content_type=OCI_MANIFEST, **headers
    )
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")


def test_blobs_come_first(client: Client) -> None:
    absent = Descriptor.of(WEIGHTS, b"absent")
    manifest = model(client)
    other = Manifest.build(artifact_type=MODEL_MANIFEST, config=manifest.config, layers=(absent,))
    answer = put(client, other, "v1")
    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert str(absent.digest).encode() in answer.body
    short = Descriptor(WEIGHTS, manifest.layers[0].digest, 3)
    assert put(client, Manifest.build(artifact_type="", config=manifest.config, layers=(short,))).status == 404
    index = Index.build((manifest.descriptor,))
    assert put(client, index, "v1").code == "MANIFEST_BLOB_UNKNOWN"
    put(client, manifest)
    assert put(client, index, "v1").status == 201
    assert client("GET", "/v2/ml/x/manifests/v1").headers["content-type"] == OCI_INDEX


def test_attachments(client: Client) -> None:
    subject = model(client)
    place = f"/v2/ml/x/referrers/{subject.descriptor.digest}"
    empty = client("GET", place)
    assert (empty.status, empty.headers["content-type"], empty.json["manifests"]) == (200, OCI_INDEX, [])
    kinds = ["application/x-sbom+json", "application/x-signature"]
    attached = [model(client, kind.encode(), subject.descriptor, kind) for kind in kinds]
    for manifest in attached:  # before their subject, which the specification allows
        answer = put(client, manifest)
        assert answer.headers["oci-subject"] == str(subject.descriptor.digest)
    put(client, subject, "v1")
    everything = Index.parse(client("GET", place).body)
    assert [(entry.digest, entry.artifact_type) for entry in everything.manifests] == [
        (manifest.descriptor.digest, kind) for manifest, kind in zip(attached, kinds, strict=True)
    ]
    some = client("GET", f"{place}?artifactType={quote(kinds[0])}")
    assert some.headers["oci-filters-applied"] == "artifactType"
    assert [entry.digest for entry in Index.parse(some.body).manifests] == [attached[0].descriptor.digest]
    assert "oci-filters-applied" not in client("GET", place).headers
    assert client("GET", "/v2/ml/x/referrers/v1").code == "DIGEST_INVALID"


def test_many_attachments_come_page_by_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.serve.manifests._PAGE", 500)
    subject = model(client)
    kind = "application/x-note"
    attached = [model(client, b"%d" % number, subject.descriptor, kind) for number in range(7)]
    for manifest in attached:
        put(client, manifest)
    found: list[Digest] = []
    pages = 0
    place = f"/v2/ml/x/referrers/{subject.descriptor.digest}?artifactType={quote(kind)}"
    while place:
        answer = client("GET", place)
        found += [entry.digest for entry in Index.parse(answer.body).manifests]
        place = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        pages += 1
    assert found == [manifest.descriptor.digest for manifest in attached]
    assert pages > 2


def test_tags_and_repositories_page_by_page(client: Client) -> None:
    manifest = model(client)
    for repository in ("ml/x", "a", "ml/y"):
        for tag in ("v10", "v2", "latest", "A"):
            put(client, manifest, tag, repository)
    assert client("GET", "/v2/ml/x/tags/list").json == {"name": "ml/x", "tags": ["A", "latest", "v10", "v2"]}
    first = client("GET", "/v2/ml/x/tags/list?n=3")
    assert (first.json["tags"], first.headers["link"]) == (
        ["A", "latest", "v10"],
        '</v2/ml/x/tags/list?n=3&last=v10>; rel="next"',
    )
    second = client("GET", "/v2/ml/x/tags/list?n=3&last=v10")
    assert (second.json["tags"], second.headers.get("link")) == (["v2"], None)
    assert client("GET", "/v2/ml/x/tags/list?n=4").headers.get("link") is None
    assert client("GET", "/v2/ml/x/tags/list?n=0").json["tags"] == []
    assert client("GET", "/v2/ml/x/tags/list?last=zzz").json["tags"] == []
    assert client("GET", "/v2/_catalog").json == {"repositories": ["a", "ml/x", "ml/y"]}
    assert client("GET", "/v2/_catalog?n=1&last=a").headers["link"] == '</v2/_catalog?n=1&last=ml%2Fx>; rel="next"'
    for number in ("-1", "x", "1.5", "²", "9" * 20):
        answer = client("GET", f"/v2/_catalog?n={quote(number)}")
        assert (answer.status, answer.code) == (400, "PAGINATION_NUMBER_INVALID")
    assert client("GET", "/v2/absent/tags/list").code == "NAME_UNKNOWN"


def test_plain_names_are_tags_of_the_folder(client: Client, layout: LayoutStore) -> None:
    theirs, ours = push_model(layout, b"theirs"), push_model(layout, b"ours")
    layout.tag(theirs.descriptor, "v1")
    layout.tag(theirs.descriptor, "localhost:5000/x:v1")  # a port makes it no repository's name
    layout.tag(theirs.descriptor, "no/tag")
    assert client("GET", "/v2/_catalog").json == {"repositories": ["my-models"]}
    assert client("GET", "/v2/my-models/tags/list").json["tags"] == ["v1"]
    assert client("GET", "/v2/my-models/manifests/v1").body == theirs.raw
    assert client("GET", "/v2/other/manifests/v1").status == 404
    put(client, ours, "v1", "my-models")
    assert layout.resolve("v1") == ours.descriptor
    put(client, ours, "v2", "my-models")
    assert layout.resolve("my-models:v2") == ours.descriptor
    assert client("GET", "/v2/my-models/tags/list").json["tags"] == ["v1", "v2"]
    assert client("DELETE", "/v2/my-models/manifests/v1").status == 202
    assert "v1" not in layout.tags()


def test_ambiguous_names_are_not_served(client: Client, layout: LayoutStore) -> None:
    entries = [
        push_model(layout, data).descriptor.annotated(**{"org.opencontainers.image.ref.name": "v1"}).to_json()
        for data in (b"1", b"2")
    ]
    write_index(layout, manifests=entries)
    assert client("GET", "/v2/my-models/manifests/v1").code == "MANIFEST_UNKNOWN"


def test_headers_cannot_be_injected_by_an_index(client: Client, layout: LayoutStore) -> None:
    descriptor = layout.push_bytes("text/plain", b"hello")
    entry = {**descriptor.to_json(), "mediaType": "text/plain\r\nX-Evil: 1"}
    write_index(layout, manifests=[entry])
    answer = client("GET", f"/v2/ml/x/manifests/{descriptor.digest}")
    assert (answer.headers["content-type"], answer.headers.get("x-evil")) == ("application/octet-stream", None)


def test_damage_is_the_registrys_fault_and_says_no_path(client: Client, layout: LayoutStore) -> None:
    manifest = push_model(layout)
    layout.tag(manifest.descriptor, "ml/x:v1")
    path = blob(layout, manifest.descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(b"?" * len(manifest.raw))
    answer = client("GET", "/v2/ml/x/manifests/v1")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    (layout.path / "index.json").write_text("{")
    answer = client("GET", "/v2/ml/x/manifests/v1")
    assert answer.status == 500
    assert str(layout.path).encode() not in answer.body


def test_manifests_that_came_another_way_are_served(client: Client, layout: LayoutStore) -> None:
    part = push_model(layout)
    whole = Index.build((part.descriptor,))
    layout.push(whole.descriptor, BytesSource(whole.raw))
    layout.tag(whole.descriptor, "registry.example/ml/x:v1")
    write_index(
        layout,
        manifests=[
            whole.descriptor.annotated(**{"org.opencontainers.image.ref.name": "registry.example/ml/x:v1"}).to_json()
        ],
    )
    assert client("GET", "/v2/registry.example/ml/x/manifests/v1").body == whole.raw
    assert client("GET", f"/v2/registry.example/ml/x/manifests/{part.descriptor.digest}").body == part.raw
