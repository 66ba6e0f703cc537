"""From a signer's certificate to a root that is trusted, step by step, with every rule on the way.

The rules are those of the Notary Project (signature-specification.md, "Certificate Requirements"), which Sigstore's and
OpenSSF's certificates meet as well. Beyond them: every extension that is marked critical must be one that is understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from modelpack.errors import BadSignature, CannotVerify, UntrustedIdentity
from modelpack.trust.seal import Cause
from modelpack.trust.x509.certificates import HASHES, MAX_CHAIN, Certificate

CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
_ANY = "2.5.29.37.0"
_BASIC_CONSTRAINTS, _KEY_USAGE, _EXTENDED_KEY_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"
_UNDERSTOOD = frozenset({_BASIC_CONSTRAINTS, _KEY_USAGE, _EXTENDED_KEY_USAGE, "2.5.29.17", "2.5.29.32"})
"""Also the subject's alternative names, and certificate policies, of which any will do here."""
_OTHER_USAGES = frozenset(
    {
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    }
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a chain is for. ``name`` stands in messages.

    ``needed`` is an extended key usage: it must be among those of the signer and of each intermediate authority, where
    these have any. ``alone`` says that the signer must have it, critical, and no other. ``refused`` may not be there.
    """

    name: str
    needed: str = ""
    alone: bool = False
    refused: frozenset[str] = frozenset()


_FOREIGN = frozenset({_ANY, "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", TIME_STAMPING})
"""Any, TLS servers, TLS clients, e-mail, time stamps: not for those who sign artifacts."""

NOTARY = Purpose("signing", refused=_FOREIGN)
SIGNING = Purpose("signing", needed=CODE_SIGNING, refused=_FOREIGN)
TIMESTAMPS = Purpose("time stamps", needed=TIME_STAMPING, alone=True)


@dataclass(frozen=True, slots=True)
class Period:
    """A point in time, as precisely as it is known. Both ends have a time zone."""

    begin: datetime
    end: datetime

    @classmethod
    def at(cls, moment: datetime) -> Period:
        """Exactly then."""
        return cls(moment, moment)


def verify_chain(
    chain: Sequence[Certificate],
    roots: Sequence[Certificate],
    *,
    at: Period,
    intermediates: Sequence[Certificate] = (),
    purpose: Purpose = SIGNING,
) -> tuple[Certificate, ...]:
    """Walk from ``chain[0]`` to one of ``roots``; returns all certificates on the way, the root last.

    ``chain`` is in order; where it ends, ``intermediates`` (in any order) go on. All certificates, the root's included,
    must be valid at ``at``. Raises UntrustedIdentity (it ends at no root), BadSignature (a rule is broken), CannotVerify
    (a critical extension that is not understood).
    """
    path = find_path(chain, roots, intermediates, at)
    check_rules(path, purpose)
    check_time(path, at)
    return path


def find_path(
    chain: Sequence[Certificate], roots: Sequence[Certificate], intermediates: Sequence[Certificate], at: Period
) -> tuple[Certificate, ...]:
    """The signer's certificate and its issuers up to a root, all signatures checked, no other rule."""
    path = [chain[0]]
    while len(path) <= MAX_CHAIN:
        last = path[-1]
        if last in roots:
            return tuple(path)
        if root := _issuer(last, roots, at):
            return (*path, root)
        path.append(_next(path, chain, intermediates, at))
    raise UntrustedIdentity(f"the chain of {chain[0]} is longer than {MAX_CHAIN} certificates")


def _next(
    path: Sequence[Certificate], chain: Sequence[Certificate], intermediates: Sequence[Certificate], at: Period
) -> Certificate:
    last = path[-1]
    if len(path) < len(chain):
        if not chain[len(path)].issued(last):
            raise BadSignature(f"{chain[len(path)]}, next in the chain, did not issue {last}")
        return chain[len(path)]
    found = _issuer(last, [other for other in intermediates if other not in path], at)
    if found is None:
        raise UntrustedIdentity(f"the certificate of {chain[0]} leads to none of the trusted roots")
    return found


def _issuer(certificate: Certificate, candidates: Iterable[Certificate], at: Period) -> Certificate | None:
    """Who signed it; of several with the same key (a root that was renewed), one that is in its time."""
    found = [other for other in candidates if other.issued(certificate)]
    return next((other for other in found if other.is_valid(at.begin, at.end)), found[0] if found else None)


def check_complete(chain: Sequence[Certificate]) -> None:
    """Whether a chain is as the Notary Project wants it: in order, with its root, self-signed only there.

    Being named like its issuer makes nobody self-signed: notation's own test chains have one name for all.
    Raises BadSignature.
    """
    for certificate, issuer in pairwise(chain):
        if certificate.issued(certificate):
            raise BadSignature(f"{certificate} is self-signed, but not the last of its chain")
        if not issuer.issued(certificate):
            raise BadSignature(f"{issuer}, next in the chain, did not issue {certificate}")
    if not chain[-1].issued(chain[-1]):
        raise BadSignature(f"the chain ends with {chain[-1]}, which is no root")


def check_rules(path: Sequence[Certificate], purpose: Purpose) -> None:
    """Everything about a chain but its signatures and its time. A single certificate must meet the rules for signers.

    Raises BadSignature, CannotVerify.
    """
    for certificate in path:
        _check_any(certificate)
    if path[-1].is_self_issued:
        _require(path[-1], path[-1].issued(path[-1]), "is not signed by the key that it says")
    _check_signer(path[0], purpose)
    for below, certificate in enumerate(path[1:]):
        _check_authority(certificate, below)
        # What a root says about its purposes is nobody's promise to it; below it, an authority may be confined.
        if purpose.needed and certificate is not path[-1] and certificate.purposes is not None:
            _require(
                certificate, not {purpose.needed, _ANY}.isdisjoint(certificate.purposes), f"is not for {purpose.name}"
            )


def check_time(path: Iterable[Certificate], at: Period) -> None:
    """Raises BadSignature unless every certificate is in its time."""
    for certificate in path:
        if at.end > certificate.not_after:
            raise BadSignature(
                f"the certificate of {certificate} had expired ({certificate.not_after:%Y-%m-%d %H:%M} UTC)",
                hint="only a timestamp by a trusted authority shows that it was valid when it signed",
                cause=Cause.EXPIRED,
            )
        if at.begin < certificate.not_before:
            raise BadSignature(
                f"the certificate of {certificate} was not valid yet ({certificate.not_before:%Y-%m-%d %H:%M} UTC)"
            )


def _check_any(certificate: Certificate) -> None:
    if certificate.hash and certificate.hash not in HASHES:
        raise BadSignature(f"the certificate of {certificate} is signed with {certificate.hash}, which is not safe")
    if unknown := sorted(certificate.critical - _UNDERSTOOD):
        raise CannotVerify(f"the certificate of {certificate} has a critical extension that is not known: {unknown[0]}")


def _check_signer(certificate: Certificate, purpose: Purpose) -> None:
    usage = certificate.usage
    _require(certificate, not certificate.is_ca, "is an authority's, not a signer's")
    if usage is None or (_KEY_USAGE not in certificate.critical and not purpose.alone):
        raise BadSignature(f"the certificate of {certificate} has no critical key usage")
    allowed = {"digital_signature", "content_commitment"} if purpose.alone else {"digital_signature"}
    _require(certificate, bool(usage & allowed), "is not for signatures")
    _require(certificate, not usage & _OTHER_USAGES, "is also for something else than signatures")
    _check_purposes(certificate, purpose)


def _check_purposes(certificate: Certificate, purpose: Purpose) -> None:
    found = certificate.purposes
    if purpose.alone:
        only = found == (purpose.needed,) and _EXTENDED_KEY_USAGE in certificate.critical
        _require(certificate, only, f"is not for {purpose.name} only, and critically so")
    if found is not None:
        _require(certificate, not purpose.refused & set(found), f"is for something else than {purpose.name}")
        _require(certificate, not purpose.needed or purpose.needed in found, f"is not for {purpose.name}")


def _check_authority(certificate: Certificate, below: int) -> None:
    """``below`` is the number of authorities between it and the signer."""
    proper = bool(certificate.is_ca) and _BASIC_CONSTRAINTS in certificate.critical
    _require(certificate, proper, "is not marked, critically, as an authority's")
    usage = certificate.usage if _KEY_USAGE in certificate.critical else None
    _require(
        certificate, usage is not None and "key_cert_sign" in usage, "is not, critically, for signing certificates"
    )
    fits = certificate.path_length is None or below <= certificate.path_length
    _require(certificate, fits, f"allows {certificate.path_length} authorities below it, not {below}")


def _require(certificate: Certificate, holds: bool, complaint: str) -> None:  # noqa: FBT001  # an assertion with a sentence
    if not holds:
        raise BadSignature(f"the certificate of {certificate} {complaint}")
