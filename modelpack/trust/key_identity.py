"""The simplest identity: whoever holds one key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from modelpack.errors import BadSignature, CannotVerify, InputError, UntrustedIdentity
from modelpack.trust.keys import PublicKey
from modelpack.trust.oms import oms_hint
from modelpack.trust.seal import Cause, Circumstances, Form, Seal, Voucher


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """Trust in a key, until a time if one is given: what is verified later does not count, whenever it was signed.

    ``pss`` also accepts RSA-PSS, which cosign does not. An :class:`Identity` for Sigstore's formats; Notary's know no bare keys.
    Raises InputError for a time without a time zone.
    """

    key: PublicKey
    name: str = ""
    until: datetime | None = None
    pss: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"key {self.key.fingerprint[:16]}")
        if self.until is not None and self.until.tzinfo is None:
            raise InputError(f"{self.name}: a time without a time zone")

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:
        """Verify with the key, whatever hint the seal gives."""
        if seal.form is Form.NOTARY:
            raise UntrustedIdentity("signed with a certificate; a key alone is trusted here")
        if not self.key.accepts(seal.signature, seal.message, pss=self.pss):
            self._refuse(seal)
        if self.until is not None and circumstances.now > self.until:
            message = f"made with {self.name}, which is trusted until {self.until:%Y-%m-%d} only"
            raise BadSignature(message, cause=Cause.EXPIRED)
        return Voucher(self.name, f"key {self.key.fingerprint[:16]}", self.key.fingerprint)

    def _refuse(self, seal: Seal) -> None:
        """The hint proves nothing; it only tells an altered signature from somebody else's."""
        if seal.hint not in (self.key.hint, oms_hint(self.key)):
            raise UntrustedIdentity(f"not made with {self.name}")
        if self.key.kind == "ed25519":
            # cosign 3 signs Ed25519ph and verifies Ed25519: it cannot verify such a signature itself.
            raise CannotVerify(f"names {self.name}, but is altered, or is Ed25519ph as cosign 3 makes it")
        raise BadSignature(f"names {self.name}, but does not hold: something was altered")
