"""Who vouches for a manifest: every signature with its verdict, flattened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from modelpack.audit.facts import SignatureFact, Unchecked
from modelpack.errors import DocumentError, PolicyViolation, StoreError, UnsafePath, UnsupportedFormat
from modelpack.oci import Index, Manifest, Reference
from modelpack.store import Store
from modelpack.trust import Circumstances, Evidence, Policy, PolicyFile, Signature, Target, gather
from modelpack.unpack import contents

RULES = tuple(f"MP{number:03}" for number in range(10, 18))
"""Rules about signatures."""

ATTACHED = (*RULES, *(f"MP{number:03}" for number in (*range(20, 25), *range(30, 37), 42, 110)))
"""Rules that need to know what is attached."""

_SHOWN = 500
_MOST = 300


def evidence(
    store: Store, document: Manifest | Index, place: str, trust: Policy | PolicyFile | None, now: datetime, jobs: int
) -> Evidence:
    """All signatures of a manifest, judged as the trust policy says; without one nobody is trusted.

    Raises AccessDenied, Unavailable, RegistryError: what could not be asked for is not absent.
    """
    policy = _policy(trust, place)
    identities = policy.identities if policy else ()
    where = "" if place.startswith("oci:") else place
    return gather(store, _target(document), identities, Circumstances(now, where), jobs=jobs)


def _policy(trust: Policy | PolicyFile | None, place: str) -> Policy | None:
    """The one for this place; a policy file that does not speak of it trusts nobody there."""
    if not isinstance(trust, PolicyFile):
        return trust
    try:
        return trust.for_reference(_reference(place))
    except PolicyViolation:
        return None


def _reference(place: str) -> Reference:
    return Reference(layout=place.removeprefix("oci:")) if place.startswith("oci:") else Reference.parse(place)


def _target(document: Manifest | Index) -> Target:
    """With the digests of all files, if the manifest says them: raw layers are files."""
    try:
        found = contents(document) if isinstance(document, Manifest) else ()
    except (UnsupportedFormat, DocumentError, UnsafePath):
        found = ()
    if not found or not all(entry.is_file for entry in found):
        return Target(document.descriptor)
    return Target(document.descriptor, {entry.path: entry.descriptor.digest for entry in found})


def flattened(found: Iterable[Signature]) -> tuple[SignatureFact, ...]:
    """As facts, bounded."""
    return tuple(_flat(one) for one in found)[:_MOST]


def _flat(one: Signature) -> SignatureFact:
    times = [voucher.time for voucher in one.vouchers if voucher.time]
    return SignatureFact(
        manifest=one.carrier.digest,
        kind=str(one.kind),
        format=one.format,
        status=str(one.status),
        cause=one.cause,
        reason=one.reason[:_SHOWN],
        signers=tuple(voucher.signer[:_SHOWN] for voucher in one.vouchers),
        predicate_type=one.predicate_type[:_SHOWN],
        time=min(times) if times else None,
        legacy=one.format == "tag",
    )


def unread(error: Exception) -> Unchecked:
    """For the facts: what is attached could not be asked for."""
    return Unchecked("what is attached", str(error)[:_SHOWN], ATTACHED, passing=isinstance(error, StoreError))
