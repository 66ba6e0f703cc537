"""Whatever stands in a bundle, a payload, a key or a policy: nothing altered is accepted, and only our errors get out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import ModelPackError
from modelpack.oci import Descriptor, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust import KeyIdentity, Kind, PolicyFile, PrivateKey, PublicKey, SignatureFormat, Status
from modelpack.trust.cosign import SIGNATURE_LAYER, SimplePayload, simple_seal
from modelpack.trust.cosign.simple import SIGNATURE
from modelpack.trust.envelope import Bundle, Envelope, Statement
from modelpack.trust.found import Found, statement_in
from modelpack.trust.judging import judge
from modelpack.trust.oms import FileList
from modelpack.yamlfile import load_yaml
from tests.trust.making import HERE, Model, key

OWNER = KeyIdentity(key().public_key)
MANY = settings(max_examples=400, deadline=None, derandomize=True)
POLICY = b"""version: 1
identities:
  owner: {key: {pem: "%s"}}
rules:
- scope: registry.example/ml/*
  require: {all: [{signed: {by: owner}}, {attested: {type: provenance, by: owner, where: {a.b: [1, x]}}}]}
"""


@cache
def signed(form: SignatureFormat, kind: Kind) -> tuple[Model, bytes]:
    model = Model.make().signed(None, form)
    return model, model.attached(kind)[1]


def verdict(model: Model, raw: bytes) -> Status | None:
    """What becomes of a bundle's bytes; None if they cannot be read."""
    blob = Descriptor.of("application/vnd.dev.sigstore.bundle.v0.3+json", raw)
    try:
        bundle = Bundle.parse(raw)
        found = Found(blob, "bundle", blob, bundle.seal, statement_in(bundle.envelope))
    except ModelPackError:
        return None
    return judge(found, model.target, (OWNER,), HERE).status


def meaning(raw: bytes) -> Any:
    """What is signed or signs in a bundle."""
    envelope = json.loads(raw)["dsseEnvelope"]
    return envelope["payload"], envelope["payloadType"], envelope["signatures"][0]["sig"]


FORMS = [(SignatureFormat.BUNDLE, Kind.SIGNATURE), (SignatureFormat.OMS, Kind.MODEL)]


@pytest.mark.parametrize("form", FORMS, ids=["signature", "model"])
@MANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_bundle(form: tuple[SignatureFormat, Kind], place: float, bit: int) -> None:
    """Only what nobody signed (the hint, the version's spelling) may change and the signature hold."""
    model, good = signed(*form)
    assert verdict(model, good) is Status.VERIFIED
    broken = bytearray(good)
    broken[int(place * len(good))] ^= 1 << bit
    if verdict(model, bytes(broken)) is Status.VERIFIED:
        assert meaning(bytes(broken)) == meaning(good)


@MANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), where=st.sampled_from(["payload", "signature"]))
def test_a_flipped_bit_under_cosigns_tag(place: float, bit: int, where: str) -> None:
    from modelpack.trust.envelope.base64text import encode
    from modelpack.trust.keys import SIGNING

    model, _ = signed(SignatureFormat.BUNDLE, Kind.SIGNATURE)
    parts = {"payload": SimplePayload(model.target.descriptor.digest, "registry.example/ml/tiny:v1").to_bytes()}
    parts["signature"] = key().sign(parts["payload"], SIGNING["ecdsa-p256"])
    broken = bytearray(parts[where])
    broken[int(place * len(broken))] ^= 1 << bit
    parts[where] = bytes(broken)
    layer = Descriptor.of(SIGNATURE_LAYER, parts["payload"])
    layer = layer.annotated(**{SIGNATURE: encode(parts["signature"])})
    try:
        claim = SimplePayload.parse(parts["payload"])
        found = Found(layer, "tag", layer, simple_seal(layer, parts["payload"]), claim)
    except ModelPackError:
        return
    assert judge(found, model.target, (OWNER,), HERE).status is not Status.VERIFIED


@cache
def samples() -> dict[str, bytes]:
    _, bundle = signed(SignatureFormat.BUNDLE, Kind.SIGNATURE)
    _, files = signed(SignatureFormat.OMS, Kind.MODEL)
    envelope = json.dumps(json.loads(bundle)["dsseEnvelope"]).encode()
    pem = key().public_key.pem
    return {
        "bundle": bundle,
        "envelope": envelope,
        "statement": Bundle.parse(files).envelope.payload,
        "payload": SimplePayload(Model.make().target.descriptor.digest, "x").to_bytes(),
        "public": pem,
        "private": b"-----BEGIN PRIVATE KEY-----\n" + pem.split(b"\n", 1)[1],
        "policy": POLICY % pem.replace(b"\n", b"\\n"),
        "yaml": POLICY,
    }


def read_envelope(raw: bytes) -> object:
    return Envelope.from_json(Fields(loads_object(raw, "envelope"), "envelope"))


READERS: dict[str, Callable[[bytes], object]] = {
    "bundle": Bundle.parse,
    "envelope": read_envelope,
    "statement": lambda raw: FileList.from_statement(Statement.parse(raw)),
    "payload": SimplePayload.parse,
    "public": PublicKey.load,
    "private": PrivateKey.load,
    "policy": lambda raw: PolicyFile.parse(raw, lambda _: samples()["public"]),
    "yaml": lambda raw: load_yaml(raw.decode("utf-8", "replace"), "file"),
}


@pytest.mark.parametrize("name", READERS)
@MANY
@given(data=st.data())
def test_only_our_errors_get_out(name: str, data: st.DataObject) -> None:
    good = samples()[name]
    raw = data.draw(
        st.binary(max_size=200)
        | st.tuples(st.integers(0, len(good)), st.integers(0, len(good)), st.binary(max_size=8)).map(
            lambda cut: good[: min(cut[:2])] + cut[2] + good[max(cut[:2]) :]
        )
        | st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)).map(
            lambda flip: good[: flip[0]] + bytes([good[flip[0]] ^ flip[1]]) + good[flip[0] + 1 :]
        )
    )
    try:
        READERS[name](raw)
    except ModelPackError as error:
        assert "\n" not in str(error)  # noqa: PT017  # one line, whatever it is about


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["bundle", "envelope", "statement", "payload"])
@MANY
@given(data=st.data())
def test_members_of_other_kinds(name: str, data: st.DataObject) -> None:
    """A member anywhere in a good document is replaced by something else."""
    document = json.loads(samples()[name])
    inside: Any = document
    while isinstance(inside, dict | list) and inside:
        step: Any = data.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        if not isinstance(inside[step], dict | list) or not inside[step] or data.draw(st.booleans()):
            inside[step] = data.draw(JSON)
            break
        inside = inside[step]
    with contextlib.suppress(ModelPackError):
        READERS[name](json.dumps(document).encode())
