"""One manifest: kept as it is known, judged again, or collected. This runs in workers, which never see the state file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelpack.audit.collecting import Collecting, Watched, collect, is_there, judge_again, lists_referrers
from modelpack.audit.facts import Artifact, Sort
from modelpack.audit.running.survey import Apis
from modelpack.audit.state import Record
from modelpack.errors import ContentError, DocumentError, NotFound
from modelpack.oci import Descriptor, Digest, is_attachment_name
from modelpack.store import RegistryStore, Store

_AGAIN = "again"
"""In the place of a fingerprint: no other is equal, so that the next audit collects again."""


@dataclass(frozen=True, slots=True)
class Item:
    """A manifest to look at.

    ``tags`` lead to it; ``listing`` are all tags of its place, if they are known, ``attached`` those by the manifest to which
    they are attached, ``direct`` the manifests to which they lead. ``record`` is what is known of it, with the ``members`` if it
    is an index; ``stale`` are the known facts if they must be judged again. ``reached``: a tag, or a layout's list, leads to it
    now. ``partial``: its place was not listed, so that nobody knows whether something else is attached now. ``anchor``: what it
    is attached to, if anything, is among ``direct``. ``finished``: this run has examined it before it was cut off.
    """

    place: str
    store: Store
    descriptor: Descriptor
    tags: tuple[str, ...] = ()
    listing: Mapping[str, Descriptor] | None = None
    attached: Mapping[Digest, Mapping[str, Digest]] | None = None
    direct: frozenset[Digest] = frozenset()
    record: Record | None = None
    members: tuple[Digest, ...] = ()
    stale: tuple[Artifact, ...] = ()
    reached: bool = True
    finished: bool = False
    partial: bool = False
    anchor: bool = True


@dataclass(frozen=True, slots=True)
class Examined:
    """The outcome: ``gone``, an ``error``, or ``artifacts`` to remember: the manifest itself, then the members of the index that
    it is. Without any of these it is as it was.
    """

    item: Item
    artifacts: tuple[Artifact, ...] = ()
    fingerprint: str = ""
    fresh: bool = False
    gone: bool = False
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Examiner:
    """How all items of an audit are examined. ``tool`` and ``trust`` are fingerprints: what another version collected is
    collected again, what was judged under other trust is judged again.
    """

    how: Collecting
    apis: Apis
    tool: str
    trust: str

    def __call__(self, item: Item) -> Examined:
        """Look at one."""
        try:
            return self._examine(item)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is about this manifest, and not the end of the audit
            return Examined(item, error=error)

    def _examine(self, item: Item) -> Examined:
        if item.finished:
            return Examined(item)
        if not item.reached and not is_there(item.store, item.descriptor.digest):
            return Examined(item, gone=True)
        api = self._api(item)
        members = tuple(one for one in item.members if one not in item.direct)
        referrers = self._referrers(item, (item.descriptor.digest, *members), api=api)
        fingerprint = self._fingerprint(item, members, referrers)
        same = (
            item.record is not None
            and not item.partial
            and item.record.fingerprint.partition(" ")[0] == fingerprint.partition(" ")[0]
        )
        store = Watched(item.store, tags=item.listing, referrers=referrers, api=api)
        if same and not item.stale:
            return Examined(item, fingerprint=fingerprint)
        if same and (found := self._judged(store, item)):
            return Examined(item, found, fingerprint)
        return self._collected(store, item, referrers, api=api)

    def _api(self, item: Item) -> bool:
        """Whether the registry lists referrers; layouts do."""
        if not isinstance(item.store, RegistryStore):
            return True
        store = item.store
        return self.apis.has(store.registry.host, lambda: lists_referrers(store, item.descriptor) is not None)

    def _referrers(self, item: Item, digests: tuple[Digest, ...], *, api: bool) -> dict[Digest, tuple[Descriptor, ...]]:
        """What the API lists for a manifest and its members; nothing for what is itself an attachment by its tags."""
        if not api or (item.tags and all(map(is_attachment_name, item.tags))):
            return {}
        found = {}
        for digest in digests:
            listed = lists_referrers(item.store, replace(item.descriptor, digest=digest))
            if listed is not None:
                found[digest] = listed
        return found

    def _fingerprint(
        self, item: Item, members: tuple[Digest, ...], referrers: Mapping[Digest, tuple[Descriptor, ...]]
    ) -> str:
        """What the facts were made from, besides the digest itself; then, after a blank, who is trusted."""
        state = [self.tool, str(item.listing is not None), str(item.anchor)]
        for digest in (item.descriptor.digest, *sorted(members)):
            tags = (item.attached or {}).get(digest, {})
            state += [str(digest), *(f"{tag}={found}" for tag, found in sorted(tags.items()))]
            state += sorted(str(one.digest) for one in referrers.get(digest, ()))
        return f"{hashlib.sha256(chr(10).join(state).encode()).hexdigest()} {self.trust}"

    def _judged(self, store: Watched, item: Item) -> tuple[Artifact, ...]:
        """The known facts with today's verdicts; nothing if something has changed after all."""
        found = []
        for artifact in item.stale:
            assert artifact.subject.digest is not None  # noqa: S101  # artifacts have one
            if artifact.sort in (Sort.ATTACHMENT, Sort.BROKEN) or artifact.unchecked:
                return ()
            descriptor = Descriptor(artifact.media_type, artifact.subject.digest, artifact.size)
            try:
                found.append(judge_again(store, artifact, descriptor, self.how))
            except (NotFound, ContentError, DocumentError):
                return ()
        return tuple(found)

    def _collected(
        self, store: Watched, item: Item, referrers: dict[Digest, tuple[Descriptor, ...]], *, api: bool
    ) -> Examined:
        first = collect(store, item.descriptor, item.place, self.how, tags=item.tags)
        made = [first]
        for digest in first.members:
            if digest not in item.direct:
                made += self._member(store, item, digest)
        members = tuple(one.subject.digest for one in made[1:] if one.subject.digest is not None)
        if any(unknown.passing for one in made for unknown in one.unchecked):
            return Examined(item, tuple(made), f"{_AGAIN} {self.trust}", fresh=True)
        if members:
            referrers = self._referrers(item, (item.descriptor.digest, *members), api=api)
        return Examined(item, tuple(made), self._fingerprint(item, members, referrers), fresh=True)

    def _member(self, store: Watched, item: Item, digest: Digest) -> list[Artifact]:
        """A manifest that only an index leads to; one that is not there is told by the index."""
        try:
            descriptor = store.resolve(str(digest))
        except NotFound:
            return []
        found = collect(store, descriptor, item.place, self.how)
        return [replace(found, listed_by=(item.descriptor.digest,))]
