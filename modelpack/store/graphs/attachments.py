"""What is attached to a manifest, by either of the two ways: as a referrer, or under one of cosign's tags.

Referrers: distribution-spec 1.1. Tags ``sha256-<hex>.sig`` and so on: cosign, ``specs/SIGNATURE_SPEC.md``, "Tag-based discovery".
"""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.errors import DocumentError, NotFound
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.store.base import Referring, Store

TAG_KINDS = ("sig", "att", "sbom")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A manifest that says something about another one. ``tag`` is cosign's, or empty for a referrer."""

    descriptor: Descriptor
    tag: str = ""


def attachments(store: Store, subject: Descriptor, *, tags: bool = True) -> tuple[Attachment, ...]:
    """Everything that is attached. Nothing of it is verified, not even that it exists.

    "Not there" is told from "could not be asked": raises AccessDenied, Unavailable, RegistryError, DocumentError.
    """
    listed = store.referrers(subject) if isinstance(store, Referring) else ()
    found = {entry.digest: Attachment(entry) for entry in listed}
    for tag in (tag_of(subject.digest, kind) for kind in TAG_KINDS if tags):
        try:
            entry = store.resolve(tag)
        except NotFound:
            continue
        found[entry.digest] = Attachment(entry, tag)
    return tuple(found.values())


def tag_of(subject: Digest, kind: str) -> str:
    """The tag under which cosign keeps signatures (``sig``), attestations (``att``) or bills of materials (``sbom``)."""
    return f"{subject.algorithm}-{subject.hex}.{kind}"


def merged(known: Manifest | Index | None, ours: Manifest) -> Manifest:
    """A manifest with the layers of both, for a tag under which several writers each add layers.

    Raises DocumentError if an index is in the way.
    """
    if known is None:
        return ours
    if isinstance(known, Index):
        raise DocumentError("index", "", "an index has the tag under which cosign's layers belong")
    missing = tuple(layer for layer in ours.layers if layer not in known.layers)
    if not missing:
        return known
    if all(layer in ours.layers for layer in known.layers):
        return ours
    return Manifest.build(
        artifact_type="", config=known.config, layers=(*known.layers, *missing), annotations=known.annotations
    )
