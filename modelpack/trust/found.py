"""Reading what is attached: which of it is a signature, in what form, about what. Nothing is verified here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from modelpack.errors import (
    BadSignature,
    CannotVerify,
    ContentError,
    DocumentError,
    ModelPackError,
    NotFound,
    SizeMismatch,
)
from modelpack.oci import Descriptor, Index, Manifest, loads_object
from modelpack.oci.fields import Fields
from modelpack.store import Attachment, Store, attachments, each
from modelpack.trust import notary
from modelpack.trust.cosign import ATTESTATION_LAYER, SIGNATURE_LAYER, SIGNED, SimplePayload, simple_seal
from modelpack.trust.cosign.simple import MAX_PAYLOAD, annotated_seal
from modelpack.trust.envelope import IN_TOTO, MAX_BUNDLE, Bundle, Envelope, Statement
from modelpack.trust.evidence import Kind
from modelpack.trust.oms import OMS
from modelpack.trust.seal import Cause, Form, Seal

MAX_CARRIERS = 200
"""Attached manifests that are looked at."""

MAX_SEALS = 100
"""Signatures in one manifest: cosign's first layout has a layer for each."""

MAX_BYTES = 256 << 20
"""Bytes of all signatures together."""

_BUNDLE = "application/vnd.dev.sigstore.bundle"
_FORMATS = {SIGNATURE_LAYER: "tag", ATTESTATION_LAYER: "tag"}
_ENVELOPES = {notary.JWS: "jws", notary.COSE: "cose"}

Claim: TypeAlias = "Statement | SimplePayload | Descriptor"
"""What a signature says that it is about: a statement, a payload, or (Notary) the descriptor of a manifest."""


@dataclass(frozen=True, slots=True)
class Found:
    """One signature, read but not verified; or, with a ``problem``, one that could not be read. ``blob`` is the layer."""

    carrier: Descriptor
    format: str
    blob: Descriptor | None = None
    seal: Seal | None = None
    claim: Claim | None = None
    problem: ModelPackError | None = None

    @property
    def predicate_type(self) -> str:
        """What kind of statement it is; empty for those that are none."""
        return self.claim.predicate_type if isinstance(self.claim, Statement) else ""

    @property
    def kind(self) -> Kind:
        """What it says, if it holds."""
        if not isinstance(self.claim, Statement) or self.predicate_type == SIGNED:
            return Kind.SIGNATURE
        return Kind.MODEL if self.predicate_type == OMS else Kind.ATTESTATION


def find(store: Store, target: Descriptor, *, jobs: int = 4) -> tuple[tuple[Found, ...], int]:
    """All signatures that are attached to a manifest or an index, and how many carriers were left out because there are too many.

    Raises AccessDenied, Unavailable, RegistryError: what could not be asked for is not absent.
    """
    attached = attachments(store, target)
    several = each(lambda attachment: _manifest(store, target, attachment), attached[:MAX_CARRIERS], jobs)
    layers = [entry for entries in several for entry in entries]
    chosen, budget = [], MAX_BYTES
    for entry in layers:
        size = entry[1].size if isinstance(entry, tuple) else 0
        if size <= budget:  # one that says it is huge must not hide those that follow
            budget -= size
            chosen.append(entry)
    found = each(lambda entry: entry if isinstance(entry, Found) else _layer(store, *entry), chosen, jobs)
    return tuple(found), len(attached[MAX_CARRIERS:]) + len(layers) - len(chosen)


def _manifest(
    store: Store, target: Descriptor, attachment: Attachment
) -> list[Found | tuple[Descriptor, Descriptor, str]]:
    """The layers of one attachment that are signatures, with the format of each."""
    carrier = attachment.descriptor
    try:
        document = store.document(carrier)
    except (NotFound, ContentError, DocumentError) as error:
        return [Found(carrier, "", problem=error)]
    if isinstance(document, Index):
        return []
    if document.subject is not None and document.subject.digest != target.digest:
        problem = BadSignature("manifest: subject: attached to something else", cause=Cause.OTHER_SUBJECT)
        return [Found(carrier, "", problem=problem)]
    if notary.is_signature(document):
        return _envelope(carrier, document)
    layers = [layer for layer in document.layers if _format(layer)]
    if len(layers) > MAX_SEALS:
        reason = f"{len(layers)} signatures, more than the {MAX_SEALS} that are looked at"
        return [Found(carrier, "", problem=CannotVerify(reason))]
    return [_sized(carrier, layer, _format(layer)) for layer in layers]


def _envelope(carrier: Descriptor, document: Manifest) -> list[Found | tuple[Descriptor, Descriptor, str]]:
    try:
        layer = notary.envelope_in(document)
    except DocumentError as error:
        return [Found(carrier, "jws", problem=error)]
    return [_sized(carrier, layer, _ENVELOPES[layer.media_type])]


def _sized(carrier: Descriptor, layer: Descriptor, name: str) -> Found | tuple[Descriptor, Descriptor, str]:
    if layer.size > _limit(layer):
        reason = f"{layer.size} bytes, more than the {_limit(layer)} of a signature"
        return Found(carrier, name, layer, problem=SizeMismatch(reason))
    return carrier, layer, name


def _limit(layer: Descriptor) -> int:
    return MAX_PAYLOAD if layer.media_type == SIGNATURE_LAYER else MAX_BUNDLE


def _format(layer: Descriptor) -> str:
    if layer.media_type.startswith(_BUNDLE):
        return "bundle"
    return _FORMATS.get(layer.media_type, "")


def _layer(store: Store, carrier: Descriptor, layer: Descriptor, name: str) -> Found:
    try:
        raw = store.read(layer, limit=_limit(layer))
        seal, claim = _read(layer, raw)
    except (NotFound, ContentError, DocumentError, CannotVerify) as error:
        return Found(carrier, name, layer, problem=error)
    return Found(carrier, name, layer, seal, claim)


def _read(layer: Descriptor, raw: bytes) -> tuple[Seal, Claim]:
    if layer.media_type.startswith(_BUNDLE):
        bundle = Bundle.parse(raw)
        return bundle.seal, statement_in(bundle.envelope)
    if layer.media_type == SIGNATURE_LAYER:
        return simple_seal(layer, raw), SimplePayload.parse(raw)
    if layer.media_type in _ENVELOPES:
        return notary.read(layer.media_type, raw)
    envelope = Envelope.from_json(Fields(loads_object(raw, "envelope", limit=MAX_BUNDLE), "envelope"))
    return annotated_seal(layer, Form.DSSE, envelope.message, envelope.signature, raw), statement_in(envelope)


def statement_in(envelope: Envelope) -> Statement:
    """The statement that an envelope holds. Raises DocumentError, also for what says that it is something else."""
    if envelope.payload_type != IN_TOTO:
        raise DocumentError("envelope", "payloadType", f"{IN_TOTO} is required")
    return Statement.parse(envelope.payload)
