"""What is attached to a manifest: the referrers API, and the fallback tag where a registry does not have it.

distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema". Whether the API exists is asked with a GET: some
registries send ``OCI-Subject`` and yet answer 404.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from modelpack.errors import NotFound, RegistryError, Unavailable
from modelpack.oci import MAX_DOCUMENT, Descriptor, Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store.http import Request
from modelpack.store.sources import BytesSource

if TYPE_CHECKING:
    from modelpack.store.registry.repository import RegistryStore

_ATTEMPTS = 8
_ANSWERS = frozenset({200, 303, 400, 404, 405, 501})
MAX_PAGES = 100


def list_referrers(store: RegistryStore, subject: Descriptor, artifact_type: str) -> tuple[Descriptor, ...]:
    """Descriptors of all that is attached, by the API or, where that is absent, by the fallback tag."""
    found = _from_api(store, subject, artifact_type)
    if found is None:
        index, _ = _fallback_index(store, subject)
        found = index.manifests if index else ()
    # A registry may ignore the filter (distribution-spec: "OCI-Filters-Applied").
    return tuple(entry for entry in found if artifact_type in ("", entry.artifact_type))


def attach(store: RegistryStore, manifest: Manifest | Index) -> None:
    """Make a pushed manifest findable by its subject where the registry does not do that itself.

    A tag has no compare-and-swap. So after writing we wait for longer than another writer needs between its reading and its
    writing, look again, and write again if our entry was overwritten.
    """
    assert manifest.subject is not None  # noqa: S101  # the caller looked
    if _from_api(store, manifest.subject, "") is not None:
        return
    entry = replace(manifest.descriptor, artifact_type=manifest.artifact_type, annotations=manifest.annotations)
    with store.attaching:
        for _ in range(_ATTEMPTS):
            begun = time.monotonic()
            index, tag = _fallback_index(store, manifest.subject)
            entries = index.manifests if index else ()
            if any(known.digest == entry.digest for known in entries):
                return
            merged = Index.build((*entries, entry), annotations=index.annotations if index else None)
            store.put_document(merged.descriptor, BytesSource(merged.raw), tag)
            # Jitter, so that two writers that met once do not meet again.
            time.sleep((time.monotonic() - begun) * random.uniform(3, 6) + 0.02)  # noqa: S311
    raise Unavailable(f"other writers keep replacing the referrers of {manifest.subject.digest}")


def fallback_tag(subject: Descriptor) -> str:
    """``sha256-<hex>``, at most 64 hexadecimal digits (distribution-spec, "Referrers Tag Schema")."""
    return f"{subject.digest.algorithm}-{subject.digest.hex}"[:128]


def _from_api(store: RegistryStore, subject: Descriptor, artifact_type: str) -> tuple[Descriptor, ...] | None:
    """None if the registry has no such API."""
    query = f"?artifactType={artifact_type.replace('+', '%2B')}" if artifact_type else ""
    url = f"{store.base}/referrers/{subject.digest}{query}"
    entries: list[Descriptor] = []
    for _ in range(MAX_PAGES):
        response = store.registry.client.send(Request("GET", url, store.pull_scope, expect=_ANSWERS))
        body = response.read(MAX_DOCUMENT + 1)
        response.close()
        if response.status != 200 or response.headers.get("content-type", "").partition(";")[0] != OCI_INDEX:
            return None
        entries += Index.parse(body).manifests
        following = store.registry.next_page(url, response)
        if not following:
            return tuple(entries)
        url = following
    raise RegistryError(
        f"more than {MAX_PAGES} pages of referrers", status=200, code="", method="GET", url=url.partition("?")[0]
    )


def _fallback_index(store: RegistryStore, subject: Descriptor) -> tuple[Index | None, str]:
    tag = fallback_tag(subject)
    try:
        document = store.document(store.resolve(tag))
    except NotFound:
        return None, tag
    return (document if isinstance(document, Index) else None), tag
