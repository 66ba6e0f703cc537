"""Each signature that was found, before each identity that is trusted: a verdict with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelpack.errors import (
    BadSignature,
    CannotVerify,
    DocumentError,
    InputError,
    ModelPackError,
    NotFound,
    UntrustedIdentity,
    VerificationError,
)
from modelpack.oci import Descriptor, Digest
from modelpack.store import Store
from modelpack.trust.cosign import SimplePayload
from modelpack.trust.envelope import Statement
from modelpack.trust.evidence import Evidence, Kind, Signature, Status
from modelpack.trust.found import Found, find
from modelpack.trust.oms import FileList
from modelpack.trust.seal import Cause, Circumstances, Identity, Voucher


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked about. ``files`` are the SHA-256 of the model's files by path, as far as the manifest says them; None if it
    does not say all of them (archives).
    """

    descriptor: Descriptor
    files: Mapping[str, Digest] | None = None


def gather(
    store: Store, target: Target, identities: Sequence[Identity], circumstances: Circumstances, *, jobs: int = 4
) -> Evidence:
    """Find all signatures of a manifest or an index and judge each.

    Raises InputError (two identities of one name), and AccessDenied, Unavailable, RegistryError: what could not be asked for
    is not absent.
    """
    known = {identity.name: identity for identity in identities}
    if any(known[identity.name] is not identity for identity in identities if identity != known[identity.name]):
        raise InputError("two trusted identities have the same name")
    found, skipped = find(store, target.descriptor, jobs=jobs)
    judged = tuple(judge(one, target, tuple(known.values()), circumstances) for one in found)
    return Evidence(target.descriptor, judged, skipped)


def judge(
    found: Found, target: Target | None, identities: Sequence[Identity], circumstances: Circumstances
) -> Signature:
    """The verdict on one signature; without a ``target`` it may be about anything."""
    status, reason, vouchers, cause = _verdict(found, target, identities, circumstances)
    return Signature(
        carrier=found.carrier,
        format=found.format,
        kind=found.kind,
        status=status,
        reason=reason,
        predicate_type=found.predicate_type,
        statement=found.claim if isinstance(found.claim, Statement) else None,
        vouchers=vouchers,
        blob=found.blob,
        cause=cause,
    )


def _verdict(
    found: Found, target: Target | None, identities: Sequence[Identity], circumstances: Circumstances
) -> tuple[Status, str, tuple[Voucher, ...], Cause]:
    if found.problem is not None:
        unknown = isinstance(found.problem, NotFound | CannotVerify)
        status = Status.UNCHECKED if unknown else Status.BAD
        return status, str(found.problem), (), _cause(found.problem)
    try:
        if target is not None:
            _check_binding(found, target)
    except (BadSignature, DocumentError) as error:
        return Status.BAD, str(error), (), _cause(error)
    except CannotVerify as error:
        return Status.UNCHECKED, str(error), (), _cause(error)
    return _ask(found, identities, circumstances)


def _ask(
    found: Found, identities: Sequence[Identity], circumstances: Circumstances
) -> tuple[Status, str, tuple[Voucher, ...], Cause]:
    """One identity that vouches is enough; else the gravest of what they say."""
    assert found.seal is not None  # noqa: S101  # there was no problem
    vouchers: list[Voucher] = []
    said: dict[Status, list[ModelPackError]] = {Status.BAD: [], Status.UNCHECKED: [], Status.UNTRUSTED: []}
    for identity in identities:
        try:
            vouchers.append(identity.check(found.seal, circumstances))
        except ModelPackError as error:
            said[_status(error)].append(error)
    if vouchers:
        remarks = "; ".join(remark for voucher in vouchers for remark in voucher.remarks)
        return Status.VERIFIED, remarks, tuple(vouchers), Cause.NONE
    if not identities:
        return Status.UNCHECKED, "nobody is trusted here who could have made it", (), Cause.UNKNOWN_SIGNER
    status = next(status for status, errors in said.items() if errors)
    reasons = list(dict.fromkeys(map(str, said[status])))
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    return status, "; ".join(reasons[:3]) + more, (), min(map(_cause, said[status]), key=_GRAVITY.index)


_GRAVITY = [
    Cause.REVOKED,
    Cause.EXPIRED,
    Cause.OTHER_SUBJECT,
    Cause.BROKEN,
    Cause.UNREADABLE,
    Cause.UNSUPPORTED,
    Cause.UNKNOWN_SIGNER,
]
"""Of several causes the first is told."""


def _cause(error: ModelPackError) -> Cause:
    match error:
        case VerificationError(cause=word) if word:
            return Cause(word)
        case UntrustedIdentity():
            return Cause.UNKNOWN_SIGNER
        case BadSignature():
            return Cause.BROKEN
        case CannotVerify():
            return Cause.UNSUPPORTED
    return Cause.UNREADABLE


def _status(error: ModelPackError) -> Status:
    match error:
        case UntrustedIdentity():
            return Status.UNTRUSTED
        case BadSignature() | DocumentError():
            return Status.BAD
    return Status.UNCHECKED


def _check_binding(found: Found, target: Target) -> None:
    """Whether it speaks of what is asked about, by what was signed and nothing else. Raises BadSignature, CannotVerify."""
    descriptor = target.descriptor
    match found.claim:
        case Statement() as statement if found.kind is Kind.MODEL:
            _check_files(FileList.from_statement(statement), target)
        case Statement() as statement:
            if not statement.is_about(descriptor.digest):
                raise BadSignature("made for another manifest", cause=Cause.OTHER_SUBJECT)
        case SimplePayload(digest=digest):
            if digest != descriptor.digest:
                raise BadSignature(f"made for another manifest, {digest}", cause=Cause.OTHER_SUBJECT)
        case Descriptor(media_type=media_type, digest=digest, size=size):
            if (media_type, digest, size) != (descriptor.media_type, descriptor.digest, descriptor.size):
                raise BadSignature(f"made for another manifest, {digest}", cause=Cause.OTHER_SUBJECT)


def _check_files(listed: FileList, target: Target) -> None:
    if listed.algorithm != "sha256" or listed.shard:
        raise CannotVerify("lists other digests than a manifest has; pull the model and verify its files")
    if target.files is None:
        raise CannotVerify(
            "the manifest holds archives, whose files it does not list; pull the model and verify its files"
        )
    files = {path: bytes.fromhex(digest.hex) for path, digest in target.files.items()}
    if differences := listed.differences(files):
        raise BadSignature(f"made for other files: {differences[0]}", cause=Cause.OTHER_SUBJECT)
