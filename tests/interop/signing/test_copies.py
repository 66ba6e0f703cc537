"""Signatures follow a model from registry to layout to registry, and join those that are there already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelpack
from modelpack import LayoutStore, SignedBy
from modelpack.errors import NoSignature
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish, Published, signatures
from tests.real.registries import Registry
from tests.real.tools import run

SBOM = "https://cyclonedx.org/bom"


@pytest.fixture(scope="module")
def vouched(distribution: Registry, publish: Publish, owner: Holder, cosign: Cosign) -> Published:
    """A model with everything that is attached by us and by cosign, in a registry without the referrers API."""
    model = publish(distribution)
    modelpack.sign(model.reference, owner.key)
    modelpack.attest(model.reference, owner.key, SBOM, {"bomFormat": "CycloneDX"}, tag=True)
    cosign.sign(owner.cosign_file, model.reference, "bundle")
    return model


def tree(reference: str, *options: str) -> object:
    """What ``oras discover`` finds: digests, each with all that is attached to it.

    Not the types: cosign enters the config's into the list of referrers where there is no API, which a copy puts right.
    """
    said = run("oras", "discover", "--plain-http", "--format", "json", *options, reference).stdout
    return _shape(json.loads(said))


def _shape(node: dict[str, object]) -> object:
    children = node.get("referrers") or node.get("manifests") or []
    assert isinstance(children, list)
    return sorted((str(child["digest"]), str(_shape(child))) for child in children)


def accepted(reference: str, who: Holder, cosign: Cosign) -> None:
    """By us, signature and attestation, and by cosign, in both layouts."""
    modelpack.verify(reference, policy=modelpack.AllOf(SignedBy(who.public), modelpack.Attested(SBOM, who.public)))
    for layout in LAYOUTS:
        assert cosign.refusal(who.public_file, reference, layout) == ""
        more = ("--type", "cyclonedx")
        assert cosign.refusal(who.public_file, reference, layout, *more, command="verify-attestation") == ""


@pytest.fixture(params=["own_registry", "crane_registry"])
def elsewhere(request: pytest.FixtureRequest) -> Registry:
    """Another registry, with and without the referrers API."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Registry)
    return found


def test_through_a_layout_to_another_registry(
    vouched: Published, elsewhere: Registry, owner: Holder, cosign: Cosign, tmp_path: Path
) -> None:
    layout, target = f"oci:{tmp_path / 'layout'}:v1", f"{elsewhere.repository('copies/tiny')}:v1"
    kept = modelpack.copy(vouched.reference, layout)
    moved = modelpack.copy(layout, target)
    # bundles: ours, cosign's, of the files, of the attestation; tags: .sig and .att
    assert (kept.attachments, moved.attachments) == (6, 6)
    assert kept.descriptor.digest == moved.descriptor.digest == vouched.digest
    modelpack.verify(layout, policy=SignedBy(owner.public))
    accepted(target, owner, cosign)
    assert tree(vouched.reference) == tree(target) != []
    assert len(signatures(target)) == len(signatures(vouched.reference)) == 6


def test_a_policy_of_the_source_holds_for_the_copy(
    vouched: Published, elsewhere: Registry, owner: Holder, stranger: Holder, cosign: Cosign
) -> None:
    target = f"{elsewhere.repository('copies/tiny')}:v1"
    with pytest.raises(modelpack.VerificationError):
        modelpack.copy(vouched.reference, target, policy=SignedBy(stranger.public))
    with pytest.raises(modelpack.NotFound):
        modelpack.tree(target)
    modelpack.copy(vouched.reference, target, policy=SignedBy(owner.public))
    accepted(target, owner, cosign)


def test_a_local_store_keeps_them(
    vouched: Published, elsewhere: Registry, owner: Holder, cosign: Cosign, tmp_path: Path
) -> None:
    target = f"{elsewhere.repository('copies/tiny')}:v1"
    with LayoutStore(tmp_path / "store", create=True) as store:
        modelpack.fetch(vouched.reference, store, policy=SignedBy(owner.public))
        modelpack.verify(vouched.reference, policy=SignedBy(owner.public), local=store)
        assert modelpack.push((store, vouched.reference), target).attachments == 6
        assert [model.name for model in modelpack.list_models(store)] == [vouched.reference]
    accepted(target, owner, cosign)


def test_what_was_signed_in_the_local_store_follows(
    registry: Registry, publish: Publish, owner: Holder, cosign: Cosign, tmp_path: Path
) -> None:
    model, target = publish(registry), f"{registry.repository('copies/tiny')}:v1"
    with LayoutStore(tmp_path / "store", create=True) as store:
        modelpack.fetch(model.reference, store)
        modelpack.sign(model.reference, owner.key, local=store)
        modelpack.push((store, model.reference), target)
    modelpack.verify(target, policy=SignedBy(owner.public))
    for layout in LAYOUTS:
        assert cosign.refusal(owner.public_file, target, layout) == ""


def test_they_can_be_left(crane_registry: Registry, vouched: Published, owner: Holder, cosign: Cosign) -> None:
    target = f"{crane_registry.repository('copies/tiny')}:v1"
    assert modelpack.copy(vouched.reference, target, attachments=False).attachments == 0
    with pytest.raises(NoSignature) as raised:
        modelpack.verify(target, policy=SignedBy(owner.public))
    assert "copies made without attachments" in raised.value.hint
    for layout in LAYOUTS:
        assert cosign.refusal(owner.public_file, target, layout)
    assert tree(target) == []


@pytest.mark.parametrize("way", ["copied", "pushed"])
def test_a_target_that_was_signed_by_somebody_else_keeps_both(
    way: str,
    distribution: Registry,
    crane_registry: Registry,
    publish: Publish,
    owner: Holder,
    stranger: Holder,
    cosign: Cosign,
    tmp_path: Path,
) -> None:
    model, target = publish(distribution), f"{crane_registry.repository('copies/tiny')}:v1"
    modelpack.copy(model.reference, target)
    modelpack.sign(model.reference, owner.key)
    cosign.sign(stranger.cosign_file, target, "tag")
    modelpack.sign(target, stranger.key, formats=["bundle"])
    if way == "copied":
        modelpack.copy(model.reference, target)
    else:
        with LayoutStore(tmp_path / "store", create=True) as store:
            modelpack.fetch(model.reference, store)
            modelpack.push((store, model.reference), target)
    for who in (owner, stranger):
        modelpack.verify(target, policy=SignedBy(who.public))
        for layout in LAYOUTS:
            assert cosign.refusal(who.public_file, target, layout) == ""
    before = signatures(target)
    modelpack.copy(model.reference, target)
    assert signatures(target) == before


def test_oras_copies_ours(vouched: Published, elsewhere: Registry, owner: Holder) -> None:
    """Referrers follow there, tags do not."""
    target = f"{elsewhere.repository('copies/tiny')}:v1"
    run("oras", "cp", "--recursive", "--from-plain-http", "--to-plain-http", vouched.reference, target)
    found = modelpack.verify(target, policy=SignedBy(owner.public)).evidence.signatures
    assert {one.format for one in found} == {"bundle"}
    assert tree(vouched.reference) == tree(target)
