"""Documents as referrers, seen by ourselves and by oras."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelpack
from modelpack.attest import CYCLONEDX, SPDX, attach_document, raw_document_manifest
from modelpack.errors import InputError
from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import CREATED, OCI_EMPTY, TITLE
from modelpack.store import MemoryStore, RegistryStore
from modelpack.store import Registry as Host
from tests.attest.samples import BUILT, Sample
from tests.cli.models import model as make_model
from tests.real.registries import Registry
from tests.real.tools import run


def test_the_manifest_is_what_oras_writes(tiny: Sample) -> None:
    data = tiny.documents["cyclonedx"]
    manifest, blobs = raw_document_manifest(tiny.manifest.descriptor, CYCLONEDX, data)
    assert json.loads(manifest.raw) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": CYCLONEDX,
        "config": Descriptor.of(OCI_EMPTY, b"{}").to_json(),
        "layers": [{**Descriptor.of(CYCLONEDX, data).to_json(), "annotations": {TITLE: "sbom.cdx.json"}}],
        "subject": tiny.manifest.descriptor.plain().to_json(),
    }
    assert sorted(blobs.values()) == sorted([b"{}", data])
    assert raw_document_manifest(tiny.manifest.descriptor, CYCLONEDX, data)[0].raw == manifest.raw


def test_time_annotations_and_other_types(tiny: Sample) -> None:
    subject = tiny.manifest.descriptor
    manifest, _ = raw_document_manifest(subject, "text/x", b"1", created=BUILT, annotations={"a": "b"})
    assert manifest.annotations == {CREATED: "2026-01-02T03:05:00Z", "a": "b"}
    assert manifest.layers[0].annotations == {}
    with pytest.raises(InputError, match="media type"):
        raw_document_manifest(subject, "", b"")


def test_in_memory(tiny: Sample) -> None:
    store = MemoryStore()
    store.push_bytes(tiny.manifest.descriptor.media_type, tiny.manifest.raw)
    attached = attach_document(store, tiny.manifest.descriptor, SPDX, tiny.documents["spdx"])
    assert [item.digest for item in store.referrers(tiny.manifest.descriptor, SPDX)] == [attached.digest]


def test_oras_discovers_it(registry: Registry, tmp_path: Path) -> None:
    packed = modelpack.pack(make_model(tmp_path / "m"))
    name = registry.repository()
    modelpack.push(packed, f"{name}:v1")
    with RegistryStore(Host(registry.host, registry.options), name.partition("/")[2]) as store:
        attached = attach_document(store, packed.descriptor, CYCLONEDX, b'{"bomFormat":"CycloneDX"}', created=BUILT)
        assert [(item.digest, item.artifact_type) for item in store.referrers(packed.descriptor)] == [
            (attached.digest, CYCLONEDX)
        ]
        document = store.document(attached)
        assert isinstance(document, Manifest)
        assert store.read(document.layers[0]) == b'{"bomFormat":"CycloneDX"}'
    seen = json.loads(run("oras", "discover", "--plain-http", "--format", "json", f"{name}:v1").stdout)
    found = seen.get("referrers") or seen.get("manifests")
    assert [(item["digest"], item["artifactType"]) for item in found] == [(str(attached.digest), CYCLONEDX)]
    run("oras", "pull", "--plain-http", f"{name}@{attached.digest}", "-o", tmp_path / "out")
    assert (tmp_path / "out" / "sbom.cdx.json").read_bytes() == b'{"bomFormat":"CycloneDX"}'
