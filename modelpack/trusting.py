"""Sign, attest and verify, over references and folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from modelpack.access import Access, local_name, resolve
from modelpack.errors import InputError, UnsupportedFormat
from modelpack.oci import Codec, Descriptor, Digest, JSONObject, Kind, Manifest, Reference
from modelpack.paths import MODEL_SIGNATURE
from modelpack.store import Attachment, LayoutStore, Observer, Store, attachments, ignore
from modelpack.trust import (
    MAX_BUNDLE,
    MAX_CARRIERS,
    OMS,
    SIGNED,
    Circumstances,
    Evidence,
    InsecureAcceptAnything,
    Policy,
    PolicyFile,
    Signature,
    SignatureFormat,
    Signed,
    Signer,
    Statement,
    Target,
    Verified,
    gather,
    push_bundle,
    read_file,
    verify_folder,
)
from modelpack.trust import Kind as SignatureKind
from modelpack.trust import attest as attest_target
from modelpack.trust import sign as sign_target
from modelpack.trust import sign_keyless as keyless_bundle
from modelpack.trust import verify as verify_target
from modelpack.unpack import LayerEntry, contents

_MAX_STEPS = 3
_TITLES = {SIGNED: "cosign signature", OMS: "model signature (OpenSSF)"}
"""Statements that say no more than "I vouch for this" are called so; others by the type of what they say."""


def sign(
    reference: str,
    signer: Signer,
    *,
    formats: Sequence[SignatureFormat | str] | None = None,
    annotations: Mapping[str, str] | None = None,
    files: Mapping[str, Digest] | None = None,
    certificates: bytes = b"",
    expiry: datetime | None = None,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Signed:
    """Sign a model by its digest: the tag is resolved once, and no weights are read.

    ``files`` are digests by path as :class:`modelpack.Packed` has them; without them the manifest's are taken, which say nothing
    of files inside archives. ``certificates`` (PEM: the key's own, then its issuers up to the root) also sign for the Notary
    Project, until ``expiry`` if that is given. ``local`` is a local store to look into instead of the registry. A second call
    changes nothing.

    Raises InvalidReference, NotFound, InputError (a format that key or model do not allow), and the registry's errors.
    """
    access = access or Access()
    where = Reference.parse(reference)
    chosen = None if formats is None else tuple(map(_format, formats))
    with store_of(where, local, access) as store:
        target = target_of(store, resolve_in(store, where, local))
        if files is not None:
            target = Target(target.descriptor, files)
        return sign_target(
            store,
            target,
            signer,
            now=datetime.now(UTC),
            # The digest is signed in any case; what podman compares is the name that was used.
            reference="" if where.layout else str(replace(where, digest=None)),
            formats=chosen,
            annotations=annotations,
            certificates=certificates,
            expiry=expiry,
        )


def sign_keyless(
    reference: str,
    token: str,
    *,
    trust_config: bytes | None = None,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Descriptor:
    """Sign a model with an account at an identity provider instead of a key (extra ``keyless``), and attach the bundle.

    ``token`` is an OpenID Connect identity token for the audience ``sigstore``; ``trust_config`` a ClientTrustConfig (JSON) of a
    private instance, None for the public one, where the account's name is published for ever. Returns the descriptor of the
    manifest that carries the signature. Raises as :func:`sign`, AccessDenied (the token is refused), Unavailable.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with store_of(where, local, access) as store:
        descriptor = resolve_in(store, where, local)
        # sigstore-python wants a subject to have a name; cosign does not look at it.
        statement = Statement.build(SIGNED, {}, descriptor.digest, name=where.place or "model")
        bundle = keyless_bundle(statement.raw, token=token, trust_config=trust_config)
        return push_bundle(store, descriptor, bundle, SIGNED, datetime.now(UTC))


def attest(
    reference: str,
    signer: Signer,
    predicate_type: str,
    predicate: JSONObject,
    *,
    tag: bool = False,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Descriptor:
    """Sign a statement about a model, and attach it (in-toto attestation framework v1, in a Sigstore bundle).

    ``tag`` also writes cosign's older ``.att`` tag. Returns the descriptor of the manifest that carries it. Raises as
    :func:`sign`.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with store_of(where, local, access) as store:
        descriptor = resolve_in(store, where, local)
        return attest_target(store, descriptor, signer, predicate_type, predicate, now=datetime.now(UTC), tag=tag)


def verify(
    reference: str,
    *,
    policy: Policy | PolicyFile,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Verified:
    """Find out whether a model satisfies a policy. The tag is resolved once; what comes back names the digest.

    Raises NoSignature, UntrustedIdentity, BadSignature, CannotVerify, PolicyViolation, each with ``evidence``; InvalidReference,
    NotFound, and the registry's errors: what could not be asked for is not absent.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with store_of(where, local, access) as store:
        return verify_at(store, resolve_in(store, where, local), where, policy, access)


def verify_at(
    store: Store, descriptor: Descriptor, where: Reference, policy: Policy | PolicyFile, access: Access
) -> Verified:
    """The same for what was resolved already."""
    chosen = policy.for_reference(where) if isinstance(policy, PolicyFile) else policy
    target = Target(descriptor) if isinstance(chosen, InsecureAcceptAnything) else target_of(store, descriptor)
    return verify_target(store, target, chosen, _circumstances(where), reference=str(where), jobs=access.jobs)


def evidence(
    reference: str,
    *,
    policy: Policy | PolicyFile | None = None,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Evidence:
    """All signatures of a model with a verdict on each, whether or not they satisfy a policy; without one nobody is trusted.

    Raises InvalidReference, NotFound, PolicyViolation (a policy file that does not speak of it), and the registry's errors.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with store_of(where, local, access) as store:
        return _gather(store, resolve_in(store, where, local), where, policy, access)


def _gather(
    store: Store, descriptor: Descriptor, where: Reference, policy: Policy | PolicyFile | None, access: Access
) -> Evidence:
    chosen = policy.for_reference(where) if isinstance(policy, PolicyFile) else policy
    identities = chosen.identities if chosen else ()
    return gather(store, target_of(store, descriptor), identities, _circumstances(where), jobs=access.jobs)


@dataclass(frozen=True, slots=True)
class Branch:
    """A manifest, what it is, and what is attached to it. ``tag`` is cosign's, or empty for a referrer."""

    descriptor: Descriptor
    title: str
    tag: str = ""
    signatures: tuple[Signature, ...] = ()
    branches: tuple[Branch, ...] = ()

    def to_json(self) -> JSONObject:
        """For programs."""
        return {
            "digest": str(self.descriptor.digest),
            "mediaType": self.descriptor.media_type,
            "type": self.title,
            "tag": self.tag,
            "signatures": [one.to_json() for one in self.signatures],
            "attached": [branch.to_json() for branch in self.branches],
        }


def tree(
    reference: str,
    *,
    policy: Policy | PolicyFile | None = None,
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> Branch:
    """What is attached to a model, and to that, down to three steps; with a verdict on each signature of the model.

    Raises InvalidReference, NotFound, PolicyViolation (a policy file that does not speak of it), and the registry's errors.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with store_of(where, local, access) as store:
        descriptor = resolve_in(store, where, local)
        found = _gather(store, descriptor, where, policy, access)
        return Branch(descriptor, "", branches=_branches(store, descriptor, found, _MAX_STEPS))


def _branches(store: Store, subject: Descriptor, found: Evidence | None, steps: int) -> tuple[Branch, ...]:
    """One level of a tree, and those below it."""
    if not steps:
        return ()
    return tuple(
        Branch(
            attachment.descriptor,
            _title(attachment, signatures := _of(found, attachment.descriptor)),
            attachment.tag,
            signatures,
            _branches(store, attachment.descriptor, None, steps - 1),
        )
        for attachment in attachments(store, subject, tags=found is not None)[:MAX_CARRIERS]
    )


def _of(found: Evidence | None, carrier: Descriptor) -> tuple[Signature, ...]:
    return tuple(one for one in found.signatures if one.carrier.digest == carrier.digest) if found else ()


def _title(attachment: Attachment, signatures: tuple[Signature, ...]) -> str:
    """What a signed statement says that it is; else the artifact type, which anybody can write."""
    if attachment.tag:
        return f"cosign tag .{attachment.tag.rpartition('.')[2]}"
    types = dict.fromkeys(_TITLES.get(one.predicate_type, one.predicate_type) for one in signatures)
    return ", ".join(filter(None, types)) or attachment.descriptor.artifact_type or attachment.descriptor.media_type


def verify_files(
    folder: str | Path,
    signature: str | Path,
    *,
    policy: Policy,
    ignore_unsigned: bool = False,
    jobs: int = 4,
    observe: Observer = ignore,
) -> Evidence:
    """Verify files on disk against an OpenSSF Model Signing bundle (``model.sig``), offline.

    Files that are not signed are an error unless ``ignore_unsigned``. Raises as :func:`verify`.
    """
    raw = read_file(Path(signature), MAX_BUNDLE)
    return verify_folder(
        Path(folder),
        raw,
        policy,
        Circumstances(datetime.now(UTC)),
        besides=Path(signature),
        ignore_unsigned=ignore_unsigned,
        jobs=jobs,
        observe=observe,
    )


def model_signature(verified: Verified, manifest: Manifest) -> tuple[LayerEntry, ...]:
    """The verified OpenSSF Model Signing bundle of a model, as one more file to unpack; nothing if it has none, or if a file of
    its own has the name.
    """
    for one in verified.evidence.verified(SignatureKind.MODEL):
        # The very layer that was verified: its manifest may have others.
        if one.blob is not None and one.format == "bundle":
            if any(entry.path == MODEL_SIGNATURE for entry in contents(manifest)):
                break
            return (LayerEntry(MODEL_SIGNATURE, Kind.DOC, Codec.RAW, one.blob.size, one.blob),)
    return ()


def store_of(where: Reference, local: LayoutStore | None, access: Access) -> Store:
    """The store that a reference names, or the local one if that is asked."""
    return local if local is not None and not where.layout else access.open(where)


def resolve_in(store: Store, where: Reference, local: LayoutStore | None) -> Descriptor:
    """What a reference names there. Raises NotFound."""
    return store.resolve(local_name(where)) if store is local else resolve(store, where)


def target_of(store: Store, descriptor: Descriptor) -> Target:
    """With the digests of all files, if the manifest says them: raw layers are files."""
    document = store.document(descriptor)
    try:
        entries = contents(document) if isinstance(document, Manifest) else ()
    except UnsupportedFormat:  # something else than a model can be signed too
        entries = ()
    if not all(entry.is_file for entry in entries):
        return Target(descriptor)
    return Target(descriptor, {entry.path: entry.descriptor.digest for entry in entries})


def _circumstances(where: Reference) -> Circumstances:
    return Circumstances(datetime.now(UTC), where.place)


def _format(name: str) -> SignatureFormat:
    try:
        return SignatureFormat(name)
    except ValueError:
        known = ", ".join(SignatureFormat)
        raise InputError(f"{name!r} is not a signature format", hint=f"one of {known}") from None
