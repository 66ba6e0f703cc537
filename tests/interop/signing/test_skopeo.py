"""podman, CRI-O, skopeo and bootc share one verifier: a ``policy.json`` that asks for ``sigstoreSigned``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

import modelpack
from modelpack import SignedBy
from modelpack.errors import UntrustedIdentity
from tests.interop.signing.forged import TAGS, Hands, attach_simple
from tests.interop.signing.published import PASSWORD, Holder, Publish, opened
from tests.real.registries import Registry
from tests.real.tools import run

SKOPEO = "skopeo-sigstore"


@dataclass(frozen=True, slots=True)
class Skopeo:
    """Pulls as a policy allows; everything lies in a folder."""

    folder: Path

    def refusal(self, reference: str, who: Holder, identity: dict[str, str] | None = None) -> str:
        """Why it refuses an artifact; empty if it pulls it."""
        wanted: dict[str, object] = {"type": "sigstoreSigned", "keyPath": str(who.public_file)}
        if identity:
            wanted["signedIdentity"] = identity
        policy = {"default": [{"type": "reject"}], "transports": {"docker": {"": [wanted]}}}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        options = ("--policy", self.folder / "policy.json", *self.registries)
        source, target = f"docker://{reference}", f"dir:{self.folder / 'pulled'}"
        done = run(SKOPEO, *options, "copy", "--src-tls-verify=false", source, target, check=False)
        return done.stderr.strip() if done.returncode else ""

    @property
    def registries(self) -> tuple[str | Path, ...]:
        """The option that says where signatures are."""
        folder = self.folder / "registries.d"
        folder.mkdir(exist_ok=True)
        (folder / "all.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
        return "--registries.d", folder


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    return Skopeo(tmp_path)


def test_it_pulls_what_we_signed(
    registry: Registry, publish: Publish, owner: Holder, stranger: Holder, skopeo: Skopeo
) -> None:
    model = publish(registry)
    assert "signature was required" in skopeo.refusal(model.reference, owner)
    modelpack.sign(model.reference, owner.key)
    for identity in (None, {"type": "matchRepository"}, {"type": "matchExact"}):
        assert skopeo.refusal(model.reference, owner, identity) == ""
    assert skopeo.refusal(model.pinned, owner) == ""
    assert (skopeo.folder / "pulled" / "manifest.json").read_bytes() == model.packed.store.read(model.descriptor)
    elsewhere = {"type": "exactRepository", "dockerRepository": f"{registry.host}/other"}
    assert "is not accepted" in skopeo.refusal(model.reference, owner, elsewhere)
    assert "verification failed" in skopeo.refusal(model.reference, stranger)


def test_another_tag_was_not_signed(own_registry: Registry, publish: Publish, owner: Holder, skopeo: Skopeo) -> None:
    model = publish(own_registry)
    modelpack.sign(model.reference, owner.key)
    modelpack.tag(model.reference, "v2")
    assert "is not accepted" in skopeo.refusal(f"{model.name}:v2", owner)
    assert skopeo.refusal(f"{model.name}:v2", owner, {"type": "matchRepository"}) == ""


@pytest.mark.parametrize("name", TAGS)
def test_it_refuses_what_we_refuse(
    name: str, own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder, skopeo: Skopeo
) -> None:
    model, whoever = publish(own_registry), {"type": "exactRepository", "dockerRepository": "registry.example/tiny"}
    with opened(model) as store:
        attach_simple(store, model.descriptor, TAGS[name].make(Hands(owner.key, stranger.key, model.digest)))
    assert skopeo.refusal(model.reference, owner, whoever)


def test_it_finds_ours_among_others(
    own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder, skopeo: Skopeo
) -> None:
    model = publish(own_registry)
    others = [forgery.make(Hands(owner.key, stranger.key, model.digest)) for forgery in TAGS.values()]
    with opened(model) as store:
        attach_simple(store, model.descriptor, *others)
    modelpack.sign(model.reference, owner.key, formats=["tag"])
    assert skopeo.refusal(model.reference, owner) == ""


def test_we_accept_what_it_signs(
    registry: Registry, publish: Publish, owner: Holder, stranger: Holder, skopeo: Skopeo
) -> None:
    model = publish(registry)
    (skopeo.folder / "password").write_text(PASSWORD)
    key = ("--sign-by-sigstore-private-key", owner.cosign_file, "--sign-passphrase-file", skopeo.folder / "password")
    anything = ("--insecure-policy", *skopeo.registries)
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run(SKOPEO, *anything, "copy", *tls, *key, f"docker://{model.reference}", f"docker://{model.name}:v2")
    (found,) = modelpack.verify(f"{model.name}:v2", policy=SignedBy(owner.public)).evidence.signatures
    assert (found.format, found.status) == ("tag", "verified")
    with pytest.raises(UntrustedIdentity):
        modelpack.verify(f"{model.name}:v2", policy=SignedBy(stranger.public))
