"""Stage: a verified model becomes a snapshot of the cache, or is found there; then a name leads to it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from modelpack.errors import CannotVerify, InputError, NoSpace, NotFound, Unavailable
from modelpack.oci import Digest, Manifest, ModelConfig
from modelpack.stage.cache import (
    CURRENT,
    Cache,
    check_name,
    key_of,
    locked,
    locks_work,
    point,
    previous,
    release,
    renew,
    set_pin,
    target,
)
from modelpack.stage.checkup import used_bytes
from modelpack.stage.fingerprint import fingerprint
from modelpack.stage.offline import keep_evidence
from modelpack.stage.preflight import Facts, admit, check_clock
from modelpack.stage.snapshots import (
    FILES,
    Arrangement,
    Build,
    Depth,
    FileRecord,
    Known,
    Opened,
    Receipt,
    damage,
    publish,
)
from modelpack.store import Event, Observer, ignore
from modelpack.trust import Verified
from modelpack.unpack import EVERYTHING, Selection, contents
from modelpack.unpack.plan import diff_ids

Phase: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Is entered for as long as a part of the work takes, by its name: for traces."""


def untraced(_: str) -> AbstractContextManager[None]:
    """A phase that nobody asks for."""
    return nullcontext()


_ATTEMPTS = 5
_BRIEFLY = 600
"""Seconds that a run's own lease lasts: from the check of a snapshot until a name leads to it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: ``name`` is to lead to it (None: no name is); ``depth`` says what a hit reads; a ``lease`` (its owner)
    lasts ``ttl`` seconds; ``pin`` keeps it for good; ``offline`` fetches nothing. The blobs may grow to ``max_bytes``.
    """

    name: str | None = CURRENT
    selection: Selection = EVERYTHING
    arrangement: Arrangement = FILES
    depth: Depth = Depth.RECEIPT
    lease: str = ""
    ttl: int = 3600
    pin: bool = False
    offline: bool = False
    max_bytes: int | None = None

    @property
    def variant(self) -> str:
        """What is not as by default; empty if all is."""
        chosen = self.selection
        parts = (sorted(chosen.include), sorted(chosen.exclude), sorted(map(str, chosen.kinds)))
        return "" if chosen == EVERYTHING and not self.arrangement.variant else f"{parts} {self.arrangement.variant}"


@dataclass(frozen=True, slots=True)
class Staged:
    """What is there now: ``path`` is the name, a link to ``snapshot`` (or the snapshot itself, without a name). ``hit``: it was
    there, and nothing was fetched; else ``reason`` says why not, and ``fetched`` bytes came. ``size`` is that of all files,
    ``swapped`` whether the name moved.
    """

    path: Path
    snapshot: Path
    digest: Digest
    hit: bool
    size: int
    files: int
    fetched: int
    signers: tuple[str, ...]
    swapped: bool
    reason: str = ""


def stage(
    cache: Cache,
    verified: Verified,
    manifest: Manifest,
    config: ModelConfig | None,
    request: Request,
    *,
    tool: str = "modelpack",
    jobs: int = 8,
    observe: Observer = ignore,
    facts: Callable[[Path], Facts] = Facts.of,
    clock: Callable[[], float] = time.time,
    locks: bool | None = None,
    phase: Phase = untraced,
) -> Staged:
    """Find or make the snapshot of a verified model, and let a name lead to it.

    A hit that changes nothing writes nothing, so that it works on a read-only volume. ``config`` gives digests of what archives
    expand to. ``locks`` False does without locks (None: find out).

    Raises InputError, NoSpace, ContentError, UnsafePath, DocumentError, NotFound (offline and not there), and the store's errors.
    """
    check_clock(clock())
    if request.name is not None:
        check_name(request.name)
    run = _Run(cache, verified, manifest, config, request, tool, jobs, observe, facts, clock, _owner(), phase)
    return run.run(locks=locks)


@dataclass(frozen=True, slots=True)
class _Run:
    cache: Cache
    verified: Verified
    manifest: Manifest
    config: ModelConfig | None
    request: Request
    tool: str
    jobs: int
    observe: Observer
    facts: Callable[[Path], Facts]
    clock: Callable[[], float]
    owner: str
    phase: Phase

    @property
    def key(self) -> str:
        return key_of(self.manifest.descriptor.digest, self.request.variant)

    def run(self, *, locks: bool | None) -> Staged:
        self.cache.check()
        writes = self.request.lease or self.request.pin
        named = self.request.name is None or target(self.cache, self.request.name) == self.key
        reason = "" if not writes and named else "not looked at"
        if not reason and not (reason := self._damage()):
            return self._result(swapped=False)
        admit(self.facts(self.cache.root), 0, 0)
        self.cache.prepare()
        with self._leased():
            if not (reason := self._damage()):
                return self._use()
            if self.request.offline:
                raise NotFound(f"{self.verified.reference} is not staged here: {reason}", hint="leave --offline out")
            shared = locks_work(self.cache) if locks is None else locks
            with locked(self.cache, self.key, self.observe) if shared else nullcontext():
                # Who had the lock before has perhaps done it.
                self._protect()
                if not self._damage():
                    return self._use()
                return self._make(reason, shared=shared)

    def _make(self, reason: str, *, shared: bool) -> Staged:
        for _ in range(_ATTEMPTS):
            with self.phase("fetch"):
                fetched = self._build(shared=shared)
            self._protect()
            if not self._damage():
                with self.phase("publish"):
                    return self._use(fetched=fetched, reason=reason)
        raise Unavailable(f"{self.cache.snapshot(self.key)} is changed by others again and again", hint="run again")

    def _build(self, *, shared: bool) -> int:
        keep_evidence(self.cache, self.verified, self.manifest)
        build = Build(
            self.cache,
            self.key,
            self.verified.store,
            self.manifest,
            self.request.selection,
            self.request.arrangement,
            self._known(),
            self._admit,
            self.observe,
            self.jobs,
            shared,
            diff_ids(self.manifest, self.config),
            self._opened(),
        )
        try:
            files = build.run()
        except BaseException:
            if not shared:  # nobody could go on with it
                build.discard()
            raise
        if publish(self.cache, build.tree, self.key):
            self._receipt(files, build.archives).save(self.cache, self.key)
        build.discard()
        return build.fetched

    def _admit(self, size: int, files: int) -> None:
        most = self.request.max_bytes
        if size and most is not None and (there := used_bytes(self.cache)) + size > most:
            raise NoSpace(
                f"{size} bytes are still to be fetched, and the cache has {there} of the {most} allowed",
                hint="modelpack stage gc frees what is not used; or allow more",
            )
        admit(self.facts(self.cache.root), size, files)

    def _receipt(self, files: tuple[FileRecord, ...], archives: tuple[Digest, ...]) -> Receipt:
        return Receipt(
            digest=self.manifest.descriptor.digest,
            reference=self.verified.reference,
            signers=self._signers(),
            policy=self._policy(),
            variant=self.request.variant,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock())),
            tool=self.tool,
            files=files,
            archives=archives,
        )

    def _known(self) -> Known:
        """The state of blobs by what other snapshots' receipts say; of a damaged snapshot's blobs nothing is known."""
        if self.request.depth is not Depth.RECEIPT:
            return {}
        return {file.digest: file for _, receipt in self._others() for file in receipt.files}

    def _opened(self) -> Opened:
        """What archives hold, by what the receipts of other snapshots say."""
        found: dict[Digest, tuple[tuple[FileRecord, bool], ...]] = {}
        for key, receipt in self._others():
            found |= receipt.opened(self.cache.snapshot(key))
        return found

    def _others(self) -> Iterator[tuple[str, Receipt]]:
        for key in self.cache.keys():  # noqa: SIM118  # a method
            if key != self.key and (receipt := Receipt.load(self.cache, key)):
                yield key, receipt

    def _damage(self) -> str:
        receipt = Receipt.load(self.cache, self.key)
        if receipt is None:
            return "it has no valid receipt" if self.cache.snapshot(self.key).exists() else "it was never staged here"
        digest = self.manifest.descriptor.digest
        if (receipt.digest, receipt.variant) != (digest, self.request.variant):
            return "its receipt is for something else"
        return damage(self.cache, self.key, receipt, self._promised(), self.request.depth, jobs=self.jobs)

    def _promised(self) -> dict[str, Digest]:
        """Digests by path in the snapshot, of what the manifest says itself: raw layers."""
        chosen, digest = self.request.selection, self.manifest.descriptor.digest
        return {
            self.request.arrangement.path(digest, entry.path): entry.descriptor.digest
            for entry in contents(self.manifest)
            if entry.is_file and chosen.wants_kind(entry.kind) and chosen.wants(entry.path)
        }

    @contextmanager
    def _leased(self) -> Iterator[None]:
        """A lease of this run's own: what is found sound stays until a name leads to it."""
        self._protect()
        try:
            yield
        finally:
            with suppress(InputError):
                release(self.cache, self.owner)

    def _protect(self) -> None:
        """Again after whatever may have taken hours, and before the snapshot is looked at."""
        renew(self.cache, self.owner, self.key, ttl=_BRIEFLY)

    def _use(self, *, fetched: int = 0, reason: str = "") -> Staged:
        if self.request.lease:
            renew(self.cache, self.request.lease, self.key, ttl=self.request.ttl)
        if self.request.pin:
            set_pin(self.cache, self.key, keep=True)
        swapped = self.request.name is not None and point(self.cache, self.request.name, self.key)
        if not self.cache.snapshot(self.key).is_dir():
            raise Unavailable(f"{self.key} was cleared away at this moment", hint="run again")
        return self._result(swapped=swapped, fetched=fetched, reason=reason)

    def _result(self, *, swapped: bool, fetched: int = 0, reason: str = "") -> Staged:
        receipt = Receipt.load(self.cache, self.key)
        files, size = (len(receipt.files), receipt.size) if receipt else (0, 0)
        self.observe(Event("exists", self.key[:12], 0))
        return Staged(
            path=self.cache.root / self.request.name
            if self.request.name is not None
            else self.cache.snapshot(self.key),
            snapshot=self.cache.snapshot(self.key),
            digest=self.manifest.descriptor.digest,
            hit=not reason,
            size=size,
            files=files,
            fetched=fetched,
            signers=self._signers(),
            swapped=swapped,
            reason=reason,
        )

    def _policy(self) -> str:
        """For people and audits; no decision depends on it, because signatures are verified at every call."""
        with suppress(CannotVerify):
            return fingerprint(self.verified.policy)
        return ""

    def _signers(self) -> tuple[str, ...]:
        return signers(self.verified)


def signers(verified: Verified) -> tuple[str, ...]:
    """Who vouches for it, by the names of their keys and accounts."""
    vouchers = (voucher for one in verified.evidence.signatures for voucher in one.vouchers)
    return tuple(dict.fromkeys(voucher.signer for voucher in vouchers))


def rollback(cache: Cache, name: str = CURRENT) -> str:
    """Let a name lead to what it led to before; a second call goes forward again. The key that it leads to now.

    Raises NotFound (nothing before), InputError, NoSpace.
    """
    cache.check()
    key = previous(cache, name)
    if not key or not target(cache, name):
        raise NotFound(f"{name} has nothing to go back to in {cache.root}")
    owner = _owner()
    renew(cache, owner, key, ttl=_BRIEFLY)
    try:
        if not cache.snapshot(key).is_dir() or Receipt.load(cache, key) is None:
            raise NotFound(f"{key} is not in {cache.root} any more", hint="modelpack stage REFERENCE gets it again")
        point(cache, name, key)
    finally:
        release(cache, owner)
    return key


def _owner() -> str:
    return f"run-{secrets.token_hex(8)}"
