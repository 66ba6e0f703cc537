"""What was found and how it was judged: values for tables, policies and audits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from modelpack.oci import JSON, Descriptor, JSONObject, rfc3339
from modelpack.trust.envelope import Statement
from modelpack.trust.seal import Cause, Voucher


class Kind(StrEnum):
    """What a signature says."""

    SIGNATURE = "signature"
    """I vouch for this manifest."""

    MODEL = "model"
    """I vouch for these files (OpenSSF Model Signing); configuration and annotations of the manifest are not among them."""

    ATTESTATION = "attestation"
    """This is so: a bill of materials, provenance, a scan report. It does not vouch for the model."""


class Status(StrEnum):
    """A verdict."""

    VERIFIED = "verified"
    UNTRUSTED = "untrusted"
    """Not made by anybody who is trusted, as far as can be told."""

    UNCHECKED = "unchecked"
    """Could not find out. Neither good nor bad."""

    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature that is attached. ``carrier`` is the manifest that brings it, ``blob`` the layer that is read.

    ``format`` is ``bundle``, ``tag``, ``jws`` or ``cose``. ``predicate_type`` and ``statement`` are as signed, and mean
    something only if it is verified. ``vouchers`` are of all trusted identities that made it (usually one or none).
    """

    carrier: Descriptor
    format: str
    kind: Kind
    status: Status
    reason: str = ""
    predicate_type: str = ""
    statement: Statement | None = field(default=None, repr=False)
    vouchers: tuple[Voucher, ...] = ()
    blob: Descriptor | None = None
    cause: Cause = Cause.NONE

    @property
    def signer(self) -> str:
        """For people; empty if nobody who is known."""
        return ", ".join(voucher.signer for voucher in self.vouchers)

    def to_json(self) -> JSONObject:
        """For programs."""
        vouchers: list[JSON] = [
            {
                "identity": voucher.identity,
                "signer": voucher.signer,
                "key": voucher.key,
                "time": rfc3339(voucher.time) if voucher.time else None,
                "remarks": list(voucher.remarks),
            }
            for voucher in self.vouchers
        ]
        return {
            "manifest": str(self.carrier.digest),
            "format": self.format,
            "kind": str(self.kind),
            "predicateType": self.predicate_type,
            "status": str(self.status),
            "reason": self.reason,
            "signers": vouchers,
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """All signatures of one manifest or index. ``skipped`` more were attached than are looked at."""

    target: Descriptor
    signatures: tuple[Signature, ...] = ()
    skipped: int = 0

    def verified(self, kind: Kind) -> tuple[Signature, ...]:
        """Those that hold and are by somebody who is trusted."""
        return tuple(one for one in self.signatures if one.kind is kind and one.status is Status.VERIFIED)

    def to_json(self) -> JSONObject:
        """For programs."""
        found: list[JSON] = [one.to_json() for one in self.signatures]
        return {"digest": str(self.target.digest), "signatures": found, "skipped": self.skipped}
