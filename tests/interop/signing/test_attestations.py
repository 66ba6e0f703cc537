"""Attestations: ``cosign attest`` before us, ours before ``cosign verify-attestation``, in both layouts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

import modelpack
from modelpack import Attested, Digest
from modelpack.errors import BadSignature, NoSignature, PolicyViolation, UntrustedIdentity, VerificationError
from modelpack.oci import JSON, JSONObject
from modelpack.store import BytesSource, Rewriting, merged, tag_of
from modelpack.trust import Kind
from modelpack.trust.cosign import attestation_manifest
from tests.interop.signing.forged import ELSEWHERE, attach_bundle, bundle, statement
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish, Published, opened
from tests.real.registries import Registry

BUILD: JSONObject = {"buildType": "https://example.org/train", "externalParameters": {"epochs": 3}}
PREDICATES: dict[str, tuple[str, JSONObject]] = {
    "slsaprovenance1": (
        "https://slsa.dev/provenance/v1",
        {"buildDefinition": BUILD, "runDetails": {"builder": {"id": "https://example.org/runner"}}},
    ),
    "cyclonedx": ("https://cyclonedx.org/bom", {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}),
    "custom": ("https://cosign.sigstore.dev/attestation/v1", {"Data": "{}"}),
}
WHERE: dict[str, dict[str, JSON | tuple[JSON, ...]]] = {
    "slsaprovenance1": {"runDetails.builder.id": "https://example.org/runner"},
    "cyclonedx": {"specVersion": ("1.5", "1.6")},
    "custom": {"Data": "{}"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_we_accept_cosign_s(
    registry: Registry, layout: str, publish: Publish, owner: Holder, stranger: Holder, cosign: Cosign, tmp_path: Path
) -> None:
    model = publish(registry)
    for kind, (_, predicate) in PREDICATES.items():
        # cosign puts what is of no type of its own into a string, with a time beside it
        (tmp_path / "predicate").write_text("{}" if kind == "custom" else json.dumps(predicate))
        cosign.attest(owner.cosign_file, model.reference, layout, kind, tmp_path / "predicate")
    for kind, (predicate_type, _) in PREDICATES.items():
        found = modelpack.verify(
            model.reference, policy=Attested(predicate_type, owner.public, where=WHERE[kind])
        ).evidence.verified(Kind.ATTESTATION)
        assert {one.format for one in found} == {layout}
        assert len(found) == len(PREDICATES)
        with pytest.raises(UntrustedIdentity):
            modelpack.verify(model.reference, policy=Attested(predicate_type, stranger.public))
    with pytest.raises(PolicyViolation, match="spdx"):
        modelpack.verify(model.reference, policy=Attested("https://spdx.dev/Document", owner.public))
    with pytest.raises(PolicyViolation, match="specVersion"):
        modelpack.verify(
            model.reference, policy=Attested("https://cyclonedx.org/bom", owner.public, where={"specVersion": "1.4"})
        )


def test_cosign_accepts_ours(
    registry: Registry, publish: Publish, owner: Holder, stranger: Holder, cosign: Cosign
) -> None:
    model = publish(registry)
    for predicate_type, predicate in PREDICATES.values():
        modelpack.attest(model.reference, owner.key, predicate_type, predicate, tag=True)
    ask = partial(cosign.refusal, command="verify-attestation")
    for layout in LAYOUTS:
        for kind in PREDICATES:
            assert ask(owner.public_file, model.reference, layout, "--type", kind) == ""
        assert ask(stranger.public_file, model.reference, layout, "--type", "cyclonedx")
        assert ask(owner.public_file, model.reference, layout, "--type", "spdxjson")
    modelpack.verify(model.reference, policy=Attested("https://slsa.dev/provenance/v1", owner.public))


FORGERIES: dict[str, tuple[Digest | None, Digest | None, str, type[VerificationError]]] = {
    "another digest": (ELSEWHERE, ELSEWHERE, "application/vnd.in-toto+json", BadSignature),
    "wrong payload type": (None, None, "application/json", BadSignature),
    "altered payload": (ELSEWHERE, None, "application/vnd.in-toto+json", BadSignature),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_ones_are_refused_by_both(
    own_registry: Registry, layout: str, name: str, publish: Publish, owner: Holder, cosign: Cosign
) -> None:
    model, (signed, says, payload_type, error) = publish(own_registry), FORGERIES[name]
    kind, (predicate_type, _) = "cyclonedx", PREDICATES["cyclonedx"]
    made = bundle(
        owner.key,
        statement(signed or model.digest, predicate_type),
        says=statement(says or model.digest, predicate_type),
        kind=payload_type,
    )
    attach(model, layout, made, predicate_type)
    # A bare envelope says nothing of whose it is: one that does not hold may be somebody else's.
    if (layout, name) == ("tag", "altered payload"):
        error = UntrustedIdentity
    with pytest.raises(error):
        modelpack.verify(model.reference, policy=Attested(predicate_type, owner.public))
    assert cosign.refusal(owner.public_file, model.reference, layout, "--type", kind, command="verify-attestation")
    modelpack.attest(model.reference, owner.key, predicate_type, {}, tag=True)
    modelpack.verify(model.reference, policy=Attested(predicate_type, owner.public))
    assert not cosign.refusal(owner.public_file, model.reference, layout, "--type", kind, command="verify-attestation")


def attach(model: Published, layout: str, made: dict[str, object], predicate_type: str) -> None:
    with opened(model) as store:
        if layout == "bundle":
            attach_bundle(store, model.descriptor, json.dumps(made).encode(), predicate_type)
            return
        raw = json.dumps(made["dsseEnvelope"]).encode()
        manifest, config = attestation_manifest(raw, predicate_type)
        store.push(manifest.config, BytesSource(config))
        store.push(manifest.layers[0], BytesSource(raw))
        assert isinstance(store, Rewriting)
        store.rewrite(tag_of(model.digest, "att"), partial(merged, ours=manifest))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_carrier_says_of_the_type_does_not_count(
    own_registry: Registry, layout: str, publish: Publish, owner: Holder, cosign: Cosign
) -> None:
    model, provenance = publish(own_registry), PREDICATES["slsaprovenance1"][0]
    attach(model, layout, bundle(owner.key, statement(model.digest, "https://cyclonedx.org/bom")), provenance)
    with pytest.raises(PolicyViolation, match="provenance"):
        modelpack.verify(model.reference, policy=Attested(provenance, owner.public))
    assert cosign.refusal(
        owner.public_file, model.reference, layout, "--type", "slsaprovenance1", command="verify-attestation"
    )


def test_a_signature_is_no_attestation(own_registry: Registry, publish: Publish, owner: Holder) -> None:
    model, bom = publish(own_registry), Attested("https://cyclonedx.org/bom", owner.public)
    with pytest.raises(NoSignature):
        modelpack.verify(model.reference, policy=bom)
    modelpack.sign(model.reference, owner.key)
    with pytest.raises(PolicyViolation, match="attestation of the type"):
        modelpack.verify(model.reference, policy=bom)
