"""One artifact's view of a store: small things are read once, and what is attached is taken from the list of tags.

A list of tags that is complete says which of cosign's tags there are, so that nobody has to ask for those that are not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from modelpack.errors import NotFound, StoreError, UnsupportedFormat
from modelpack.oci import Descriptor, Digest, Index, is_attachment_name
from modelpack.store import (
    BytesSource,
    HashingSource,
    Ranged,
    Referring,
    RegistryStore,
    Store,
    Stream,
    VerifiedSource,
    attachments,
)
from modelpack.store.registry.referrers import fallback_tag

SMALL = 1 << 20
"""Bytes of what is kept after it was read, so that whoever reads it next need not ask again."""

KEPT = 8 << 20
"""Bytes that are kept in all."""

BLOCK = 64 << 10
"""Bytes of a look into the middle of a blob."""

MAX_LISTED = 1000
"""Entries of a fallback index that are looked at."""


class Watched(Store):
    """Read-only. ``tags`` is the complete list of the place, None if it is not known; ``referrers`` are those of some manifests
    that were asked for before, ``api`` whether the registry lists them (None: not known).

    Implements Ranged and Referring. For one thread at a time, or for several that need not share what is kept.
    """

    def __init__(
        self,
        inner: Store,
        *,
        tags: Mapping[str, Descriptor] | None = None,
        referrers: Mapping[Digest, tuple[Descriptor, ...]] | None = None,
        api: bool | None = None,
    ) -> None:
        self.inner = inner
        self._tags = tags
        self._referrers = referrers or {}
        self._api = api
        self._small: OrderedDict[Digest, bytes] = OrderedDict()
        self._blocks: OrderedDict[tuple[Digest, int], bytes] = OrderedDict()
        self._kept = 0

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the content is there, in full length; what was read and verified just now is."""
        known = self._small.get(descriptor.digest)
        return self.inner.exists(descriptor) if known is None else len(known) == descriptor.size

    def resolve(self, name: str) -> Descriptor:
        """What a name names; the list of tags answers for what is attached."""
        if self._tags is not None and is_attachment_name(name):
            if name not in self._tags:
                raise NotFound(f"there is no tag {name}")
            return self._tags[name]
        return self.inner.resolve(name)

    def count_attached(self, subject: Descriptor) -> int:
        """How many manifests are attached."""
        return len(attachments(self, subject))

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """What is attached by way of a subject."""
        known = self._referrers.get(subject.digest)
        if known is None and self._api is False and self._tags is not None:
            known = self._fallback(subject)
        if known is None:
            known = self.inner.referrers(subject) if isinstance(self.inner, Referring) else ()
        return tuple(entry for entry in known if artifact_type in ("", entry.artifact_type))

    def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        """Unverified bytes from the middle of a blob, in blocks that are kept."""
        length = min(length, descriptor.size - offset)
        if length <= 0:
            return b""
        whole = self._small.get(descriptor.digest)
        if whole is not None:
            return whole[offset : offset + length]
        if length > KEPT // 4:
            return self._range(descriptor, offset, length)
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        # Taken out of what is kept before anything is fetched: that may displace it.
        held = {number: self._blocks.get((descriptor.digest, number)) for number in range(first, last + 1)}
        missing = [number for number, block in held.items() if block is None]
        if missing:
            held |= self._fetch(descriptor, missing[0], missing[-1])
        data = b"".join(block for block in held.values() if block is not None)
        return data[offset - first * BLOCK :][:length]

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Refused: an audit changes nothing."""
        raise StoreError(f"an audit changes nothing: {name} stays for {descriptor.digest}")

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        if descriptor.size > SMALL:
            return self.inner._open(descriptor, offset)  # noqa: SLF001  # the same store from another side
        if descriptor.digest not in self._small:
            self._keep(descriptor.digest, self.inner.read(descriptor, limit=SMALL))
        return BytesSource(self._small[descriptor.digest]).open(offset)

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:  # noqa: ARG002
        raise StoreError(f"an audit changes nothing: {descriptor.digest} is not pushed")

    def _ingest(self, source: HashingSource) -> None:  # noqa: ARG002
        raise StoreError("an audit changes nothing")

    def _fallback(self, subject: Descriptor) -> tuple[Descriptor, ...]:
        """The list that clients keep under a tag where the registry keeps none."""
        tag = fallback_tag(subject)
        if self._tags is None or tag not in self._tags:
            return ()
        document = self.document(self._tags[tag])
        return document.manifests[:MAX_LISTED] if isinstance(document, Index) else ()

    def _fetch(self, descriptor: Descriptor, first: int, last: int) -> dict[int, bytes | None]:
        begin = first * BLOCK
        data = self._range(descriptor, begin, min((last + 1) * BLOCK, descriptor.size) - begin)
        blocks = {number: data[(number - first) * BLOCK :][:BLOCK] for number in range(first, last + 1)}
        self._blocks.update({(descriptor.digest, number): block for number, block in blocks.items()})
        while len(self._blocks) > KEPT // BLOCK:
            self._blocks.popitem(last=False)
        return dict(blocks)

    def _range(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        if isinstance(self.inner, Ranged):
            return self.inner.read_at(descriptor, offset, length)
        raise UnsupportedFormat("the store reads no parts of blobs")

    def _keep(self, digest: Digest, data: bytes) -> None:
        self._small[digest] = data
        self._kept += len(data)
        while self._kept > KEPT and len(self._small) > 1:
            self._kept -= len(self._small.popitem(last=False)[1])


def is_there(store: Store, digest: Digest) -> bool:
    """Whether a manifest is there, without reading it where that can be avoided. Raises the store's errors."""
    try:
        if isinstance(store, RegistryStore):
            store.look_up(str(digest))
        else:
            store.resolve(str(digest))
    except NotFound:
        return False
    return True


def lists_referrers(store: Store, subject: Descriptor) -> tuple[Descriptor, ...] | None:
    """What a registry's API lists, or a local store knows; None where such lists are kept under tags."""
    if isinstance(store, RegistryStore):
        return store.listed_referrers(subject)
    return store.referrers(subject) if isinstance(store, Referring) else ()
