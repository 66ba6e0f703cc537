"""Who vouches for a model: signed by nobody, by a stranger, too late, for something else, in an old way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Cause, SignatureFact, Sort
from modelpack.audit.findings import Severity
from modelpack.audit.rules.rule import ArtifactCheck, Hit
from modelpack.oci import JSONObject

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings

MOST = 200
"""Attachments of one manifest; no more are looked at (:data:`modelpack.trust.found.MAX_CARRIERS`)."""

_LAPSED = (Cause.EXPIRED, Cause.REVOKED)


def _state(artifact: Artifact) -> tuple[str, tuple[SignatureFact, ...]]:
    """The rule that says how things stand where nothing vouches, and the signatures that it is about; ``""`` where something
    does, or where nobody has to: an attachment, or a variant whose index is asked instead.
    """
    if artifact.sort not in (Sort.MODEL, Sort.INDEX) or (artifact.listed_by and not artifact.subject.tags):
        return "", ()
    signatures = tuple(one for one in artifact.signatures if one.kind in ("signature", "model"))
    if any(one.status == "verified" for one in signatures):
        return "", ()
    for rule, causes in (("MP013", (Cause.OTHER_SUBJECT,)), ("MP012", _LAPSED)):
        if chosen := tuple(one for one in signatures if one.cause in causes):
            return rule, chosen
    sound = tuple(one for one in signatures if one.cause is not Cause.BROKEN and one.status != "bad")
    if sound or artifact.is_unknown("MP010"):
        return "MP011", sound
    return "MP010", ()


def _unsigned(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if _state(artifact)[0] == "MP010":
        also = [one for one in artifact.signatures if one.kind == "attestation"]
        broken = len(artifact.signatures) - len(also)
        but = f"; {broken} broken ones are attached" if broken else "; attestations do not count" if also else ""
        yield Hit(f"nobody has signed it{but}")


def _unknown(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """A signature that could not be judged is here too: it is one, and by nobody that is known."""
    rule, signatures = _state(artifact)
    if rule != "MP011":
        return
    if not signatures:
        yield Hit("whether it is signed could not be found out", unchecked=True)
        return
    unjudged = all(one.status == "unchecked" for one in signatures)
    first = signatures[0]
    what = "whether a trusted signer made it could not be found out" if unjudged else "no trusted signer made it"
    yield Hit(f"it is signed, but {what}: {_why(first)}", str(first.manifest), _data(signatures), unchecked=unjudged)


def _lapsed(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    rule, signatures = _state(artifact)
    if rule == "MP012":
        for one in signatures:
            word = "revoked" if one.cause is Cause.REVOKED else "expired"
            yield Hit(f"the signer's key or certificate is {word}: {_why(one)}", str(one.manifest), _data((one,)))


def _elsewhere(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    rule, signatures = _state(artifact)
    if rule == "MP013":
        for one in signatures:
            yield Hit(f"the signature is of something else: {_why(one)}", str(one.manifest), _data((one,)))


def _legacy(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    verified = [one for one in artifact.signatures if one.kind == "signature" and one.status == "verified"]
    if _concerned(artifact) and verified and all(one.legacy for one in verified):
        yield Hit(f"only in a format that new tools no longer write ({verified[0].format})", str(verified[0].manifest))


def _files_only(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    kinds = {one.kind for one in artifact.signatures if one.status == "verified"}
    if _concerned(artifact) and "model" in kinds and "signature" not in kinds:
        yield Hit("the files are signed, manifest and configuration are not")


def _broken(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if not _concerned(artifact):
        return
    for one in artifact.signatures:
        other = one.cause is Cause.OTHER_SUBJECT and one.kind != "attestation"
        if one.status == "bad" and one.cause not in _LAPSED and not (other and _state(artifact)[0] == "MP013"):
            yield Hit(f"a {one.kind} is broken: {_why(one)}", str(one.manifest), _data((one,)))


def _too_many(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.attachments > MOST:
        message = f"{artifact.attachments} things are attached, and only {MOST} are looked at"
        yield Hit(message, data={"attachments": artifact.attachments}, unchecked=True)


def _concerned(artifact: Artifact) -> bool:
    return artifact.sort in (Sort.MODEL, Sort.INDEX)


def _why(signature: SignatureFact) -> str:
    return signature.reason or str(signature.cause) or signature.status


def _data(signatures: tuple[SignatureFact, ...]) -> JSONObject:
    return {
        "formats": [*sorted({one.format for one in signatures})],
        "causes": [*sorted({str(one.cause) for one in signatures})],
    }


RULES = (
    ArtifactCheck(
        "MP010",
        "not signed",
        Severity.HIGH,
        "Nobody has signed the manifest, so nothing tells this model from one that somebody else pushed under the "
        "same name: whoever can write to the registry decides what is loaded. Attestations (a bill of materials, "
        "provenance) state facts; they do not vouch for the model.",
        "`modelpack sign REFERENCE --key FILE` (or `--keyless`). If it was signed before, it was copied without its "
        "attachments: `modelpack copy` takes them along.",
        _unsigned,
    ),
    ArtifactCheck(
        "MP011",
        "signed by nobody who is trusted here",
        Severity.HIGH,
        "There is a signature, but not by a key or an identity that the trust policy names; or it is of a kind that "
        "could not be judged (then the finding says so). A signature by a stranger protects against nothing.",
        "If the signer is right, add the key or identity to the trust policy that the audit policy names under "
        "`trust`; else have it signed by somebody who is trusted. `modelpack tree REFERENCE` shows what is attached.",
        _unknown,
    ),
    ArtifactCheck(
        "MP012",
        "the signer's key or certificate is expired or revoked",
        Severity.HIGH,
        "Who signed it was trusted once. The certificate was not valid when it was used as far as can be proven, the "
        "policy has set the key an end, or the issuer has revoked it. A stolen key signs with any date that it "
        "likes.",
        "Sign it again with a current key. With certificates, sign with a time stamp, so that the signature outlives "
        "the certificate. If the key was revoked because it was stolen, check the content first.",
        _lapsed,
    ),
    ArtifactCheck(
        "MP013",
        "the signature is of something else",
        Severity.CRITICAL,
        "A signature is attached that was made for another manifest, other files or another repository. That happens "
        "when somebody moves a signature by hand to let something pass as signed.",
        "Do not use it. Find out who attached it; sign the model if it is the right one.",
        _elsewhere,
    ),
    ArtifactCheck(
        "MP014",
        "signed in an old format only",
        Severity.LOW,
        "The signature holds, but only in cosign's first layout (a tag beside the model). New tools write Sigstore "
        "bundles as referrers, and some read nothing else; the tags are also easily lost in copies and clean-ups.",
        "`modelpack sign REFERENCE --key FILE --signature-format bundle` adds the newer one.",
        _legacy,
    ),
    ArtifactCheck(
        "MP015",
        "only the files are signed",
        Severity.MEDIUM,
        "An OpenSSF Model Signing signature covers all files, but neither the configuration nor the annotations nor "
        "which files belong together in this artifact. They can be changed without breaking it.",
        "`modelpack sign REFERENCE --key FILE` signs the manifest as well.",
        _files_only,
    ),
    ArtifactCheck(
        "MP016",
        "a broken signature is attached",
        Severity.MEDIUM,
        "Something is attached that calls itself a signature or an attestation and is malformed, altered, or about "
        "something else. It counts for nothing; but somebody put it there, or a tool did its job badly.",
        "Remove the attachment that the finding names (`modelpack rm --remote HOST/REPOSITORY@DIGEST`), after "
        "finding out who made it.",
        _broken,
    ),
    ArtifactCheck(
        "MP017",
        "more is attached than is looked at",
        Severity.MEDIUM,
        "So much is attached to the manifest that a bound was reached. What counts may be among the rest: junk can "
        "be used to hide a signature, or to make every verification slow.",
        "Find out what attaches so much, and remove what is not needed.",
        _too_many,
    ),
)
