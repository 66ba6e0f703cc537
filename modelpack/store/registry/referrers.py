"""What is attached to a manifest: the referrers API, and the fallback tag where a registry does not have it.

distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema". Whether the API exists is asked with a GET: some
registries send ``OCI-Subject`` and yet answer 404.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from modelpack.errors import ContentError, DocumentError, NotFound, RegistryError, Unavailable
from modelpack.oci import Descriptor, Index, Manifest, is_document
from modelpack.oci.mediatypes import OCI_EMPTY, OCI_INDEX
from modelpack.store.base import Change
from modelpack.store.http import Request
from modelpack.store.memory import describe
from modelpack.store.sources import BytesSource

if TYPE_CHECKING:
    from modelpack.store.registry.repository import RegistryStore

_ATTEMPTS = 8
_ANSWERS = frozenset({200, 400, 404, 405, 501})
_SETTLE = 0.1
"""Seconds that another writer may need even where the network is fast."""

MAX_REFERRERS = 50_000
MAX_LOOKUPS = 256
"""Entries of a fallback index whose manifests are read because they do not say what they are."""

MAX_PAGES = 1000


def list_referrers(store: RegistryStore, subject: Descriptor, artifact_type: str) -> tuple[Descriptor, ...]:
    """Descriptors of all that is attached, by the API or, where that is absent, by the fallback tag."""
    found = from_api(store, subject, artifact_type)
    if found is None:
        document = _tagged(store, fallback_tag(subject))
        entries = document.manifests if isinstance(document, Index) else ()
        found = tuple(_complete(store, entry) for entry in entries[:MAX_LOOKUPS]) + entries[MAX_LOOKUPS:]
    # A registry may ignore the filter (distribution-spec: "OCI-Filters-Applied").
    return tuple(entry for entry in found if artifact_type in ("", entry.artifact_type))


def _complete(store: RegistryStore, entry: Descriptor) -> Descriptor:
    """An entry of the fallback index as a registry would write it.

    cosign 3 and others of go-containerregistry write the config's media type where the manifest's artifact type belongs.
    """
    if entry.artifact_type not in ("", OCI_EMPTY) or not is_document(entry.media_type):
        return entry
    try:
        document = store.document(entry)
    except (NotFound, ContentError, DocumentError):
        return entry
    return replace(entry, artifact_type=document.artifact_type, annotations=entry.annotations or document.annotations)


def attach(store: RegistryStore, manifest: Manifest | Index) -> None:
    """Make a pushed manifest findable by its subject where the registry does not do that itself.

    Raises DocumentError if something else than an index has the tag, and as :func:`rewrite`.
    """
    assert manifest.subject is not None  # noqa: S101  # the caller looked
    if from_api(store, manifest.subject, "") is not None:
        return
    entry = describe(manifest)
    tag = fallback_tag(manifest.subject)

    def enter(known: Manifest | Index | None) -> Manifest | Index:
        index = known or Index.build(())
        if not isinstance(index, Index):
            raise DocumentError("index", "", f"the referrers' tag {tag} names a manifest")
        if any(other.digest == entry.digest for other in index.manifests):
            return index
        return Index.build((*index.manifests, entry), annotations=index.annotations)

    rewrite(store, tag, enter)


def rewrite(store: RegistryStore, tag: str, change: Change) -> None:
    """Replace what a tag names by what ``change`` makes of it.

    A tag has no compare-and-swap. So after writing we wait for longer than another writer needs between its reading and its
    writing, look again, and write again if ours was overwritten.

    Raises what ``change`` raises, Unavailable if other writers never stop.
    """
    with store.rewriting:
        for _ in range(_ATTEMPTS):
            begun = time.monotonic()
            known = _tagged(store, tag)
            changed = change(known)
            if known is not None and known.descriptor.digest == changed.descriptor.digest:
                return
            try:
                store.put_document(changed.descriptor, BytesSource(changed.raw), tag)
            except RegistryError as error:
                if error.code != "DIGEST_INVALID":  # distribution 2.8 says so while others write, too: look again
                    raise
            # Jitter, so that two writers that met once do not meet again.
            time.sleep((time.monotonic() - begun) * random.uniform(3, 6) + _SETTLE * random.uniform(0.5, 1.5))  # noqa: S311
    raise Unavailable(f"other writers keep replacing {tag} in {store.repository}")


def fallback_tag(subject: Descriptor) -> str:
    """``sha256-<hex>``, at most 64 hexadecimal digits (distribution-spec, "Referrers Tag Schema")."""
    return f"{subject.digest.algorithm}-{subject.digest.hex[:64]}"


def from_api(store: RegistryStore, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...] | None:
    """None if the registry has no such API."""
    query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
    url = f"{store.base}/referrers/{subject.digest}{query}"
    entries: list[Descriptor] = []
    for _ in range(MAX_PAGES):
        response, body = store.registry.client.fetch(Request("GET", url, store.pull_scope, expect=_ANSWERS))
        if response.status != 200 or response.headers.get("content-type", "").partition(";")[0] != OCI_INDEX:
            return None
        entries += Index.parse(body).manifests
        url, last = store.registry.next_page(url, response), url
        if url in ("", last):
            return tuple(entries)
        if len(entries) > MAX_REFERRERS:
            break
    raise DocumentError("index", "", f"more than {MAX_REFERRERS} referrers, or {MAX_PAGES} pages of them")


def _tagged(store: RegistryStore, tag: str) -> Index | Manifest | None:
    try:
        return store.document(store.resolve_here(tag))
    except NotFound:
        return None
