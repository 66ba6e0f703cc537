"""Somebody who is known by a name in certificates below some root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from modelpack.errors import BadSignature, InputError, UntrustedIdentity
from modelpack.trust.seal import Circumstances, Form, Seal, Voucher
from modelpack.trust.x509 import revocation
from modelpack.trust.x509.certificates import Certificate, check_roots, parse_chain
from modelpack.trust.x509.chain import SIGNING, Period, check_rules, check_time, find_path
from modelpack.trust.x509.names import Alternative, Subject
from modelpack.trust.x509.revocation import RevocationList
from modelpack.trust.x509.timestamps import Timestamp, verify_response

MAX_TIMESTAMPS = 10


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """Whoever has a certificate below ``roots`` with this subject (a part of it) or this alternative name.

    For Sigstore bundles, OpenSSF Model Signing, and cosign's first layout. ``subject`` as in ``C=US, ST=WA, O=acme``,
    ``san`` as in ``release@acme.example``; one of the two at least, since a root may have signed for anybody. ``pss`` also
    takes RSA-PSS. ``tsa_roots`` are trusted to say when something was signed: without a time stamp by one of them, all
    certificates must be valid when it is verified. ``crls`` are revocation lists; with ``require_revocation`` every
    certificate must be on the books of a fresh one.

    Raises InputError.
    """

    name: str
    roots: tuple[Certificate, ...] = field(repr=False)
    intermediates: tuple[Certificate, ...] = field(default=(), repr=False, kw_only=True)
    subject: str = field(default="", kw_only=True)
    san: str = field(default="", kw_only=True)
    tsa_roots: tuple[Certificate, ...] = field(default=(), repr=False, kw_only=True)
    pss: bool = field(default=False, kw_only=True)
    crls: tuple[RevocationList, ...] = field(default=(), repr=False, kw_only=True)
    require_revocation: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what would trust nobody, or everybody."""
        if not self.roots:
            raise InputError(f"{self.name}: certificates need a root that is trusted")
        if not (self.subject or self.san):
            raise InputError(
                f"{self.name}: a root alone would trust everybody that it ever issued a certificate to",
                hint="give the subject or the alternative name of the signer as well",
            )
        check_roots((*self.roots, *self.tsa_roots), self.name)
        self._wanted()

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:
        """Judge a seal. Errors as in :class:`~modelpack.trust.seal.Identity`."""
        if seal.form not in (Form.DSSE, Form.SIMPLE) or not seal.certificates:
            raise UntrustedIdentity("not signed with a certificate")
        chain = parse_chain(seal.certificates)
        path = find_path(chain, self.roots, self.intermediates, Period.at(circumstances.now))
        self._check_name(path[0])
        if not path[0].key.accepts(seal.signature, seal.message, pss=self.pss):
            raise BadSignature("the signature does not match what was signed, or its certificate")
        check_rules(path, SIGNING)
        stamp, notes = self._timestamp(seal, circumstances.now)
        check_time(path, stamp.period if stamp else Period.at(circumstances.now))
        return Voucher(
            identity=self.name,
            signer=_described(path[0]),
            key=path[0].key.fingerprint,
            time=stamp.time if stamp else None,
            remarks=(*notes, *self._revocation(path, stamp, circumstances.now)),
        )

    def _wanted(self) -> tuple[Subject | None, Alternative | None]:
        subject = Subject.parse(self.subject) if self.subject else None
        return subject, Alternative.parse(self.san) if self.san else None

    def _check_name(self, signer: Certificate) -> None:
        subject, alternative = self._wanted()
        if subject and not subject.matches(signer.name):
            raise UntrustedIdentity(f"signed by {signer}, not by {subject}")
        if alternative and (alternative.kind, alternative.value) not in signer.alternatives:
            raise UntrustedIdentity(f"signed by {_described(signer)}, not by {alternative}")

    def _timestamp(self, seal: Seal, now: datetime) -> tuple[Timestamp | None, tuple[str, ...]]:
        """The first time stamp that holds. One that does not hold is fatal only if none does."""
        if not self.tsa_roots or not seal.timestamps:
            return None, (("its timestamp was not used: no authority is trusted for time",) if seal.timestamps else ())
        bad: BadSignature | None = None
        for response in seal.timestamps[:MAX_TIMESTAMPS]:
            try:
                return verify_response(response, seal.signature, self.tsa_roots, now=now), ()
            except BadSignature as error:
                bad = error
            except UntrustedIdentity:
                continue
        if bad:
            raise bad
        return None, ("its timestamp was not used: it is by an authority that is not trusted",)

    def _revocation(self, path: Sequence[Certificate], stamp: Timestamp | None, now: datetime) -> tuple[str, ...]:
        unchecked = revocation.check_revocation(path, self.crls, now)
        if stamp:
            unchecked += revocation.check_revocation(stamp.path, self.crls, now)
        if self.require_revocation:
            revocation.require_fresh(unchecked)
        return revocation.remarks(unchecked, self.crls)


def _described(signer: Certificate) -> str:
    """The subject, or what stands in for an empty one."""
    return str(signer.name) or ", ".join(f"{kind}:{value!a}" for kind, value in signer.alternatives) or str(signer)
