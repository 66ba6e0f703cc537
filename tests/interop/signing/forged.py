"""Signatures that are wrong in one way each, and how they get into a registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from modelpack import Digest, PrivateKey
from modelpack.errors import BadSignature, NotFound, UntrustedIdentity, VerificationError
from modelpack.oci import Descriptor, Index, Manifest
from modelpack.store import BytesSource, Store, merged, tag_of
from modelpack.trust import push_bundle
from modelpack.trust.cosign import SIGNED, SimplePayload, signature_manifest
from modelpack.trust.envelope import BUNDLE, IN_TOTO, Statement, pae
from modelpack.trust.envelope.base64text import encode
from modelpack.trust.keys import SIGNING

ELSEWHERE = Digest("sha256", "ab" * 32)
"""The digest of another model."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Who signs, for whom the signature is to be taken, and what it is attached to."""

    owner: PrivateKey
    stranger: PrivateKey
    victim: Digest


@dataclass(frozen=True, slots=True)
class Forgery:
    """``make`` gives what is attached; ``error`` is what we say. ``loose``: cosign does not look there."""

    make: Callable[[Hands], bytes]
    error: type[VerificationError]
    loose: bool = False


def sign(key: PrivateKey, message: bytes) -> str:
    return encode(key.sign(message, SIGNING[key.public_key.kind]))


def statement(digest: Digest, predicate_type: str = SIGNED, **annotations: str) -> bytes:
    return Statement.build(predicate_type, {}, digest, annotations=annotations).raw


def bundle(
    key: PrivateKey, signed: bytes, *, says: bytes = b"", kind: str = IN_TOTO, says_kind: str = "", hint: str = ""
) -> dict[str, object]:
    """A bundle that is right, unless it says something else than what was signed."""
    envelope = {
        "payload": encode(says or signed),
        "payloadType": says_kind or kind,
        "signatures": [{"sig": sign(key, pae(kind, signed))}],
    }
    material = {"publicKey": {"hint": hint or key.public_key.hint}, "tlogEntries": []}
    return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}


def _two_signatures(hands: Hands) -> bytes:
    made = json.loads(json.dumps(bundle(hands.owner, statement(hands.victim))))
    made["dsseEnvelope"]["signatures"].append({"sig": sign(hands.stranger, b"")})
    return json.dumps(made).encode()


def _blob_signature(hands: Hands) -> bytes:
    digest = {"algorithm": "SHA2_256", "digest": encode(bytes.fromhex(hands.victim.hex))}
    made = bundle(hands.owner, b"")
    del made["dsseEnvelope"]
    message = {"messageDigest": digest, "signature": sign(hands.owner, hands.victim.hex.encode())}
    return json.dumps({**made, "messageSignature": message}).encode()


def _twice(hands: Hands) -> bytes:
    """Two subjects' lists: parsers differ in which of them counts."""
    raw = statement(ELSEWHERE)
    return raw[:-1] + b',"subject":[{"digest":{"sha256":"%s"}}]}' % hands.victim.hex.encode()


def _json(make: Callable[[Hands], dict[str, object]]) -> Callable[[Hands], bytes]:
    return lambda hands: json.dumps(make(hands)).encode()


BUNDLES = {
    "another digest": Forgery(_json(lambda h: bundle(h.owner, statement(ELSEWHERE))), BadSignature),
    "altered payload": Forgery(
        _json(lambda h: bundle(h.owner, statement(h.victim), says=statement(h.victim, team="ml"))), BadSignature
    ),
    "swapped signature": Forgery(
        _json(lambda h: bundle(h.owner, statement(ELSEWHERE), says=statement(h.victim))), BadSignature
    ),
    "wrong payload type": Forgery(
        _json(lambda h: bundle(h.owner, statement(h.victim), kind="application/json")), BadSignature
    ),
    "altered payload type": Forgery(
        _json(lambda h: bundle(h.owner, statement(h.victim), says_kind="application/json")), BadSignature
    ),
    "somebody else's": Forgery(_json(lambda h: bundle(h.stranger, statement(h.victim))), UntrustedIdentity),
    "somebody else's with the owner's hint": Forgery(
        _json(lambda h: bundle(h.stranger, statement(h.victim), hint=h.owner.public_key.hint)), BadSignature
    ),
    "two signatures": Forgery(_two_signatures, BadSignature),
    "of a blob": Forgery(_blob_signature, BadSignature),
    "one member too many": Forgery(_json(lambda h: bundle(h.owner, statement(h.victim)) | {"x": 1}), BadSignature),
    "two lists of subjects": Forgery(_json(lambda h: bundle(h.owner, _twice(h))), BadSignature),
    "not JSON": Forgery(lambda h: b"{", BadSignature),
}


def simple(key: PrivateKey, signed: bytes, *, says: bytes = b"", signature: str = "") -> bytes:
    """What cosign's first layout holds, as JSON: payload and signature."""
    return json.dumps([(says or signed).decode(), signature or sign(key, signed)]).encode()


def payload(digest: Digest, **annotations: str) -> bytes:
    return SimplePayload(digest, "registry.example/tiny:v1", annotations).to_bytes()


def _retyped(hands: Hands) -> bytes:
    return simple(hands.owner, payload(hands.victim).replace(b"cosign container", b"atomic container"))


# Here nothing says whose signature it claims to be: one that does not hold may be somebody else's.
TAGS = {
    "another digest": Forgery(lambda h: simple(h.owner, payload(ELSEWHERE)), BadSignature),
    "altered payload": Forgery(
        lambda h: simple(h.owner, payload(h.victim), says=payload(h.victim, team="ml")), UntrustedIdentity
    ),
    "swapped signature": Forgery(
        lambda h: simple(h.owner, payload(ELSEWHERE), says=payload(h.victim)), UntrustedIdentity
    ),
    "wrong type": Forgery(_retyped, BadSignature, loose=True),
    "somebody else's": Forgery(lambda h: simple(h.stranger, payload(h.victim)), UntrustedIdentity),
    "no base64": Forgery(lambda h: simple(h.owner, payload(h.victim), signature="***"), BadSignature),
    "no JSON": Forgery(lambda h: simple(h.owner, b"{"), BadSignature),
}


def attach_bundle(store: Store, subject: Descriptor, raw: bytes, predicate_type: str = SIGNED) -> None:
    push_bundle(store, subject, raw, predicate_type, datetime.now(UTC))


def attach_simple(store: Store, subject: Descriptor, *layers: bytes) -> None:
    """Add signatures under cosign's tag; as if nobody else wrote to it, which is quicker."""
    tag = tag_of(subject.digest, "sig")
    try:
        made: Manifest | Index | None = store.document(store.resolve(tag))
    except NotFound:
        made = None
    for text, signature in map(json.loads, layers):
        manifest, config = signature_manifest(text.encode(), signature)
        store.push(manifest.config, BytesSource(config))
        store.push(manifest.layers[0], BytesSource(text.encode()))
        made = merged(made, manifest)
    assert made
    store.push(made.descriptor, BytesSource(made.raw))
    store.tag(made.descriptor, tag)


FORGERIES = {
    **{("bundle", name): forgery for name, forgery in BUNDLES.items()},
    **{("tag", name): forgery for name, forgery in TAGS.items()},
}
ATTACH: dict[str, Callable[[Store, Descriptor, bytes], None]] = {"bundle": attach_bundle, "tag": attach_simple}


def altered(store: Store, subject: Descriptor, name: str) -> Descriptor:
    """The same model with one annotation more, under the same tag."""
    document = store.document(subject)
    assert isinstance(document, Manifest)
    other = Manifest.build(
        artifact_type=document.artifact_type,
        config=document.config,
        layers=document.layers,
        annotations={**document.annotations, "org.example.altered": "yes"},
    )
    store.push(other.descriptor, BytesSource(other.raw))
    store.tag(other.descriptor, name)
    return other.descriptor
