"""Somebody whom a Notary trust policy trusts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError, UntrustedIdentity, VerificationError
from modelpack.trust.notary.artifact import parse_envelope
from modelpack.trust.notary.envelope import AUTHORITY, Envelope
from modelpack.trust.notary.policy import LEVELS, Action, Check, Statement, TrustPolicy
from modelpack.trust.notary.truststore import Given, Roots
from modelpack.trust.seal import Cause, Circumstances, Form, Seal, Voucher
from modelpack.trust.x509 import (
    NOTARY,
    Certificate,
    Period,
    RevocationList,
    Subject,
    Timestamp,
    check_complete,
    check_revocation,
    check_roots,
    check_rules,
    check_time,
    parse_chain,
    verify_token,
)
from modelpack.trust.x509.revocation import UNCHECKED
from modelpack.trust.x509.timestamps import SKEW

_PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class NotaryIdentity:
    """Whoever the statement for the repository trusts, by the roots in ``store``. ``crls`` are revocation lists.

    As in notation, a policy of the level ``audit`` vouches for signers that nobody trusts, and the voucher's remarks say so.
    """

    name: str
    policy: TrustPolicy
    store: Roots = field(repr=False)
    crls: tuple[RevocationList, ...] = field(default=(), repr=False)

    @classmethod
    def pinned(
        cls,
        name: str,
        roots: Sequence[Certificate],
        subject: str,
        *,
        tsa_roots: Sequence[Certificate] = (),
        crls: Sequence[RevocationList] = (),
    ) -> Self:
        """Whoever has a certificate below ``roots`` with this subject (a part of it), in any repository, strictly.

        Revocation is enforced if ``crls`` are given. Time stamps, by an authority below ``tsa_roots``, are looked at when a
        certificate has expired. Raises InputError.
        """
        if not roots:
            raise InputError(f"{name}: certificates need a root that is trusted")
        if not subject:
            raise InputError(
                f"{name}: a root alone would trust everybody that it ever issued a certificate to",
                hint="give the subject of the signer as well",
            )
        check_roots((*roots, *tsa_roots), name)
        actions = LEVELS["strict"] | ({} if crls else {Check.REVOCATION: Action.SKIP})
        stores = (("ca", _PINNED), *((("tsa", _PINNED),) if tsa_roots else ()))
        statement = Statement(name, ("*",), "strict", actions, stores, (Subject.parse(subject),), late_timestamps=True)
        given = Given({("ca", _PINNED): tuple(roots), ("tsa", _PINNED): tuple(tsa_roots)})
        return cls(name, TrustPolicy((statement,)), given, tuple(crls))

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:
        """Judge a seal. Errors as in :class:`~modelpack.trust.seal.Identity`, and InputError for an unusable trust store."""
        if seal.form is not Form.NOTARY:
            raise UntrustedIdentity("not a Notary signature")
        envelope = parse_envelope(seal.media_type, seal.raw)
        if (envelope.message, envelope.signature, envelope.chain) != (seal.message, seal.signature, seal.certificates):
            raise BadSignature("the seal and the envelope that it was read from are not the same")
        statement = self.policy.applying_to(circumstances.repository)
        if statement.level == "skip":
            raise CannotVerify(f"the trust policy {statement.name!a} skips verification, so nobody vouches for this")
        chain = parse_chain(envelope.chain, "x5c")
        return _Judgement(self, statement, envelope, chain, circumstances.now).voucher()


@dataclass(slots=True)
class _Judgement:
    """One envelope under one statement. ``remarks`` grow with what was not enforced."""

    identity: NotaryIdentity
    statement: Statement
    envelope: Envelope
    chain: tuple[Certificate, ...]
    now: datetime
    remarks: list[str] = field(default_factory=list)
    stamp: Timestamp | None = None
    time: datetime | None = None

    def voucher(self) -> Voucher:
        """All checks, the ones about whose it is first. Raises what the first enforced one raises."""
        signer = self.chain[0]
        self._weigh(Check.AUTHENTICITY, self._authenticity)
        self._weigh(Check.INTEGRITY, self._integrity)
        self._weigh(Check.EXPIRY, self._expiry)
        self._weigh(Check.TIMESTAMP, self._timestamp)
        self._weigh(Check.REVOCATION, self._revocation)
        return Voucher(self.identity.name, str(signer), signer.key.fingerprint, self.time, tuple(self.remarks))

    def _weigh(self, check: Check, judge: Callable[[], None]) -> None:
        action = self.statement.actions[check]
        if action is Action.SKIP:  # only revocation can be
            self.remarks.append(UNCHECKED)
            return
        try:
            judge()
        except (VerificationError, DocumentError) as error:
            if action is Action.ENFORCE:
                raise
            self.remarks.append(f"{check} is not enforced: {error}")

    def _authenticity(self) -> None:
        kind = "signingAuthority" if self.envelope.scheme == AUTHORITY else "ca"
        if not any(certificate in self.chain for certificate in self._roots(kind)):
            raise UntrustedIdentity(f"the certificate of {self.chain[0]} leads to none of the trusted roots ({kind})")
        subjects = self.statement.subjects
        if subjects is not None and not any(subject.matches(self.chain[0].name) for subject in subjects):
            raise UntrustedIdentity(f"signed by {self.chain[0]}, who is not among the trusted identities")

    def _integrity(self) -> None:
        self.envelope.check(self.chain[0])
        check_complete(self.chain)
        check_rules(self.chain, NOTARY)

    def _expiry(self) -> None:
        expiry = self.envelope.expiry
        if expiry is not None and self.now >= expiry:
            raise BadSignature(f"the signature expired ({expiry:%Y-%m-%d %H:%M} UTC)", cause=Cause.EXPIRED)

    def _timestamp(self) -> None:
        """All certificates in their time: at the moment that a trusted clock names, or else now."""
        period = Period.at(self.now)
        if self.envelope.scheme == AUTHORITY:
            period = Period.at(self._authentic_time())
        elif self._needs_timestamp():
            self.stamp = self._verified_timestamp()
            period = self.stamp.period
        check_time(self.chain, period)
        if self.envelope.scheme == AUTHORITY:
            self.time = self.envelope.authentic_time
        elif self.stamp:
            self.time = self.stamp.time

    def _authentic_time(self) -> datetime:
        claimed = self.envelope.authentic_time
        if claimed is None or claimed > self.now + SKEW:
            raise BadSignature("the signing authority's time lies in the future")
        return claimed

    def _needs_timestamp(self) -> bool:
        configured = any(kind == "tsa" for kind, _ in self.statement.stores)
        expired = any(self.now > certificate.not_after for certificate in self.chain)
        return configured and (expired or not self.statement.late_timestamps)

    def _verified_timestamp(self) -> Timestamp:
        if not self.envelope.timestamp:
            raise BadSignature("the signature has no timestamp, which the policy asks for")
        return verify_token(self.envelope.timestamp, self.envelope.signature, self._roots("tsa"), now=self.now)

    def _revocation(self) -> None:
        unchecked = check_revocation(self.chain, self.identity.crls, self.now)
        if self.stamp:
            unchecked += check_revocation(self.stamp.path, self.identity.crls, self.now)
        for certificate in unchecked:
            if certificate.crl_places or certificate.answers:
                raise CannotVerify(
                    f"whether the certificate of {certificate} was revoked is not known: no fresh revocation list is about it",
                    hint="give the issuer's current CRL, since modelpack fetches none, or let the policy override"
                    ' "revocation" with "log" or "skip"',
                )
            self.remarks.append(f"{UNCHECKED} for {certificate}: it names no place to ask at")

    def _roots(self, kind: str) -> tuple[Certificate, ...]:
        store = self.identity.store
        return tuple(
            root for type_, name in self.statement.stores if type_ == kind for root in store.certificates(kind, name)
        )
