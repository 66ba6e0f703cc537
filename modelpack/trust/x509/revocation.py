"""Revocation lists (CRLs, RFC 5280 section 5) that the caller brings; nothing is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from modelpack.errors import BadSignature, CannotVerify, InputError
from modelpack.trust.seal import Cause
from modelpack.trust.x509.certificates import HASHES, Certificate, unreadable

if TYPE_CHECKING:
    from cryptography import x509

MAX_CRL = 32 << 20
"""Bytes of a revocation list (the limit of other verifiers too)."""

MAX_CRLS = 100

UNCHECKED = "revocation was not checked"
_PEM = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which of an issuer's certificates a list is about. ``places``: those that name one of these URLs; empty: all."""

    places: frozenset[str] = frozenset()
    only_signers: bool = False
    only_authorities: bool = False

    def has(self, certificate: Certificate) -> bool:
        """Whether it is about this one."""
        if (self.only_signers and certificate.is_ca) or (self.only_authorities and not certificate.is_ca):
            return False
        return not self.places or not self.places.isdisjoint(certificate.crl_places)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A base CRL of some issuer, which has not been verified yet. ``expires`` is when the next one is due."""

    raw: x509.CertificateRevocationList = field(repr=False, compare=False)
    issuer: bytes = field(repr=False)
    issued: datetime
    expires: datetime | None
    scope: Scope = Scope()

    @classmethod
    def load(cls, data: bytes, name: str = "the revocation list") -> Self:
        """Read PEM or DER. Raises InputError, also for lists of changes only (delta CRLs) and lists about other issuers."""
        from cryptography import x509

        if len(data) > MAX_CRL:
            raise InputError(f"{name}: {len(data)} bytes are too many ({MAX_CRL} are allowed)")
        try:
            load = x509.load_pem_x509_crl if _PEM in data else x509.load_der_x509_crl
            raw = load(data)
            hashed = raw.signature_hash_algorithm
            made = cls(raw, raw.issuer.public_bytes(), raw.last_update_utc, raw.next_update_utc, _scope(raw, name))
        except unreadable():
            raise InputError(f"{name} cannot be read as a revocation list in PEM or DER") from None
        if hashed and hashed.name not in HASHES:
            raise InputError(f"{name} is signed with {hashed.name}, which is not safe")
        return made

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it, in hex."""
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.raw.fingerprint(SHA256()).hex()

    def covers(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Whether it is about this certificate, and signed by its issuer, who may."""
        if self.issuer != issuer.subject or "crl_sign" not in (issuer.usage or ()):
            return False
        return self.scope.has(certificate) and self.raw.is_signature_valid(issuer.key.raw())

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is out, and the next one not due."""
        return self.issued <= now and self.expires is not None and now <= self.expires

    def lists(self, certificate: Certificate) -> bool:
        """Whether the certificate is on it."""
        return self.raw.get_revoked_certificate_by_serial_number(certificate.serial) is not None


def load_crls(files: Iterable[bytes]) -> tuple[RevocationList, ...]:
    """Read some files, one list in each. Raises InputError."""
    found = tuple(RevocationList.load(data, f"revocation list {index}") for index, data in enumerate(files, 1))
    if len(found) > MAX_CRLS:
        raise InputError(f"{len(found)} revocation lists are more than the {MAX_CRLS} allowed")
    return found


def check_revocation(
    path: Sequence[Certificate], crls: Sequence[RevocationList], now: datetime
) -> tuple[Certificate, ...]:
    """Look up every certificate but the root; returns those that no fresh list is about.

    Raises BadSignature if one is revoked, whenever that was: a stolen key can also lie about the time before.
    """
    return tuple(certificate for certificate, issuer in pairwise(path) if not _is_clear(certificate, issuer, crls, now))


def require_fresh(unchecked: Sequence[Certificate]) -> None:
    """Raises CannotVerify if there is one whose revocation could not be checked."""
    if unchecked:
        raise CannotVerify(
            f"whether the certificate of {unchecked[0]} was revoked is not known: no fresh revocation list is about it",
            hint="give the issuer's current CRL; modelpack fetches none",
        )


def remarks(unchecked: Sequence[Certificate], crls: Sequence[RevocationList]) -> tuple[str, ...]:
    """What a voucher says about what was not checked."""
    if not unchecked:
        return ()
    if not crls:
        return (UNCHECKED,)
    return tuple(f"{UNCHECKED} for {certificate}: no fresh list is about it" for certificate in unchecked)


def _is_clear(certificate: Certificate, issuer: Certificate, crls: Sequence[RevocationList], now: datetime) -> bool:
    about = [crl for crl in crls if crl.covers(certificate, issuer)]
    if any(crl.lists(certificate) for crl in about):
        raise BadSignature(f"the certificate of {certificate} was revoked by its issuer", cause=Cause.REVOKED)
    return any(crl.is_fresh(now) for crl in about)


def _scope(raw: x509.CertificateRevocationList, name: str) -> Scope:
    """What it is about. Raises InputError if that cannot be told, or is of no use here."""
    from cryptography import x509

    scope = Scope()
    for extension in raw.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            scope = _part(value, name)
        elif extension.critical or isinstance(value, x509.DeltaCRLIndicator):
            raise InputError(f"{name} has an extension that is not supported: {extension.oid.dotted_string}")
    return scope


def _part(point: x509.IssuingDistributionPoint, name: str) -> Scope:
    from cryptography import x509

    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs or point.relative_name:
        raise InputError(f"{name} is about some reasons or other issuers only, which is not supported")
    places = {place.value for place in point.full_name or () if isinstance(place, x509.UniformResourceIdentifier)}
    return Scope(frozenset(places), point.only_contains_user_certs, point.only_contains_ca_certs)
