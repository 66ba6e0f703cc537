"""Why a signature is not verified, as a word that programs can act upon."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from modelpack.oci import Manifest
from modelpack.store import BytesSource
from modelpack.trust import Cause, KeyIdentity, Kind, SignatureFormat, Status, gather
from tests.trust.making import HERE, NOW, Model, attached, key

OWNER, OTHER = KeyIdentity(key().public_key, "owner"), KeyIdentity(key("other").public_key, "other")
FORMS = [SignatureFormat.BUNDLE, SignatureFormat.TAG, SignatureFormat.OMS]


@pytest.mark.parametrize("form", FORMS)
def test_of_one_signature(form: SignatureFormat) -> None:
    model = Model.make().signed(key(), form)
    assert model.one(OWNER).cause is Cause.NONE
    assert model.one(OTHER).cause is Cause.UNKNOWN_SIGNER
    assert model.one(replace(OWNER, until=NOW - timedelta(1))).cause is Cause.EXPIRED
    assert model.one(OTHER, replace(OWNER, until=NOW - timedelta(1))).cause is Cause.EXPIRED
    (one,) = gather(model.store, model.target, (), HERE).signatures
    assert (one.status, one.cause) == (Status.UNCHECKED, Cause.UNKNOWN_SIGNER)


@pytest.mark.parametrize("kind", [Kind.SIGNATURE, Kind.MODEL])
def test_of_another_model(kind: Kind) -> None:
    other = Model.make(b"other").signed(key(), SignatureFormat.BUNDLE, SignatureFormat.OMS)
    _, raw = other.attached(kind)
    assert attached(Model.make(), raw).one(OWNER).cause is Cause.OTHER_SUBJECT


def test_of_what_is_altered_or_cannot_be_read() -> None:
    model = Model.make().signed(key(), SignatureFormat.BUNDLE)
    carrier, raw = model.attached(Kind.SIGNATURE)
    assert attached(Model.make(), raw.replace(b'"sig":"', b'"sig":"AAAA')).one(OWNER).cause is Cause.BROKEN
    assert attached(Model.make(), b"{}").one(OWNER).cause is Cause.UNREADABLE
    gone = replace(carrier.layers[0], size=carrier.layers[0].size + 1)
    manifest = Manifest.build(
        artifact_type=carrier.artifact_type, config=carrier.config, layers=(gone,), subject=model.target.descriptor
    )
    empty = Model.make()
    empty.store.push(manifest.descriptor, BytesSource(manifest.raw))
    assert empty.one(OWNER).cause is Cause.UNREADABLE


def test_of_a_kind_that_is_not_known() -> None:
    model = Model.make().signed(key(), SignatureFormat.OMS)
    unknown = replace(model.target, files=None)  # the manifest does not list the files
    (one,) = gather(model.store, unknown, (OWNER,), HERE).signatures
    assert (one.status, one.cause) == (Status.UNCHECKED, Cause.UNSUPPORTED)
