"""A document as a referrer of a model, in the raw form that ``oras attach`` writes and Trivy, Harbor and others list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from modelpack.attest.values import instant
from modelpack.errors import InputError
from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import CREATED, OCI_EMPTY, TITLE
from modelpack.store import BytesSource, Store

_EMPTY = b"{}"
TITLES = {
    "application/vnd.cyclonedx+json": "sbom.cdx.json",
    "application/spdx+json": "sbom.spdx.json",
    "application/vnd.in-toto+json": "statement.intoto.json",
    "application/sarif+json": "scan.sarif.json",
}
"""The name that a document of each type has, for clients that write it to a disk."""


def raw_document_manifest(
    subject: Descriptor,
    media_type: str,
    data: bytes,
    *,
    created: datetime | None = None,
    annotations: Mapping[str, str] | None = None,
) -> tuple[Manifest, dict[Descriptor, bytes]]:
    """A manifest whose one layer is the document, and the blobs that it names. ``created`` makes it differ from run to
    run: without it the same document about the same model is the same attachment. Raises InputError for an empty type.
    """
    if not media_type:
        raise InputError("a document needs a media type")
    layer = Descriptor.of(media_type, data)
    config = Descriptor.of(OCI_EMPTY, _EMPTY)
    title = TITLES.get(media_type)
    named = layer.annotated(**{TITLE: title}) if title else layer
    said = {**({CREATED: instant(created)} if created else {}), **(annotations or {})}
    manifest = Manifest.build(
        artifact_type=media_type, config=config, layers=(named,), subject=subject.plain(), annotations=said
    )
    return manifest, {config: _EMPTY, layer: data}


def attach_document(
    store: Store,
    subject: Descriptor,
    media_type: str,
    data: bytes,
    *,
    created: datetime | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Push a document as a referrer of ``subject``, which should be in the same store. The new manifest's descriptor.

    Raises InputError, AccessDenied, RegistryError, Unavailable, NoSpace.
    """
    manifest, blobs = raw_document_manifest(subject, media_type, data, created=created, annotations=annotations)
    for descriptor, content in blobs.items():
        store.push(descriptor, BytesSource(content))
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest.descriptor
