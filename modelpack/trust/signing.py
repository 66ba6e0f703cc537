"""Sign: one key, and by default every format that the world checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from modelpack.errors import InputError
from modelpack.oci import Descriptor, Digest, JSONObject, Manifest, dumps
from modelpack.store import BytesSource, Rewriting, Store, merged, tag_of
from modelpack.trust import notary
from modelpack.trust.cosign import (
    SIGNED,
    SimplePayload,
    attestation_manifest,
    bundle_manifest,
    signature_manifest,
)
from modelpack.trust.envelope import IN_TOTO, Envelope, Statement, build, pae
from modelpack.trust.envelope.base64text import encode
from modelpack.trust.evidence import Kind, Status
from modelpack.trust.found import Found, find
from modelpack.trust.judging import Target, judge
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keys import SIGNING, Signer
from modelpack.trust.notary import NotaryIdentity
from modelpack.trust.oms import OMS, FileList, oms_hint, oms_kinds
from modelpack.trust.seal import Circumstances, Identity
from modelpack.trust.x509 import load_certificates


class SignatureFormat(StrEnum):
    """In which form to sign."""

    BUNDLE = "bundle"
    """A Sigstore bundle as a referrer: cosign 3, Kyverno, policy-controller, GitHub."""

    TAG = "tag"
    """cosign's first layout under a tag: podman, CRI-O, skopeo, Harbor, Kyverno, and cosign before 3."""

    OMS = "oms"
    """OpenSSF Model Signing: ``model_signing verify`` on the files."""

    NOTARY = "notary"
    """The Notary Project: notation, Ratify, Kyverno, AWS Signer. Needs certificates."""


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
    certificates: bytes = b"",
    expiry: datetime | None = None,
) -> Signed:
    """Sign a manifest or an index by its digest; no layer is read. What this key has signed already, with the same
    annotations and (where that is signed too) under the same name, is not signed again.

    ``reference`` (``registry.example/ml/minilm:v1``) goes into cosign's first layout, where podman compares it. Without
    ``formats`` all are written that key and model allow. ``annotations`` are signed too, but not in OpenSSF's format.
    ``certificates`` (PEM: the key's own, then its issuers up to the root) are for the Notary Project; so is ``expiry``.

    Raises InputError (a format that was asked for and is not possible), and the store's errors.
    """
    chosen, notes = _formats(signer, target, formats, certificates=bool(certificates))
    name = reference.rpartition("@")[0] or reference
    own = _own_identities(signer, certificates)
    there = {
        form: one.carrier.plain()
        for one in find(store, target.descriptor)[0]
        if (form := _says(one, name, annotations or {}))
        and judge(one, target, own, Circumstances(now)).status is Status.VERIFIED
    }
    writer = _Writer(store, target, signer, now, name, annotations or {}, certificates, expiry)
    carriers = {wanted: there.get(wanted) or writer.write(wanted) for wanted in chosen}
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
    _push_blobs(store, manifest, b"{}", bundle)
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
    signer: Signer, target: Target, wanted: Sequence[SignatureFormat] | None, *, certificates: bool
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
        if SignatureFormat.NOTARY in wanted and not certificates:
            raise InputError(
                "the Notary Project signs with certificates", hint="give the chain of the key's certificate"
            )
        return tuple(dict.fromkeys(wanted)), ()
    impossible = {SignatureFormat.OMS: bool(reason), SignatureFormat.NOTARY: not certificates}
    formats = tuple(one for one in SignatureFormat if not impossible.get(one))
    return formats, (f"no model.sig: {reason}",) if reason and target.files != {} else ()


def _says(found: Found, name: str, annotations: Mapping[str, str]) -> SignatureFormat | None:
    """The format in which a signature, if it holds, says just what would be said now."""
    match found.claim:
        case SimplePayload() as payload if (payload.reference, payload.annotations) == (name, annotations):
            return SignatureFormat.TAG
        case Descriptor() as artifact if artifact.annotations == annotations:
            return SignatureFormat.NOTARY
        case Statement() if found.format == "bundle" and found.kind is Kind.MODEL:
            return SignatureFormat.OMS
        case Statement() as statement if found.format == "bundle" and found.kind is Kind.SIGNATURE:
            return SignatureFormat.BUNDLE if statement.subjects[0].annotations == annotations else None
    return None


def _own_identities(signer: Signer, certificates: bytes) -> tuple[Identity, ...]:
    """Who recognises what this signer has signed before."""
    own = KeyIdentity(signer.public_key)
    if not certificates:
        return (own,)
    chain = load_certificates(certificates, "the chain")
    with suppress(InputError):  # a subject that trust policies cannot name; then it is signed again
        return own, NotaryIdentity.pinned("the chain", chain[-1:], str(chain[0].name))
    return (own,)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes signatures of one target, each in its format."""

    store: Store
    target: Target
    signer: Signer
    now: datetime
    name: str
    annotations: Mapping[str, str]
    certificates: bytes
    expiry: datetime | None

    def write(self, wanted: SignatureFormat) -> Descriptor:
        """Sign and attach; the manifest that carries the signature."""
        match wanted:
            case SignatureFormat.BUNDLE:
                return self._bundle()
            case SignatureFormat.TAG:
                return self._tag()
            case SignatureFormat.OMS:
                return self._model()
            case SignatureFormat.NOTARY:
                return self._notary()

    def _bundle(self) -> Descriptor:
        statement = Statement.build(SIGNED, {}, self.target.descriptor.digest, annotations=self.annotations)
        bundle = build(_sealed(statement, self.signer), hint=self.signer.public_key.hint)
        return push_bundle(self.store, self.target.descriptor, bundle, SIGNED, self.now)

    def _tag(self) -> Descriptor:
        digest = self.target.descriptor.digest
        payload = SimplePayload(digest, self.name, self.annotations).to_bytes()
        signature = encode(self.signer.sign(payload, SIGNING[self.signer.public_key.kind]))
        manifest, config = signature_manifest(payload, signature)
        return _push_tag(self.store, digest, "sig", manifest, config, payload)

    def _model(self) -> Descriptor:
        name = self.name.rpartition("/")[2].partition(":")[0]
        bundle = model_signature(self.target.files or {}, self.signer, name)
        return push_bundle(self.store, self.target.descriptor, bundle, OMS, self.now)

    def _notary(self) -> Descriptor:
        target = self.target.descriptor
        envelope = notary.sign(
            target, self.signer, self.certificates, now=self.now, expiry=self.expiry, annotations=self.annotations
        )
        manifest = notary.signature_manifest(target, envelope, created=self.now)
        _push_blobs(self.store, manifest, notary.EMPTY, envelope)
        self.store.push(manifest.descriptor, BytesSource(manifest.raw))
        return manifest.descriptor


def _sealed(statement: Statement, signer: Signer) -> Envelope:
    signature = signer.sign(pae(IN_TOTO, statement.raw), SIGNING[signer.public_key.kind])
    return Envelope(IN_TOTO, statement.raw, signature)


def _push_blobs(store: Store, manifest: Manifest, config: bytes, content: bytes) -> None:
    """What must be there before a manifest of one layer is."""
    store.push(manifest.config, BytesSource(config))
    store.push(manifest.layers[0], BytesSource(content))


def _push_tag(
    store: Store, subject: Digest, kind: str, manifest: Manifest, config: bytes, content: bytes
) -> Descriptor:
    """Add a layer to what others may have put under cosign's tag already."""
    if not isinstance(store, Rewriting):
        raise InputError("this store cannot hold cosign's tags")
    _push_blobs(store, manifest, config, content)
    tag = tag_of(subject, kind)
    store.rewrite(tag, lambda known: merged(known, manifest))
    return store.resolve(tag)
