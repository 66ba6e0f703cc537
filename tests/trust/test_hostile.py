"""Altered and invented input: nothing altered is ever accepted, and nothing but our own errors comes of it."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelpack
from modelpack.errors import DocumentError, InputError, ModelPackError, VerificationError
from modelpack.oci import Descriptor, Manifest, loads_object
from modelpack.oci.fields import Fields
from modelpack.store import LayoutStore, copy, tag_of
from modelpack.trust import (
    Bundle,
    Envelope,
    KeyIdentity,
    PolicyFile,
    PrivateKey,
    PublicKey,
    SignatureFormat,
    SignedBy,
    Statement,
    Status,
)
from modelpack.trust.cosign import SIGNATURE_LAYER, SimplePayload, simple_seal
from modelpack.trust.cosign.simple import CERTIFICATE, CHAIN, SIGNATURE, TIMESTAMP
from modelpack.trust.found import Found, _read
from modelpack.trust.judging import judge
from modelpack.trust.keys import SIGNING, keyfile
from modelpack.trust.oms import FileList
from modelpack.yamlfile import load_yaml
from tests.trust.making import HERE, Model, key

OWNER = KeyIdentity(key().public_key, "owner")
BUNDLE, TAG, OMS = SignatureFormat.BUNDLE, SignatureFormat.TAG, SignatureFormat.OMS
SIGNED = {form: Model.make().signed(key(), form) for form in (BUNDLE, TAG, OMS)}


def changes(raw: bytes, count: int, seed: int) -> list[bytes]:
    """One byte each: another bit, another character, gone, doubled, or one more."""
    chance = random.Random(seed)
    alphabet = b'AQ+/-_="{}[]:, \n\x00\xff019az'
    found = []
    for _ in range(count):
        place = chance.randrange(len(raw))
        old = raw[place : place + 1]
        new = [bytes([old[0] ^ (1 << chance.randrange(8))]), chance.choice(alphabet).to_bytes(), b"", old * 2]
        found.append(raw[:place] + chance.choice(new) + raw[place + 1 :])
    return [one for one in found if one != raw]


def layer_of(form: SignatureFormat) -> tuple[Descriptor, bytes]:
    """The layer that holds a signature, and its content."""
    store, digest = SIGNED[form].store, SIGNED[form].target.descriptor.digest
    carriers = store.referrers(SIGNED[form].target.descriptor) or (store.resolve(tag_of(digest, "sig")),)
    carrier = store.document(carriers[0])
    assert isinstance(carrier, Manifest)
    return carrier.layers[0], store.read(carrier.layers[0])


def verdict(layer: Descriptor, raw: bytes, form: SignatureFormat) -> Status:
    """What is said of content under a layer's description, if a store hands it over."""
    try:
        seal, claim = _read(layer, raw)
    except DocumentError:
        return Status.BAD
    found = Found(layer, "bundle", layer, seal, claim)
    return judge(found, SIGNED[form].target, (OWNER,), HERE).status


@pytest.mark.parametrize("form", [BUNDLE, OMS])
def test_no_altered_bundle_is_accepted_that_says_something_else(form: SignatureFormat) -> None:
    """Around the signed bytes JSON leaves some freedom (white space, the hint, a keyid, base64's other alphabet). What verifies
    must hold the same payload and signature, and so the same meaning; a change in either never does.
    """
    layer, raw = layer_of(form)
    good = Bundle.parse(raw).envelope
    assert verdict(layer, raw, form) is Status.VERIFIED
    accepted = [one for one in changes(raw, 3000, seed=1) if verdict(layer, one, form) is Status.VERIFIED]
    assert all(Bundle.parse(one).envelope == good for one in accepted)
    inside = raw.index(b'"dsseEnvelope"')
    plain = bytes.maketrans(b"-_", b"+/")
    same = raw[inside:].translate(plain)
    assert not [
        one
        for one in accepted
        if one[:inside] == raw[:inside] and b"".join(one[inside:].split()).translate(plain) != same
    ]


def test_no_altered_payload_is_accepted() -> None:
    layer, raw = layer_of(TAG)
    assert verdict(layer, raw, TAG) is Status.VERIFIED
    assert [one for one in changes(raw, 1500, seed=2) if verdict(layer, one, TAG) is Status.VERIFIED] == []


def test_no_altered_signature_in_an_annotation_is_accepted() -> None:
    """Base64 has one way to write some bytes here: what decodes to the same is refused too."""
    layer, raw = layer_of(TAG)
    text = layer.annotations[SIGNATURE].encode()
    for one in changes(text, 1500, seed=3):
        altered = replace(layer, annotations={SIGNATURE: one.decode("latin-1")})
        assert verdict(altered, raw, TAG) is not Status.VERIFIED


def test_no_altered_signed_bytes_are_accepted() -> None:
    """The same for the payload inside the envelope, where a change is written in good base64."""
    layer, raw = layer_of(BUNDLE)
    good = Bundle.parse(raw)
    for payload in changes(good.envelope.payload, 800, seed=4):
        assert not OWNER.key.accepts(
            good.envelope.signature, Envelope(good.envelope.payload_type, payload, b"").message
        )
    for signature in changes(good.envelope.signature, 800, seed=5):
        assert not OWNER.key.accepts(signature, good.envelope.message)
    assert layer.size == len(raw)


@cache
def layout(folder: Path, form: SignatureFormat) -> LayoutStore:
    """A signed model on disk."""
    store = LayoutStore(folder)
    copy(SIGNED[form].store, SIGNED[form].target.descriptor, store, names=("v1",), attached=True)
    return store


@pytest.mark.parametrize("form", [BUNDLE, TAG])
def test_no_altered_file_of_a_layout_is_accepted(form: SignatureFormat, tmp_path: Path) -> None:
    """A byte of the manifest, of what carries the signature, of the signature: whoever can write on this disk."""
    store = layout(tmp_path / "layout", form)
    reference, policy = f"oci:{store.path}:v1", SignedBy(OWNER)
    assert modelpack.verify(reference, policy=policy).is_vouched_for
    carriers = store.referrers(SIGNED[form].target.descriptor) or (
        store.resolve(tag_of(SIGNED[form].target.descriptor.digest, "sig")),
    )
    carrier = store.document(carriers[0])
    assert isinstance(carrier, Manifest)
    for number, digest in enumerate(
        (SIGNED[form].target.descriptor.digest, carriers[0].digest, carrier.layers[0].digest)
    ):
        path = store.path / "blobs" / digest.algorithm / digest.hex
        raw = path.read_bytes()
        path.chmod(0o644)
        for one in changes(raw, 40, seed=6 + number):
            path.write_bytes(one)
            with pytest.raises(ModelPackError):
                modelpack.verify(reference, policy=policy)
        path.write_bytes(raw)
    assert modelpack.verify(reference, policy=policy).is_vouched_for


def test_no_altered_index_of_a_layout_is_accepted(tmp_path: Path) -> None:
    """It is signed by nobody: at worst it hides what is there, or names something else, which then has no signature."""
    store = layout(tmp_path / "layout", BUNDLE)
    path = store.path / "index.json"
    raw = path.read_bytes()
    for one in changes(raw, 150, seed=9):
        path.write_bytes(one)
        with contextlib.suppress(ModelPackError):
            found = modelpack.verify(f"oci:{store.path}:v1", policy=SignedBy(OWNER))
            assert found.descriptor.digest == SIGNED[BUNDLE].target.descriptor.digest


MESSAGE = b"message"
KEYS = {kind: key("hostile", kind) for kind in ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa")}


@pytest.mark.parametrize("kind", KEYS)
def test_an_altered_public_key_verifies_nothing(kind: str) -> None:
    """PEM has no check sum: what is read all the same is another key, or the very same one."""
    good = KEYS[kind]
    signature = good.sign(MESSAGE, SIGNING[kind])
    for one in changes(good.public_key.pem, 300, seed=10):
        try:
            read = PublicKey.load(one)
        except InputError:
            continue
        assert read == good.public_key or not read.accepts(signature, MESSAGE)


def test_an_altered_key_file_gives_the_same_key_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "_STRENGTHS", (strength := (1 << 4, 8, 1), (1 << 5, 8, 1)))
    monkeypatch.setattr(keyfile, "_DEFAULT", strength)  # scrypt is meant to be slow
    data = key().to_keyfile(b"pw")
    assert PrivateKey.load(data, lambda: b"pw").public_key == key().public_key
    for one in changes(data, 400, seed=11):
        with contextlib.suppress(InputError, DocumentError):
            assert PrivateKey.load(one, lambda: b"pw").public_key == key().public_key


POLICY = f"""version: 1
identities:
  owner: {{key: {{pem: {json.dumps(key().public_key.pem.decode())}, until: 2027-01-31}}}}
rules:
- {{scope: registry.example/ml/*, require: {{signed: {{by: [owner], threshold: 1}}}}}}
"""


def test_an_altered_policy_trusts_nobody_else() -> None:
    """It is the user's own; here: no slip of a finger makes it trust more than one key, or nobody at all."""

    def read(name: str) -> bytes:
        raise InputError(f"there is no {name}")

    good = PolicyFile.parse(POLICY.encode(), read)
    for one in changes(POLICY.encode(), 400, seed=12):
        with contextlib.suppress(DocumentError):
            policy = PolicyFile.parse(one, read)
            assert [type(rule) for _, rule in policy.rules] == [SignedBy]
            assert len(policy.rules[0][1].identities) == 1
    assert good.rules[0][1].identities[0].name == "owner"


TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "AAAA",
        "sha256:" + "0" * 64,
        "../x",
        "a:0:1",
        "\x00",
        "9" * 50,
        "application/vnd.in-toto+json",
        "sha256",
        "shards",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 1 << 65) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def places(document: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of everything in a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for step, inner in items for place in places(inner, (*path, step)))]


def twisted(raw: bytes) -> st.SearchStrategy[bytes]:
    """A good document in which one value is another one."""
    good = json.loads(raw)

    def put(place: tuple[str | int, ...], value: object) -> bytes:
        document = json.loads(raw)
        if not place:
            return json.dumps(value).encode()
        inner = document
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        return json.dumps(document).encode()

    return st.builds(put, st.sampled_from(places(good)), VALUES)


def from_parsed(parse: Callable[[Fields], object]) -> Callable[[bytes], object]:
    return lambda raw: parse(Fields(loads_object(raw, "x"), "x"))


def listed(raw: bytes) -> object:
    return FileList.from_statement(Statement.parse(raw))


def policy(raw: bytes) -> object:
    return PolicyFile.parse(raw, lambda _: raw)


def seal(raw: bytes) -> object:
    notes = {SIGNATURE: "c2ln", CERTIFICATE: "", CHAIN: "", TIMESTAMP: ""}
    for name in notes:
        with contextlib.suppress(DocumentError):
            simple_seal(Descriptor(SIGNATURE_LAYER, OWNER_DIGEST, 1, {**notes, name: raw.decode("latin-1")}), raw)
    return None


OWNER_DIGEST = SIGNED[BUNDLE].target.descriptor.digest
RAW_BUNDLE = layer_of(BUNDLE)[1]
LIST = Bundle.parse(layer_of(OMS)[1]).envelope.payload
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "bundle": (Bundle.parse, RAW_BUNDLE),
    "statement": (Statement.parse, Bundle.parse(RAW_BUNDLE).envelope.payload),
    "envelope": (from_parsed(Envelope.from_json), json.dumps(json.loads(RAW_BUNDLE)["dsseEnvelope"]).encode()),
    "payload": (SimplePayload.parse, layer_of(TAG)[1]),
    "list of files": (listed, LIST),
    "policy": (policy, json.dumps(load_yaml(POLICY, "")).encode()),
    "time stamp": (seal, b'{"SignedRFC3161Timestamp":"AAAA"}'),
}


@pytest.mark.parametrize("name", READERS)
def test_nothing_but_our_errors_escapes(name: str) -> None:
    parse, raw = READERS[name]

    @given(twisted(raw) | st.binary(max_size=60))
    @settings(deadline=None, max_examples=300, derandomize=True)
    def check(document: bytes) -> None:
        with contextlib.suppress(DocumentError, InputError, VerificationError):
            parse(document)

    parse(raw)
    check()
    for one in changes(raw, 300, seed=13):
        with contextlib.suppress(DocumentError, InputError, VerificationError):
            parse(one)


ARMOUR = ["PUBLIC KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"]
LINES = [f"-----{edge} {label}-----" for edge in ("BEGIN", "END") for label in ARMOUR]
LINES += ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00", "AAAA", "MAA=", "e30="]
PEMS = st.sampled_from(
    [*(f"{line}\n".encode() for line in LINES), *(signer.public_key.pem for signer in KEYS.values())]
)


@given(st.lists(PEMS | st.binary(max_size=30), max_size=4).map(b"".join))
@settings(deadline=None, max_examples=500, derandomize=True)
def test_nothing_but_our_errors_escapes_from_keys(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert PublicKey.load(data).kind
    with contextlib.suppress(InputError, DocumentError):
        assert PrivateKey.load(data, lambda: b"pw").public_key


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_nothing_but_our_errors_escapes_from_policies(data: bytes) -> None:
    with contextlib.suppress(DocumentError, InputError):
        PolicyFile.parse(data, lambda _: data)
