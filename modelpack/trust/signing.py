"""Sign: one key, and by default every format that the world checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from modelpack.errors import InputError
from modelpack.oci import Descriptor, Digest, JSONObject, Manifest, dumps
from modelpack.store import BytesSource, Rewriting, Store, merged, tag_of
from modelpack.trust.cosign import (
    SIGNED,
    SimplePayload,
    attestation_manifest,
    bundle_manifest,
    signature_manifest,
)
from modelpack.trust.envelope import BUNDLE, IN_TOTO, Envelope, Statement, build, pae
from modelpack.trust.envelope.base64text import encode
from modelpack.trust.evidence import Kind, Status
from modelpack.trust.judging import Target, gather
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keys import SIGNING, Signer
from modelpack.trust.oms import OMS, FileList, oms_hint, oms_kinds
from modelpack.trust.seal import Circumstances


class SignatureFormat(StrEnum):
    """In which form to sign."""

    BUNDLE = "bundle"
    """A Sigstore bundle as a referrer: cosign 3, Kyverno, policy-controller, GitHub."""

    TAG = "tag"
    """cosign's first layout under a tag: podman, CRI-O, skopeo, Harbor, Kyverno, and cosign before 3."""

    OMS = "oms"
    """OpenSSF Model Signing: ``model_signing verify`` on the files."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What signing did: the manifest that carries each signature; ``existing`` ones were there already and hold.

    ``notes`` say what was left out and why.
    """

    descriptor: Descriptor
    carriers: Mapping[SignatureFormat, Descriptor]
    existing: frozenset[SignatureFormat] = frozenset()
    notes: tuple[str, ...] = ()


def sign(
    store: Store,
    target: Target,
    signer: Signer,
    *,
    now: datetime,
    reference: str = "",
    formats: Sequence[SignatureFormat] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Signed:
    """Sign a manifest or an index by its digest; no layer is read. What this key has signed already is not signed again.

    ``reference`` (``registry.example/ml/minilm:v1``) goes into cosign's first layout, where podman compares it. Without
    ``formats`` all are written that key and model allow. ``annotations`` are signed too, in cosign's formats.

    Raises InputError (a format that was asked for and is not possible), and the store's errors.
    """
    name = reference.rpartition("@")[0] or reference
    chosen, notes = _formats(signer, target, formats)
    circumstances = Circumstances(now)
    evidence = gather(store, target, (KeyIdentity(signer.public_key),), circumstances)
    there = {
        _format(one.kind, one.format): one.carrier
        for one in evidence.signatures
        if one.status is Status.VERIFIED and one.kind is not Kind.ATTESTATION
    }
    if annotations:  # an older signature does not say them
        there = {}
    carriers = {
        wanted: there.get(wanted) or _write(wanted, store, target, signer, now, name, annotations or {})
        for wanted in chosen
    }
    return Signed(target.descriptor, carriers, frozenset(there) & frozenset(chosen), notes)


def attest(
    store: Store,
    target: Descriptor,
    signer: Signer,
    predicate_type: str,
    predicate: JSONObject,
    *,
    now: datetime,
    name: str = "",
    tag: bool = False,
) -> Descriptor:
    """Sign a statement about a manifest and attach it as a Sigstore bundle; with ``tag`` under cosign's ``.att`` tag too.

    Raises the store's errors.
    """
    envelope = _sealed(Statement.build(predicate_type, predicate, target.digest, name=name), signer)
    bundle = build(envelope, hint=signer.public_key.hint)
    if tag:
        raw = dumps(envelope.to_json())
        manifest, config = attestation_manifest(raw, predicate_type)
        _push_tag(store, target.digest, "att", manifest, config, raw)
    return push_bundle(store, target, bundle, predicate_type, now)


def push_bundle(store: Store, target: Descriptor, bundle: bytes, predicate_type: str, now: datetime) -> Descriptor:
    """Attach a Sigstore bundle, byte for byte."""
    manifest = bundle_manifest(target, bundle, predicate_type, now)
    store.push(manifest.config, BytesSource(b"{}"))
    store.push_bytes(BUNDLE, bundle)
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest.descriptor


def model_signature(files: Mapping[str, Digest], signer: Signer, name: str) -> bytes:
    """OpenSSF Model Signing: a bundle for the files of a model, as ``model_signing`` writes it to ``model.sig``.

    Raises InputError for keys that the specification does not allow, and for no files.
    """
    if signer.public_key.kind not in oms_kinds:
        raise InputError(f"OpenSSF Model Signing allows only ECDSA keys, not {signer.public_key.kind}")
    statement = FileList.of_files(files).to_statement(name or "model")
    return build(_sealed(statement, signer), hint=oms_hint(signer.public_key))


def _formats(
    signer: Signer, target: Target, wanted: Sequence[SignatureFormat] | None
) -> tuple[tuple[SignatureFormat, ...], tuple[str, ...]]:
    """The formats to write, and why one is left out that was not asked for by name."""
    reason = ""
    if signer.public_key.kind not in oms_kinds:
        reason = f"OpenSSF Model Signing allows only ECDSA keys, not {signer.public_key.kind}"
    elif not target.files:
        reason = "OpenSSF Model Signing needs a digest for every file, and the manifest holds archives or no files"
    if wanted is not None:
        if SignatureFormat.OMS in wanted and reason:
            raise InputError(reason, hint="leave the format oms out")
        return tuple(dict.fromkeys(wanted)), ()
    formats = tuple(one for one in SignatureFormat if one is not SignatureFormat.OMS or not reason)
    return formats, (f"no model.sig: {reason}",) if reason and target.files != {} else ()


def _format(kind: Kind, name: str) -> SignatureFormat:
    return SignatureFormat.OMS if kind is Kind.MODEL else SignatureFormat(name)


def _write(
    wanted: SignatureFormat,
    store: Store,
    target: Target,
    signer: Signer,
    now: datetime,
    name: str,
    annotations: Mapping[str, str],
) -> Descriptor:
    descriptor = target.descriptor
    if wanted is SignatureFormat.TAG:
        payload = SimplePayload(descriptor.digest, name, annotations).to_bytes()
        signature = encode(signer.sign(payload, SIGNING[signer.public_key.kind]))
        manifest, config = signature_manifest(payload, signature)
        return _push_tag(store, descriptor.digest, "sig", manifest, config, payload)
    if wanted is SignatureFormat.OMS:
        bundle = model_signature(target.files or {}, signer, name.rpartition("/")[2].partition(":")[0])
        return push_bundle(store, descriptor, bundle, OMS, now)
    statement = Statement.build(SIGNED, {}, descriptor.digest, annotations=annotations)
    bundle = build(_sealed(statement, signer), hint=signer.public_key.hint)
    return push_bundle(store, descriptor, bundle, SIGNED, now)


def _sealed(statement: Statement, signer: Signer) -> Envelope:
    signature = signer.sign(pae(IN_TOTO, statement.raw), SIGNING[signer.public_key.kind])
    return Envelope(IN_TOTO, statement.raw, signature)


def _push_tag(
    store: Store, subject: Digest, kind: str, manifest: Manifest, config: bytes, content: bytes
) -> Descriptor:
    """Add a layer to what others may have put under cosign's tag already."""
    if not isinstance(store, Rewriting):
        raise InputError("this store cannot hold cosign's tags")
    store.push(manifest.config, BytesSource(config))
    store.push(manifest.layers[0], BytesSource(content))
    tag = tag_of(subject, kind)
    store.rewrite(tag, lambda known: merged(known, manifest))
    return store.resolve(tag)
