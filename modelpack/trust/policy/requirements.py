"""What can be asked for before a model is trusted, as values that combine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from modelpack.errors import InputError
from modelpack.oci import JSON, JSONObject
from modelpack.trust.evidence import Evidence, Kind, Signature
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keys import PublicKey
from modelpack.trust.seal import Identity, Voucher


class Policy(Protocol):
    """What is asked for. Combine with :class:`AllOf` and :class:`AnyOf`."""

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Everybody whom it may trust."""
        ...

    def findings(self, evidence: Evidence) -> tuple[str, ...]:
        """What is missing, in sentences; nothing: it is satisfied."""
        ...


def _identity(trusted: Identity | PublicKey) -> Identity:
    return KeyIdentity(trusted) if isinstance(trusted, PublicKey) else trusted


@dataclass(frozen=True, slots=True, init=False)
class SignedBy:
    """At least ``threshold`` of some identities, counted by key, have signed the manifest.

    What was signed before ``after`` does not count; nor does then what has no time that a trusted clock vouches for.
    ``model_signatures`` lets an OpenSSF Model Signing signature count too: it covers all files, but not the configuration.

    Raises InputError for a threshold that cannot be reached, or nobody at all.
    """

    identities: tuple[Identity, ...]
    threshold: int
    after: datetime | None
    model_signatures: bool

    def __init__(
        self,
        *by: Identity | PublicKey,
        threshold: int = 1,
        after: datetime | None = None,
        model_signatures: bool = False,
    ) -> None:
        identities = tuple(map(_identity, by))
        _check(identities, threshold, after)
        object.__setattr__(self, "identities", identities)
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "model_signatures", model_signatures)

    def findings(self, evidence: Evidence) -> tuple[str, ...]:
        """What is missing."""
        kinds = (Kind.SIGNATURE, Kind.MODEL) if self.model_signatures else (Kind.SIGNATURE,)
        found = [one for kind in kinds for one in evidence.verified(kind)]
        missing = _missing(self.identities, self.threshold, self.after, found)
        return (f"a signature by {missing} is required",) if missing else ()


@dataclass(frozen=True, slots=True, init=False)
class Attested:
    """At least ``threshold`` of some identities state something of one kind about the manifest.

    ``where`` are values that the predicate must have, by path (``runDetails.builder.id``); a tuple allows any of several.

    Raises InputError as :class:`SignedBy`, and for a type or a path that is empty.
    """

    predicate_type: str
    identities: tuple[Identity, ...]
    threshold: int
    after: datetime | None
    where: Mapping[str, tuple[JSON, ...]] = field(hash=False)

    def __init__(
        self,
        predicate_type: str,
        *by: Identity | PublicKey,
        threshold: int = 1,
        after: datetime | None = None,
        where: Mapping[str, JSON | tuple[JSON, ...]] | None = None,
    ) -> None:
        identities = tuple(map(_identity, by))
        _check(identities, threshold, after)
        wanted = {path: value if isinstance(value, tuple) else (value,) for path, value in (where or {}).items()}
        if not predicate_type or not all(wanted) or not all(wanted.values()):
            raise InputError("an attestation needs a type, and each condition a path and a value")
        object.__setattr__(self, "predicate_type", predicate_type)
        object.__setattr__(self, "identities", identities)
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "where", wanted)

    def findings(self, evidence: Evidence) -> tuple[str, ...]:
        """What is missing."""
        of_type = [one for one in evidence.verified(Kind.ATTESTATION) if one.predicate_type == self.predicate_type]
        good = [one for one in of_type if not self._unlike(one)]
        missing = _missing(self.identities, self.threshold, self.after, good)
        if not missing:
            return ()
        unlike = next((path for one in of_type if (path := self._unlike(one))), "")
        but = f" whose {unlike} is {_either(self.where[unlike])}" if unlike else ""
        return (f"an attestation of the type {self.predicate_type} by {missing}{but} is required",)

    def _unlike(self, attestation: Signature) -> str:
        """The first path at which a predicate differs from what is wanted."""
        predicate = attestation.statement.predicate if attestation.statement else {}
        return next((path for path, wanted in self.where.items() if not _has(predicate, path, wanted)), "")


@dataclass(frozen=True, slots=True, init=False)
class _Several:
    """Policies that are asked together."""

    policies: tuple[Policy, ...]

    def __init__(self, *policies: Policy) -> None:
        _check_some(policies)
        object.__setattr__(self, "policies", policies)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Everybody whom one of them may trust."""
        return tuple(identity for policy in self.policies for identity in policy.identities)


class AllOf(_Several):
    """All of several policies. Raises InputError if there are none: that would accept anything."""

    __slots__ = ()

    def findings(self, evidence: Evidence) -> tuple[str, ...]:
        """What is missing."""
        return tuple(finding for policy in self.policies for finding in policy.findings(evidence))


class AnyOf(_Several):
    """At least one of several policies. Raises InputError if there are none."""

    __slots__ = ()

    def findings(self, evidence: Evidence) -> tuple[str, ...]:
        """What is missing."""
        several = [policy.findings(evidence) for policy in self.policies]
        if not all(several):
            return ()
        return ("; or ".join(" and ".join(findings) for findings in several),)


@dataclass(frozen=True, slots=True)
class InsecureAcceptAnything:
    """No policy at all: digests are checked, and nobody vouches for the model."""

    identities: tuple[Identity, ...] = ()

    def findings(self, evidence: Evidence) -> tuple[str, ...]:  # noqa: ARG002  # that is the point
        """Nothing is ever missing."""
        return ()


def _check_some(policies: tuple[Policy, ...]) -> None:
    if not policies:
        raise InputError(
            "a policy of no parts would accept anything", hint="InsecureAcceptAnything() says that plainly"
        )


def _check(identities: tuple[Identity, ...], threshold: int, after: datetime | None) -> None:
    """Refuse what nobody can satisfy, and times that mean another moment elsewhere."""
    names = {identity.name for identity in identities}
    if not names:
        raise InputError("nobody is named who could satisfy this")
    if not 1 <= threshold <= len(names):
        raise InputError(f"{threshold} of {len(names)} identities cannot be required")
    if after is not None and after.tzinfo is None:
        raise InputError("a time without a time zone")


def _missing(identities: tuple[Identity, ...], threshold: int, after: datetime | None, found: list[Signature]) -> str:
    """Who is asked for, if too few of them are among the vouchers; else nothing."""
    names = [identity.name for identity in identities]
    keys = {
        voucher.key
        for one in found
        for voucher in one.vouchers
        if voucher.identity in names and _is_late_enough(voucher, after)
    }
    if len(keys) >= threshold:
        return ""
    when = f" after {after:%Y-%m-%d} by a trusted clock" if after else ""
    if len(names) == 1:
        return names[0] + when
    return f"{threshold} of {', '.join(names)}{when}" if threshold > 1 else f"one of {', '.join(names)}{when}"


def _is_late_enough(voucher: Voucher, after: datetime | None) -> bool:
    return after is None or (voucher.time is not None and voucher.time >= after)


def _has(predicate: JSONObject, path: str, wanted: tuple[JSON, ...]) -> bool:
    value: JSON = predicate
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return any(_same(value, one) for one in wanted)


def _same(value: JSON, other: JSON) -> bool:
    """Equality of JSON: 1 is neither true nor 1.0, though Python says so."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    return type(value) is type(other) and value == other


def _either(wanted: tuple[JSON, ...]) -> str:
    return " or ".join(ascii(value) for value in wanted)
