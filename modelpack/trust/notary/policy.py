"""Trust policy documents, as notation reads them (trust-store-trust-policy.md, "Trust Policy"): ``trustpolicy.oci.json``.

Stricter than notation in one point: members that are not known are refused, since they may be misspelt.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from modelpack.errors import InputError, UntrustedIdentity
from modelpack.oci import loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.x509 import MANDATORY, Subject

MAX_POLICY = 1 << 20
"""Bytes of a policy document."""

_DOCUMENT = "trust policy"
_MAX_STATEMENTS, _MAX_ENTRIES = 1000, 200
_SUBJECT = "x509.subject:"
_SCOPE = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+", re.ASCII)
_STORE = re.compile(r"(ca|signingAuthority|tsa):([A-Za-z0-9_.-]+)", re.ASCII)


class Check(StrEnum):
    """What is verified about a signature."""

    INTEGRITY = "integrity"
    AUTHENTICITY = "authenticity"
    TIMESTAMP = "authenticTimestamp"
    EXPIRY = "expiry"
    REVOCATION = "revocation"


class Action(StrEnum):
    """What happens when a check fails."""

    ENFORCE = "enforce"
    LOG = "log"
    SKIP = "skip"


def _level(*logged: Check) -> dict[Check, Action]:
    return {check: Action.LOG if check in logged else Action.ENFORCE for check in Check}


LEVELS = {
    "strict": _level(),
    "permissive": _level(Check.TIMESTAMP, Check.EXPIRY, Check.REVOCATION),
    "audit": _level(Check.AUTHENTICITY, Check.TIMESTAMP, Check.EXPIRY, Check.REVOCATION),
    "skip": dict.fromkeys(Check, Action.SKIP),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What holds for some repositories. ``scopes`` is ``("*",)`` for all. ``stores`` are pairs of type and name.

    ``subjects`` is None if everybody below a root of the stores is trusted (``*``). ``late_timestamps``: a time stamp is
    only looked at when a certificate has expired.
    """

    name: str
    scopes: tuple[str, ...]
    level: str
    actions: dict[Check, Action] = field(hash=False)
    stores: tuple[tuple[str, str], ...] = ()
    subjects: tuple[Subject, ...] | None = ()
    late_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A policy document: statements, of which exactly one applies to a repository, or none."""

    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a document. Raises DocumentError."""
        fields = Fields(loads_object(data, _DOCUMENT, limit=MAX_POLICY), _DOCUMENT)
        _allow(fields, "version", "trustPolicies")
        if fields.text("version") != "1.0":
            fields.fail("version", "1.0 is required")
        statements = tuple(map(_statement, fields.objects("trustPolicies", limit=_MAX_STATEMENTS)))
        if not statements:
            fields.fail("trustPolicies", "at least one is required")
        for what, names in (
            ("name", [statement.name for statement in statements]),
            ("scope", [scope for statement in statements for scope in statement.scopes]),
        ):
            name, count = Counter(names).most_common(1)[0]
            if count > 1:
                fields.fail("trustPolicies", f"the {what} {name[:80]!a} stands twice")
        return cls(statements)

    def applying_to(self, repository: str) -> Statement:
        """The statement for ``registry/repository``: the one that names it, or the one for all. Raises UntrustedIdentity."""
        for scope in (repository, "*"):
            for statement in self.statements:
                if scope in statement.scopes:
                    return statement
        raise UntrustedIdentity(
            f"no trust policy applies to {repository or 'what is not in a registry'}",
            hint="name the repository in registryScopes, or give a policy for '*'",
        )


def _statement(fields: Fields) -> Statement:
    _allow(fields, "name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities")
    if not fields.text("name"):
        fields.fail("name", "may not be empty")
    scopes = _scopes(fields)
    verification = fields.object("signatureVerification")
    _allow(verification, "level", "override", "verifyTimestamp")
    level = verification.text("level")
    if level not in LEVELS:
        verification.fail("level", f"one of {', '.join(LEVELS)} is required")
    late = verification.text("verifyTimestamp", "") or "always"
    if late not in ("always", "afterCertExpiry"):
        verification.fail("verifyTimestamp", "always or afterCertExpiry is required")
    if level == "skip":
        _check_skip(fields, verification, scopes)
    return Statement(
        name=fields.text("name"),
        scopes=scopes,
        level=level,
        actions=_actions(verification, level),
        stores=() if level == "skip" else _stores(fields),
        subjects=() if level == "skip" else _subjects(fields),
        late_timestamps=late == "afterCertExpiry",
    )


def _check_skip(fields: Fields, verification: Fields, scopes: tuple[str, ...]) -> None:
    if "*" in scopes:
        fields.fail("registryScopes", "verification cannot be skipped for everything")
    if fields.texts("trustStores") or fields.texts("trustedIdentities"):
        fields.fail(
            "trustStores", "a policy that skips verification trusts nobody; remove trustStores and trustedIdentities"
        )
    if verification.object("override").value:
        verification.fail("override", "nothing is left to override when verification is skipped")


def _scopes(fields: Fields) -> tuple[str, ...]:
    scopes = _entries(fields, "registryScopes")
    if "*" in scopes and len(scopes) > 1:
        fields.fail("registryScopes", "'*' stands alone")
    for scope in scopes:
        if scope != "*" and not _SCOPE.fullmatch(scope):
            fields.fail(
                "registryScopes", f"{scope[:80]!a} is not registry/repository; there are no other wildcards than '*'"
            )
    return scopes


def _actions(verification: Fields, level: str) -> dict[Check, Action]:
    actions = dict(LEVELS[level])
    for name, value in verification.mapping("override").items():
        if name not in set(Check) or name == Check.INTEGRITY:
            verification.fail("override", f"{name[:80]!a} cannot be overridden")
        if value not in set(Action) or (value == Action.SKIP and name != Check.REVOCATION):
            verification.fail("override", f"{name} cannot be {value[:80]!a}")
        actions[Check(name)] = Action(value)
    return actions


def _stores(fields: Fields) -> tuple[tuple[str, str], ...]:
    stores = []
    for entry in _entries(fields, "trustStores"):
        match = _STORE.fullmatch(entry)
        if not match or set(match[2]) == {"."}:
            fields.fail("trustStores", f"{entry[:80]!a} is not ca:NAME, signingAuthority:NAME or tsa:NAME")
        stores.append((match[1], match[2]))
    return tuple(stores)


def _subjects(fields: Fields) -> tuple[Subject, ...] | None:
    entries = _entries(fields, "trustedIdentities")
    if "*" in entries:
        if len(entries) > 1:
            fields.fail("trustedIdentities", "'*' stands alone")
        return None
    subjects: list[Subject] = []
    for entry in entries:
        if not entry.startswith(_SUBJECT):
            fields.fail("trustedIdentities", f"{entry[:80]!a} does not begin with {_SUBJECT}")
        try:
            subject = Subject.parse(entry.removeprefix(_SUBJECT), mandatory=MANDATORY)
        except InputError as error:
            fields.fail("trustedIdentities", str(error))
        if any(subject.overlaps(other) for other in subjects):
            fields.fail("trustedIdentities", f"{str(subject)[:200]!a} overlaps with another identity")
        subjects.append(subject)
    return tuple(subjects)


def _entries(fields: Fields, key: str) -> tuple[str, ...]:
    entries = fields.texts(key)
    if not 1 <= len(entries) <= _MAX_ENTRIES:
        fields.fail(key, f"{len(entries)} entries; 1 to {_MAX_ENTRIES} are allowed")
    return entries


def _allow(fields: Fields, *names: str) -> None:
    for name in fields.value:
        if name not in names:
            fields.fail(name, "not known here")
