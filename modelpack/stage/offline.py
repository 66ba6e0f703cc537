"""What was verified is kept, so that it can be verified again without a registry: manifests and signatures, no weights.

Offline, the signatures are verified like online, under whatever policy is asked for then. What was attached or withdrawn
after staging is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from modelpack.errors import ContentError, DocumentError, NotFound
from modelpack.oci import Descriptor, Index, Manifest
from modelpack.stage.cache import Cache
from modelpack.store import LayoutStore, attachments, copy
from modelpack.trust import Status, Verified

_ROOT = re.compile(r"[0-9a-f]{64}(?:[0-9a-f]{64})?")
"""Names of what was verified: the digest in hex. Other names are cosign's tags."""


def keep_evidence(cache: Cache, verified: Verified, manifest: Manifest) -> None:
    """Copy the documents and the carriers of verified signatures into the cache. Raises the errors of both stores."""
    store = verified.store
    layout = LayoutStore(cache.evidence, create=True)
    for descriptor in dict.fromkeys((verified.descriptor, manifest.descriptor)):
        if not layout.exists(descriptor):
            layout.push(descriptor, store.source(descriptor))
        layout.tag(verified.descriptor, verified.descriptor.digest.hex)  # what has a name is not cleared away
    if not layout.exists(manifest.config):
        layout.push(manifest.config, store.source(manifest.config))
    good = {one.carrier.digest for one in verified.evidence.signatures if one.status is Status.VERIFIED}
    for attached in attachments(store, verified.descriptor) if good else ():
        if attached.descriptor.digest in good:
            names = (attached.tag,) if attached.tag else ()
            copy(store, attached.descriptor, layout, names=names)


def clear_evidence(
    cache: Cache, here: AbstractSet[str], coming: AbstractSet[str], *, grace: float, dry_run: bool
) -> tuple[Descriptor, ...]:
    """Remove what was verified of models of which no snapshot is left, with its signatures; what went, or would go.

    ``here`` are the digests, in hex, of the manifests of all snapshots, ``coming`` those of which there may be one soon. Nothing
    goes if the evidence of a snapshot has no name, or if something is damaged: it cannot be said then what belongs to whom.
    """
    try:
        layout = LayoutStore(cache.evidence, create=False)
        roots = {name: layout.resolve(name) for name in layout.tags() if _ROOT.fullmatch(name)}
        covers = {name: _covered(layout, descriptor) for name, descriptor in roots.items()}
        if not here <= set().union(*covers.values()):
            return ()
        gone = {name: roots[name] for name, covered in covers.items() if not covered & (here | coming)}
        if not dry_run:
            for name in gone:
                layout.untag(name)
            layout.prune(grace=max(grace, 0.0), untagged=True)
    except (ContentError, DocumentError, NotFound):
        return ()
    return tuple(gone.values())


def _covered(layout: LayoutStore, root: Descriptor) -> set[str]:
    """A manifest, or an index and what it lists: digests in hex."""
    document = layout.document(root)
    members = document.manifests if isinstance(document, Index) else ()
    return {one.digest.hex for one in (root, *members)}
