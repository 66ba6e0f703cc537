"""Verifying a bundle with the ``sigstore`` package: certificate chain, certificate log, transparency log, times, signature."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from modelpack.errors import BadSignature, CannotVerify
from modelpack.oci import JSONObject
from modelpack.trust.envelope import pae
from modelpack.trust.keyless import roots
from modelpack.trust.keyless.bundle import promised, screen
from modelpack.trust.keyless.words import HINT, shown

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import Bundle, TrustedRoot


_KINDS = ("dsse 0.0.1", "hashedrekord 0.0.2")
"""How version 1 and version 2 of Rekor keep what a DSSE envelope signs. Older clients used ``intoto``."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A bundle with an entry of a transparency log; nothing in it is verified before :meth:`verify`."""

    bundle: Bundle
    kind: str
    promised: datetime | None
    stamped: tuple[datetime, ...]

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Read a bundle. Raises DocumentError, UntrustedIdentity, BadSignature, CannotVerify without the ``sigstore`` package."""
        entry = screen(raw)
        models = _models()
        try:
            bundle = models.from_json(raw)
            # A token that its reader does not understand is met here, and not only where it is verified.
            data = bundle.verification_material.timestamp_verification_data
            stamped = tuple(stamp.tst_info.gen_time for stamp in data.rfc3161_timestamps) if data else ()
        except Exception as error:  # noqa: BLE001 - five packages read here, and raise what they like on hostile input
            raise BadSignature(f"the bundle cannot be read: {shown(error)}") from None
        version = entry.object("kindVersion")
        return cls(bundle, f"{version.text('kind')} {version.text('version')}", promised(entry), stamped)

    @property
    def certificate(self) -> Certificate:
        """The signer's certificate."""
        return self.bundle.signing_certificate

    @property
    def signature(self) -> bytes:
        """The envelope's signature."""
        return self.bundle.signature

    @property
    def time(self) -> datetime | None:
        """When it was signed. Of several timestamps nobody says which of them was verified: None."""
        return self.promised or (self.stamped[0] if len(self.stamped) == 1 else None)

    def verify(self, root: JSONObject) -> bytes:
        """Verify against a trusted root, and give what is signed: DSSE's pre-authentication encoding.

        Raises BadSignature; CannotVerify if the root itself is not usable, or the log's entry of a kind that is not known.
        """
        from sigstore.verify import Verifier

        if self.kind not in _KINDS:
            raise CannotVerify(
                f"the entry in the transparency log is of a kind that is not known here: {shown(self.kind)}"
            )
        trusted = self._trusted(root)
        try:
            kind, payload = Verifier(trusted_root=trusted).verify_dsse(self.bundle, Only(self.certificate))
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was verified
            raise BadSignature(f"the keyless signature does not hold: {shown(error)}") from None
        return pae(kind, payload)

    def _trusted(self, root: JSONObject) -> TrustedRoot:
        promised = (self.promised,) if self.promised else ()
        try:
            trusted = roots.at(root, (*promised, *self.stamped), promised or self.stamped).trusted_root
            trusted.get_fulcio_certs()
            trusted.get_timestamp_authorities()
        except BadSignature:
            raise
        except Exception as error:  # noqa: BLE001 - a root is read by the same five packages
            raise CannotVerify(f"the trusted root is not usable: {shown(error)}") from None
        return trusted


@dataclass(frozen=True, slots=True)
class Only:
    """A policy of the ``sigstore`` package: the certificate that it verifies is the one whose names were judged."""

    certificate: Certificate

    def verify(self, cert: Certificate) -> None:
        """Raise for any other certificate."""
        if cert != self.certificate:
            raise BadSignature("another certificate than the one that was judged")


def _models() -> type[Bundle]:
    """The package's reader of bundles. Raises CannotVerify."""
    try:
        from sigstore.models import Bundle
    except ImportError:
        raise CannotVerify("a keyless signature needs the extra keyless", hint=HINT) from None
    silence()
    return Bundle


def silence() -> None:
    """Keep the ``sigstore`` package from writing warnings to standard error where nobody has set up logging."""
    logger = logging.getLogger("sigstore")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
