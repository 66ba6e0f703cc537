"""Verify: evidence against a policy. It raises, or returns what unpacking asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from modelpack.errors import (
    BadSignature,
    CannotVerify,
    ModelPackError,
    NoSignature,
    PolicyViolation,
    UntrustedIdentity,
)
from modelpack.oci import Descriptor
from modelpack.store import Observer, Store, ignore
from modelpack.trust.envelope import BUNDLE, Bundle
from modelpack.trust.evidence import Evidence, Kind, Signature, Status
from modelpack.trust.found import Found, statement_in
from modelpack.trust.judging import Target, gather, judge
from modelpack.trust.oms import FileList, check_folder
from modelpack.trust.policy import InsecureAcceptAnything, Policy
from modelpack.trust.seal import Circumstances


@dataclass(frozen=True, slots=True)
class Verified:
    """What a policy was satisfied with: ``descriptor`` of a manifest or an index in a ``store``, and the ``evidence``.

    From here on only the digest counts; ``reference`` is for people. Only :func:`verify` makes these.
    """

    store: Store
    descriptor: Descriptor
    reference: str
    policy: Policy
    evidence: Evidence

    @property
    def is_vouched_for(self) -> bool:
        """Whether anybody who is trusted has signed it, or something about it: not if only a policy that accepts anything,
        alone or as one of several, was satisfied.
        """
        return any(one.status is Status.VERIFIED for one in self.evidence.signatures)


def verify(
    store: Store,
    target: Target,
    policy: Policy,
    circumstances: Circumstances,
    *,
    reference: str = "",
    jobs: int = 4,
) -> Verified:
    """Judge what is attached to a manifest or an index, as a policy asks.

    Raises NoSignature, UntrustedIdentity, BadSignature, CannotVerify or PolicyViolation, each with the evidence; and the
    store's errors: a registry that cannot be asked is not one without signatures.
    """
    name = reference or str(target.descriptor.digest)
    if isinstance(policy, InsecureAcceptAnything):
        return Verified(store, target.descriptor, name, policy, Evidence(target.descriptor))
    evidence = gather(store, target, policy.identities, circumstances, jobs=jobs)
    if findings := policy.findings(evidence):
        raise refusal(name, findings, evidence)
    return Verified(store, target.descriptor, name, policy, evidence)


def verify_folder(
    folder: Path,
    raw: bytes,
    policy: Policy,
    circumstances: Circumstances,
    *,
    besides: Path | None = None,
    ignore_unsigned: bool = False,
    jobs: int = 4,
    observe: Observer = ignore,
) -> Evidence:
    """Judge an OpenSSF Model Signing bundle (``raw``) and then compare every file with what it lists.

    ``besides`` is the bundle's own file, which may lie in the folder. Raises as :func:`verify`, DocumentError (no such
    bundle), InputError (a file cannot be read).
    """
    bundle = Bundle.parse(raw)
    statement = statement_in(bundle.envelope)
    blob = Descriptor.of(BUNDLE, raw)
    found = Found(blob, "bundle", blob, bundle.seal, statement)
    listed = FileList.from_statement(statement)
    # Here the question is about the files, so this is the signature that answers it.
    judged = replace(judge(found, None, policy.identities, circumstances), kind=Kind.SIGNATURE)
    evidence = Evidence(found.carrier, (judged,))
    if findings := policy.findings(evidence):
        raise refusal(str(besides or "the signature"), findings, evidence)
    check_folder(folder, listed, besides=besides, ignore_unsigned=ignore_unsigned, jobs=jobs, observe=observe)
    return evidence


def refusal(name: str, findings: tuple[str, ...], evidence: Evidence) -> ModelPackError:
    """The error that says why, and what to do."""
    by_status = {status: [one for one in evidence.signatures if one.status is status] for status in Status}
    wanted = findings[0]
    if by_status[Status.VERIFIED]:
        message = f"{name} does not satisfy the policy: {'; '.join(findings)}"
        return PolicyViolation(message, findings=findings, evidence=evidence)
    if evidence.skipped or by_status[Status.UNCHECKED]:
        why = (
            _first(by_status[Status.UNCHECKED]) or f"{evidence.skipped} signatures more are attached than are looked at"
        )
        return CannotVerify(f"{name} could not be verified: {wanted}; {why}", evidence=evidence)
    if by_status[Status.BAD]:
        hint = "do not use it; ask who published it"
        reason = _first(by_status[Status.BAD])
        return BadSignature(f"{name} has no good signature: {wanted}; {reason}", hint=hint, evidence=evidence)
    if evidence.signatures:
        message = f"{name} is signed, but not by anybody trusted: {wanted}; {_first(list(evidence.signatures))}"
        hint = "is it the right key? modelpack tree shows what is attached"
        return UntrustedIdentity(message, hint=hint, evidence=evidence)
    hint = "modelpack sign REFERENCE --key FILE signs it; copies made without attachments lose signatures"
    return NoSignature(f"{name} is not signed: {wanted}", hint=hint, evidence=evidence)


def _first(signatures: list[Signature]) -> str:
    return signatures[0].reason if signatures else ""
