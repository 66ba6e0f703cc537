"""What a Notary Project envelope says, however it is written down, and which of that must hold before anything is believed.

Source: notaryproject/specifications, signature-specification.md and signature-envelope-{jws,cose}.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from modelpack.errors import BadSignature, CannotVerify
from modelpack.oci import Descriptor, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.notary import algorithms
from modelpack.trust.x509 import Certificate

JWS = "application/jose+json"
COSE = "application/cose"
PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"

MAX_ENVELOPE = 4 << 20
"""Bytes of an envelope, which is a small document and ten certificates."""

MAX_PAYLOAD = 1 << 20

PREFIX = "io.cncf.notary."
SCHEME = PREFIX + "signingScheme"
EXPIRY = PREFIX + "expiry"
SIGNING_TIME = PREFIX + "signingTime"
AUTHENTIC_TIME = PREFIX + "authenticSigningTime"
TIMESTAMP = PREFIX + "timestampSignature"
AGENT = PREFIX + "signingAgent"
_PLUGIN = PREFIX + "verificationPlugin"
_KNOWN = frozenset({SCHEME, EXPIRY, AUTHENTIC_TIME})
"""Headers that may be critical."""

X509 = "notary.x509"
AUTHORITY = "notary.x509.signingAuthority"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. Nothing in here has been verified.

    ``message`` is what ``signature`` (r and s side by side, or RSA) covers. ``headers`` are the names of the protected
    headers, ``critical`` those that a reader must know. ``signing_time`` is a mere claim, ``authentic_time`` the word of a
    signing authority. ``chain`` is DER, the signer's certificate first; ``timestamp`` a TimeStampToken, empty if there is
    none. ``target`` is what was signed, with the signer's own annotations.
    """

    media_type: str
    algorithm: str
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    headers: frozenset[str]
    critical: tuple[str, ...]
    scheme: str
    signing_time: datetime | None
    authentic_time: datetime | None
    expiry: datetime | None
    chain: tuple[bytes, ...] = field(repr=False)
    timestamp: bytes = field(repr=False)
    agent: str
    target: Descriptor

    def check(self, signer: Certificate) -> None:
        """Verify signature and headers. Raises BadSignature, CannotVerify (a header or scheme that is not known here)."""
        algorithms.verify(signer.key, self.algorithm, self.signature, self.message)
        self._check_critical()
        self._check_times()

    def _check_critical(self) -> None:
        if any(name.startswith(_PLUGIN) for name in self.headers):
            raise CannotVerify("the signature can only be verified with a plugin of notation, and says so")
        if unknown := sorted(set(self.critical) - _KNOWN):
            raise CannotVerify(f"the signature has a critical header that is not known here: {unknown[0][:80]!a}")
        if missing := sorted(set(self.critical) - self.headers):
            raise BadSignature(f"the signature calls a header critical that it does not have: {missing[0]}")
        if len(set(self.critical)) != len(self.critical):
            raise BadSignature("the signature calls one header critical twice")
        needed = {SCHEME} | ({EXPIRY, AUTHENTIC_TIME} & self.headers)
        if lax := sorted(needed - set(self.critical)):
            raise BadSignature(f"the signature's header {lax[0]} must be critical, and is not")

    def _check_times(self) -> None:
        if self.scheme not in (X509, AUTHORITY):
            raise CannotVerify(f"the signing scheme {self.scheme[:80]!a} is not known here")
        claimed, foreign = self.signing_time, self.authentic_time
        if self.scheme == AUTHORITY:
            claimed, foreign = foreign, claimed
        if claimed is None or foreign is not None:
            raise BadSignature(f"the signature's time is not of the kind that goes with {self.scheme}")
        if self.expiry is not None and self.expiry <= claimed:
            raise BadSignature("the signature expired before it was made")


def read_target(payload: bytes) -> Descriptor:
    """The descriptor in a payload. Raises DocumentError."""
    fields = Fields(loads_object(payload, "Notary payload", limit=MAX_PAYLOAD), "Notary payload")
    refuse_twins(fields)
    target = fields.object("targetArtifact")
    refuse_twins(target)
    return Descriptor.from_json(target)


def refuse_twins(fields: Fields) -> None:
    """Names that differ in case only are one name to Go's JSON reader, which notation uses, and two to us."""
    seen: set[str] = set()
    for name in fields.value:
        if name.casefold() in seen:
            fields.fail(name, "stands twice, but for the case of its letters")
        seen.add(name.casefold())
