"""What we sign, before ``cosign verify``: in both layouts, on every registry, with every key that cosign takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import modelpack
from modelpack import SignedBy
from modelpack.errors import UntrustedIdentity
from tests.interop.signing.conftest import Signed
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish
from tests.real.registries import Registry

SHA384 = "--signature-digest-algorithm=sha384"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cosign_accepts_ours(registry: Registry, layout: str, signed: Signed, owner: Holder, cosign: Cosign) -> None:
    model = signed(registry, layout)
    assert cosign.refusal(owner.public_file, model.reference, layout) == ""
    assert cosign.refusal(owner.public_file, model.pinned, layout, "-a", "team=ml") == ""
    assert "annotation" in cosign.refusal(owner.public_file, model.reference, layout, "-a", "team=sales")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_wrong_key_is_refused_by_both(
    registry: Registry, layout: str, signed: Signed, stranger: Holder, cosign: Cosign
) -> None:
    model = signed(registry, layout)
    assert "signature" in cosign.refusal(stranger.public_file, model.reference, layout)
    with pytest.raises(UntrustedIdentity, match="not by anybody trusted"):
        modelpack.verify(model.reference, policy=SignedBy(stranger.public))


def test_one_command_writes_what_both_layouts_need(
    registry: Registry, publish: Publish, owner: Holder, cosign: Cosign
) -> None:
    model = publish(registry)
    modelpack.sign(model.reference, owner.key)
    for layout in LAYOUTS:
        assert cosign.refusal(owner.public_file, model.reference, layout) == ""


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ecdsa-p256", ()), ("ecdsa-p384", (SHA384,)), ("rsa", ()), ("ed25519", ())],
)
def test_every_kind_of_key(
    kind: str,
    options: tuple[str, ...],
    own_registry: Registry,
    publish: Publish,
    holder: Callable[[str], Holder],
    cosign: Cosign,
) -> None:
    model, signer, other = publish(own_registry), holder(kind), holder(f"{kind} stranger")
    modelpack.sign(model.reference, signer.key, formats=list(LAYOUTS))
    for layout in LAYOUTS:
        assert cosign.refusal(signer.public_file, model.reference, layout, *options) == ""
        assert "signature" in cosign.refusal(other.public_file, model.reference, layout, *options)
    assert len(modelpack.verify(model.reference, policy=SignedBy(signer.public)).evidence.signatures) == 2
    with pytest.raises(UntrustedIdentity):
        modelpack.verify(model.reference, policy=SignedBy(other.public))


def test_cosign_wants_to_be_told_of_sha384(
    own_registry: Registry, publish: Publish, holder: Callable[[str], Holder], cosign: Cosign
) -> None:
    model, signer = publish(own_registry), holder("ecdsa-p384")
    modelpack.sign(model.reference, signer.key)
    for layout in LAYOUTS:
        assert "signature" in cosign.refusal(signer.public_file, model.reference, layout)


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "rsa"])
def test_cosign_signs_with_our_key_file(
    kind: str, own_registry: Registry, publish: Publish, holder: Callable[[str], Holder], cosign: Cosign
) -> None:
    model, signer = publish(own_registry), holder(kind)
    assert cosign.run("public-key", "--key", signer.cosign_file) == signer.public.pem.decode()
    cosign.sign(signer.cosign_file, model.reference, "bundle")
    (found,) = modelpack.verify(model.reference, policy=SignedBy(signer.public)).evidence.signatures
    assert (found.format, found.status) == ("bundle", "verified")
