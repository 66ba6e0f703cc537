"""What is wrong with a signature is noticed, by us and by cosign; beside a good one it does no harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

import modelpack
from modelpack import SignedBy
from modelpack.errors import BadSignature, CannotVerify, NoSignature, PolicyViolation
from modelpack.oci import Manifest
from modelpack.trust import KeyIdentity, Status
from tests.interop.signing.conftest import Signed
from tests.interop.signing.forged import (
    ATTACH,
    BUNDLES,
    FORGERIES,
    TAGS,
    Hands,
    altered,
    attach_bundle,
    attach_simple,
    bundle,
    payload,
    simple,
    statement,
)
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish, Published, opened, signatures
from tests.real.registries import Registry

PROVENANCE = "https://slsa.dev/provenance/v1"


def hands(model: Published, owner: Holder, stranger: Holder) -> Hands:
    return Hands(owner.key, stranger.key, model.digest)


@pytest.mark.parametrize(("layout", "name"), FORGERIES, ids=[f"{layout}: {name}" for layout, name in FORGERIES])
def test_alone_it_is_refused(
    registry: Registry, layout: str, name: str, publish: Publish, owner: Holder, stranger: Holder, cosign: Cosign
) -> None:
    model, forgery = publish(registry), FORGERIES[layout, name]
    with opened(model) as store:
        ATTACH[layout](store, model.descriptor, forgery.make(hands(model, owner, stranger)))
    with pytest.raises(forgery.error):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))
    assert bool(cosign.refusal(owner.public_file, model.reference, layout)) != forgery.loose


@pytest.mark.parametrize("layout", LAYOUTS)
def test_beside_a_good_one_it_does_no_harm(
    registry: Registry, layout: str, publish: Publish, owner: Holder, stranger: Holder, cosign: Cosign
) -> None:
    model, forgeries = publish(registry), {"bundle": BUNDLES, "tag": TAGS}[layout]
    some = [forgeries["somebody else's"], forgeries["swapped signature"], forgeries["another digest"]]
    with opened(model) as store:
        for forgery in some[:2]:
            ATTACH[layout](store, model.descriptor, forgery.make(hands(model, owner, stranger)))
        modelpack.sign(model.reference, owner.key, formats=[layout])
        ATTACH[layout](store, model.descriptor, some[2].make(hands(model, owner, stranger)))
    evidence = modelpack.verify(model.reference, policy=SignedBy(owner.public)).evidence
    assert [one.status for one in evidence.signatures].count(Status.VERIFIED) == 1
    assert len(evidence.signatures) == 4
    assert cosign.refusal(owner.public_file, model.reference, layout) == ""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_who_moves_the_tag_to_another_manifest_leaves_the_signature_behind(
    registry: Registry, layout: str, publish: Publish, owner: Holder, cosign: Cosign
) -> None:
    model = publish(registry)
    modelpack.sign(model.reference, owner.key, formats=[layout])
    good = signatures(model.reference)[0]
    with opened(model) as store:
        other = altered(store, model.descriptor, "v1")
        with pytest.raises(NoSignature):
            modelpack.verify(model.reference, policy=SignedBy(owner.public))
        assert cosign.refusal(owner.public_file, model.reference, layout)
        carrier = store.document(good.carrier)
        assert isinstance(carrier, Manifest)
        raw = store.read(carrier.layers[0], limit=1 << 20)
        if layout == "bundle":
            attach_bundle(store, other, raw)
        else:
            store.tag(good.carrier, f"sha256-{other.digest.hex}.sig")
    with pytest.raises(BadSignature, match="another manifest"):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))
    assert cosign.refusal(owner.public_file, model.reference, layout)
    assert modelpack.verify(model.pinned, policy=SignedBy(owner.public)).descriptor.digest == model.digest


def test_an_attestation_is_no_signature(own_registry: Registry, publish: Publish, owner: Holder) -> None:
    """Stricter than cosign, which takes any statement about the manifest."""
    model = publish(own_registry)
    modelpack.attest(model.reference, owner.key, PROVENANCE, {}, tag=True)
    with pytest.raises(PolicyViolation, match="a signature by"):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_key_that_is_trusted_no_longer(own_registry: Registry, layout: str, signed: Signed, owner: Holder) -> None:
    model, day = signed(own_registry, layout), timedelta(days=1)
    past, future = (KeyIdentity(owner.public, until=datetime.now(UTC) + change) for change in (-day, day))
    with pytest.raises(BadSignature, match="trusted until"):
        modelpack.verify(model.reference, policy=SignedBy(past))
    modelpack.verify(model.reference, policy=SignedBy(future))


def test_many_signatures_under_one_tag(own_registry: Registry, publish: Publish, owner: Holder) -> None:
    model = publish(own_registry)
    with opened(model) as store:
        many = [simple(owner.key, payload(model.digest, number=str(number))) for number in range(101)]
        attach_simple(store, model.descriptor, *many[:100])
        modelpack.verify(model.reference, policy=SignedBy(owner.public))
        attach_simple(store, model.descriptor, *many[100:])
    with pytest.raises(CannotVerify, match="more than the 100"):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))


def test_the_same_statement_by_two_is_two_signers(
    own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder
) -> None:
    model = publish(own_registry)
    both = SignedBy(owner.public, stranger.public, threshold=2)
    with opened(model) as store:
        attach_bundle(store, model.descriptor, json_bundle(owner, model))
        attach_simple(store, model.descriptor, simple(owner.key, payload(model.digest)))
        with pytest.raises(PolicyViolation, match="2 of"):
            modelpack.verify(model.reference, policy=both)
        attach_bundle(store, model.descriptor, json_bundle(stranger, model))
    modelpack.verify(model.reference, policy=both)


def json_bundle(who: Holder, model: Published) -> bytes:
    return json.dumps(bundle(who.key, statement(model.digest))).encode()
