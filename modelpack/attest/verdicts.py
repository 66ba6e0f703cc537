"""What a check found, as predicates: SLSA's verification summary, in-toto's simple verification result, a scan report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from modelpack.attest.values import instant
from modelpack.errors import InputError
from modelpack.oci import JSON, Descriptor, Digest, JSONObject

VERIFIER = "https://modelpack.dev/verifier/v1"


def verification_summary(
    *,
    passed: bool,
    resource: str,
    verified: datetime,
    policy: str,
    policy_digest: Digest | None = None,
    verifier: str = VERIFIER,
    version: Mapping[str, str] | None = None,
    inputs: Iterable[Descriptor] = (),
    levels: Iterable[str] = (),
) -> JSONObject:
    """The predicate of a VSA (SLSA 1.1, "Verification Summary Attestation"). ``resource`` is the URI that was asked for,
    ``inputs`` are the attestations that were looked at.

    ``levels`` are what the caller has evidence for (``SLSA_BUILD_LEVEL_2`` needs a platform's own attestation). The default
    is none. A failed check verifies no level. Raises InputError.
    """
    found = [*levels]
    if found and not passed:
        raise InputError("a failed verification has verified no level")
    for name, value in (("resource", resource), ("policy", policy), ("verifier", verifier)):
        if not value:
            raise InputError(f"a verification summary needs a {name}")
    who: JSONObject = {"id": verifier}
    if version:
        who["version"] = dict(version)
    what: JSONObject = {"uri": policy}
    if policy_digest:
        what["digest"] = {policy_digest.algorithm: policy_digest.hex}
    seen: list[JSON] = [{"digest": {item.digest.algorithm: item.digest.hex}} for item in inputs]
    return {
        "verifier": who,
        "timeVerified": instant(verified),
        "resourceUri": resource,
        "policy": what,
        **({"inputAttestations": seen} if seen else {}),
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": [*found],
        "slsaVersion": "1.1",
    }


def verification_result(
    properties: Iterable[str],
    *,
    created: datetime,
    verifier: str = VERIFIER,
    policies: Iterable[tuple[str, Digest | None]] = (),
) -> JSONObject:
    """The predicate of an SVR (in-toto, "Simple Verification Result" 0.2): ``properties`` are what was found to hold, such as
    ``MODELPACK_SIGNED``. Raises InputError where there are none.
    """
    held = sorted(set(properties))
    if not held:
        raise InputError("a verification result needs at least one property")
    rules: list[JSON] = [
        {"uri": uri, **({"digest": {digest.algorithm: digest.hex}} if digest else {})} for uri, digest in policies
    ]
    return {"verifier": {"id": verifier, "policies": rules}, "timeCreated": instant(created), "properties": [*held]}


def scan_predicate(report: JSONObject, *, finished: datetime | None = None) -> JSONObject:
    """The predicate for a scan report: the report as it is, with the time at which the scan ended."""
    return {**report, **({"finishedOn": instant(finished)} if finished else {})}
