"""When something was signed, if an authority that is trusted for it says so (RFC 3161)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelpack.errors import BadSignature, CannotVerify
from modelpack.trust.x509 import cms
from modelpack.trust.x509.certificates import HASHES, Certificate
from modelpack.trust.x509.chain import TIMESTAMPS, Period, verify_chain

SKEW = timedelta(minutes=5)
"""How far an authority's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A verified time. ``path`` is the authority's chain, its root last."""

    time: datetime
    accuracy: timedelta
    path: tuple[Certificate, ...]

    @property
    def period(self) -> Period:
        """From the earliest to the latest moment that it can mean."""
        return Period(self.time - self.accuracy, self.time + self.accuracy)


def verify_response(
    response: bytes,
    message: bytes,
    roots: Sequence[Certificate],
    *,
    now: datetime,
    intermediates: Sequence[Certificate] = (),
) -> Timestamp:
    """Verify a TimeStampResp, as Sigstore's bundles hold it, over ``message`` (there: the bytes of a signature).

    Errors as for :func:`verify_token`.
    """
    return verify_token(cms.token_in(response), message, roots, now=now, intermediates=intermediates)


def verify_token(
    token: bytes,
    message: bytes,
    roots: Sequence[Certificate],
    *,
    now: datetime,
    intermediates: Sequence[Certificate] = (),
) -> Timestamp:
    """Verify a TimeStampToken, as the Notary Project's envelopes hold it. ``roots`` are trusted for time and nothing else.

    Raises DocumentError, BadSignature, UntrustedIdentity (an authority that is not trusted), CannotVerify (asn1crypto is not
    installed, or a critical extension that is not known).
    """
    signed = cms.open_token(token)
    imprint, time, accuracy = _info(signed.content)
    stamp = Timestamp(time, accuracy, (signed.signer,))
    path = verify_chain(
        (signed.signer,), roots, at=Period.at(time), intermediates=(*signed.others, *intermediates), purpose=TIMESTAMPS
    )
    if imprint[0] not in HASHES or imprint[1] != hashlib.new(imprint[0], message).digest():
        raise BadSignature("the timestamp is about another signature")
    if stamp.period.begin > now + SKEW:
        raise BadSignature(f"the timestamp lies in the future ({time:%Y-%m-%d %H:%M} UTC)")
    return Timestamp(time, accuracy, path)


def _info(content: bytes) -> tuple[tuple[str, bytes], datetime, timedelta]:
    """Hash and value of the imprint, time, accuracy."""
    _, tsp = cms.asn1()
    with cms.reading():
        info = tsp.TSTInfo.load(content, strict=True)
        imprint = info["message_imprint"]
        hashed = (imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native)
        time: datetime = info["gen_time"].native
        accuracy = _accuracy(info["accuracy"].native)
        _ = time - accuracy, time + accuracy  # raises here if that leaves the calendar
        critical = [entry for entry in info["extensions"].native or () if entry["critical"]]
        version = info["version"].native
    if version != "v1" or critical:
        raise CannotVerify("the timestamp is of a kind that is not known here")
    return hashed, time.astimezone(UTC), accuracy


def _accuracy(value: dict[str, int | None] | None) -> timedelta:
    """Seconds, thousandths and millionths (RFC 3161, section 2.4.2); nothing if it is not given."""
    parts = value or {}
    return timedelta(
        seconds=parts.get("seconds") or 0, milliseconds=parts.get("millis") or 0, microseconds=parts.get("micros") or 0
    )
