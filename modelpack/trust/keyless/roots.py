"""Whom a verification trusts: certificate authorities, logs, clocks (protobuf-specs, ``sigstore_trustroot.proto``)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from modelpack.errors import BadSignature, DocumentError
from modelpack.oci import JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig

_PUBLIC = "https://tuf-repo-cdn.sigstore.dev"
_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
_ROOTS = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
_MAX_PARTIES = 100


def read_root(data: bytes) -> JSONObject:
    """A TrustedRoot as JSON. Raises DocumentError."""
    fields = Fields(loads_object(data, "trusted root"), "trusted root")
    if fields.text("mediaType", "") not in _ROOTS:
        fields.fail("mediaType", "this is not a Sigstore trusted root")
    return fields.value


def public_root() -> JSONObject:
    """The root of the public instance, as it came with the ``sigstore`` package."""
    return read_root(_embedded("trusted_root.json"))


def public_config() -> ClientTrustConfig:
    """Root and services of the public instance, as they came with the ``sigstore`` package."""
    return _config(public_root(), loads_object(_embedded("signing_config.v0.2.json"), "signing config"))


def read_config(data: bytes) -> ClientTrustConfig:
    """A ClientTrustConfig: a trusted root and a signing config. Raises DocumentError."""
    from sigstore.models import ClientTrustConfig

    loads_object(data, "trust config")
    try:
        return ClientTrustConfig.from_json(data.decode())
    except ValueError:
        raise DocumentError("trust config", "", "this is not a Sigstore client trust config") from None


def at(root: JSONObject, times: Collection[datetime], logged: Collection[datetime]) -> ClientTrustConfig:
    """A root with the authorities that were in office at all ``times``, and the logs that were at all of ``logged``.

    The ``sigstore`` package asks only whether they have begun: it would believe an authority after its end, which is how a root
    says that an authority's key is lost. Raises DocumentError, and BadSignature if nobody is left.
    """
    fields = Fields(root, "trusted root")
    logs = [
        log.value
        for log in fields.objects("tlogs", limit=_MAX_PARTIES)
        if all(_covers(log.object("publicKey"), time) for time in logged)
    ]
    authorities = [
        authority.value
        for authority in fields.objects("certificateAuthorities", limit=_MAX_PARTIES)
        if all(_covers(authority, time) for time in times)
    ]
    if not logs or not authorities:
        missing = "transparency log" if authorities else "certificate authority"
        raise BadSignature(f"no {missing} of the trusted root was in office when this was signed")
    return _config({**root, "tlogs": [*logs], "certificateAuthorities": [*authorities]}, {"mediaType": _SIGNING})


def _covers(party: Fields, time: datetime) -> bool:
    period = party.object("validFor")
    start, end = (_moment(period, key) for key in ("start", "end"))
    return (start is None or start <= time) and (end is None or time <= end)


def _moment(fields: Fields, key: str) -> datetime | None:
    text = fields.text(key, "")
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        fields.fail(key, "not a date (RFC 3339)")
    if moment and moment.tzinfo is None:
        fields.fail(key, "a date without a time zone")
    return moment


def _config(root: JSONObject, signing: JSONObject) -> ClientTrustConfig:
    return read_config(dumps({"mediaType": _CONFIG, "trustedRoot": root, "signingConfig": signing}))


def _embedded(name: str) -> bytes:
    from importlib.resources import files
    from urllib.parse import quote

    return files("sigstore._store").joinpath(quote(_PUBLIC, safe=""), name).read_bytes()
