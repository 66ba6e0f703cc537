"""What was verified is kept, so that it can be verified again without a registry: manifests and signatures, no weights.

Offline, the signatures are verified like online, under whatever policy is asked for then. What was attached or withdrawn
after staging is not seen.
"""

from __future__ import annotations

from modelpack.oci import Manifest
from modelpack.stage.cache import Cache
from modelpack.store import LayoutStore, attachments, copy
from modelpack.trust import Status, Verified


def keep_evidence(cache: Cache, verified: Verified, manifest: Manifest) -> None:
    """Copy the documents and the carriers of verified signatures into the cache. Raises the errors of both stores."""
    store = verified.store
    layout = LayoutStore(cache.evidence, create=True)
    for descriptor in dict.fromkeys((manifest.descriptor, verified.descriptor)):
        if not layout.exists(descriptor):
            layout.push(descriptor, store.source(descriptor))
    if not layout.exists(manifest.config):
        layout.push(manifest.config, store.source(manifest.config))
    good = {one.carrier.digest for one in verified.evidence.signatures if one.status is Status.VERIFIED}
    for attached in attachments(store, verified.descriptor) if good else ():
        if attached.descriptor.digest in good:
            names = (attached.tag,) if attached.tag else ()
            copy(store, attached.descriptor, layout, names=names)
