"""What ``cosign sign`` makes, before us: in both layouts, on every registry, with keys that cosign made or imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import modelpack
from modelpack import PrivateKey, PublicKey, SignedBy
from modelpack.errors import BadSignature, CannotVerify, InputError, UntrustedIdentity
from modelpack.oci import Manifest
from tests.interop.signing.forged import attach_bundle
from tests.interop.signing.published import LAYOUTS, PASSWORD, Cosign, Holder, Publish, opened
from tests.real.registries import Registry
from tests.real.tools import run

OPENSSL = {
    "rsa": ("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "ecdsa-p256": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ecdsa-p384": ("ecparam", "-name", "secp384r1", "-genkey", "-noout"),
    "ed25519": ("genpkey", "-algorithm", "ed25519"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """cosign's two files."""

    private: Path
    public: Path

    @property
    def key(self) -> PublicKey:
        return PublicKey.load(self.public.read_bytes())


@pytest.fixture(scope="session")
def pair(cosign: Cosign) -> Pair:
    """What ``cosign generate-key-pair`` makes."""
    cosign.run("generate-key-pair", "--output-key-prefix", cosign.home / "made")
    return Pair(cosign.home / "made.key", cosign.home / "made.pub")


@pytest.fixture(scope="session")
def imported(cosign: Cosign) -> Callable[[str], Pair]:
    """A function that gives what ``cosign import-key-pair`` makes of a key of openssl's."""

    def make(kind: str) -> Pair:
        pem, prefix = cosign.home / f"{kind}.pem", cosign.home / kind
        if not pem.exists():
            run("openssl", *OPENSSL[kind], "-out", pem)
            cosign.run("import-key-pair", "-y", "--key", pem, "--output-key-prefix", prefix)
        return Pair(cosign.home / f"{kind}.key", cosign.home / f"{kind}.pub")

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
def test_we_accept_cosign_s(
    registry: Registry, layout: str, publish: Publish, pair: Pair, stranger: Holder, cosign: Cosign
) -> None:
    model, other = publish(registry), publish(registry)
    cosign.sign(pair.private, model.reference, layout, "-a", "team=ml")
    (found,) = modelpack.verify(model.reference, policy=SignedBy(pair.key)).evidence.signatures
    assert (found.format, found.kind, found.status) == (layout, "signature", "verified")
    with pytest.raises(UntrustedIdentity, match="not by anybody trusted"):
        modelpack.verify(model.reference, policy=SignedBy(stranger.public))
    assert cosign.refusal(stranger.public_file, model.reference, layout)
    with opened(other) as store, opened(model) as origin:
        carrier = origin.document(found.carrier)
        assert isinstance(carrier, Manifest)
        if layout == "bundle":
            attach_bundle(store, other.descriptor, origin.read(carrier.layers[0], limit=1 << 20))
        else:
            modelpack.copy(f"{model.name}@{found.carrier.digest}", f"{other.name}:sha256-{other.digest.hex}.sig")
    with pytest.raises(BadSignature, match="another manifest"):
        modelpack.verify(other.reference, policy=SignedBy(pair.key))
    assert cosign.refusal(pair.public, other.reference, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ours_between_two_of_cosign_s(
    registry: Registry, layout: str, publish: Publish, pair: Pair, owner: Holder, stranger: Holder, cosign: Cosign
) -> None:
    model = publish(registry)
    cosign.sign(pair.private, model.reference, layout)
    modelpack.sign(model.reference, owner.key)
    cosign.sign(stranger.cosign_file, model.reference, layout)
    modelpack.verify(model.reference, policy=SignedBy(pair.key, owner.public, stranger.public, threshold=3))
    for either in LAYOUTS:
        assert cosign.refusal(owner.public_file, model.reference, either) == ""
    for public in (pair.public, stranger.public_file):
        assert cosign.refusal(public, model.reference, layout) == ""


@pytest.mark.parametrize("kind", ["rsa", "ecdsa-p256", "ecdsa-p384"])
def test_imported_keys(
    kind: str, own_registry: Registry, publish: Publish, imported: Callable[[str], Pair], cosign: Cosign
) -> None:
    model, pair = publish(own_registry), imported(kind)
    assert pair.key.kind == kind
    for layout in LAYOUTS:
        cosign.sign(pair.private, model.reference, layout)
    found = modelpack.verify(model.reference, policy=SignedBy(pair.key)).evidence.signatures
    assert [one.status for one in found] == ["verified", "verified"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ed25519_as_far_as_cosign_itself(
    own_registry: Registry, layout: str, publish: Publish, imported: Callable[[str], Pair], cosign: Cosign
) -> None:
    """cosign 3 signs Ed25519ph and verifies Ed25519: what it refuses itself, we must not accept."""
    model, pair = publish(own_registry), imported("ed25519")
    cosign.sign(pair.private, model.reference, layout)
    if not cosign.refusal(pair.public, model.reference, layout):
        modelpack.verify(model.reference, policy=SignedBy(pair.key))
        return
    with pytest.raises((CannotVerify, UntrustedIdentity)):
        modelpack.verify(model.reference, policy=SignedBy(pair.key))


def test_we_sign_with_a_key_that_cosign_made(
    own_registry: Registry, publish: Publish, pair: Pair, imported: Callable[[str], Pair], cosign: Cosign
) -> None:
    for made in (pair, imported("rsa"), imported("ecdsa-p384")):
        key = PrivateKey.load(made.private.read_bytes(), PASSWORD.encode)
        assert key.public_key == made.key
        model = publish(own_registry)
        modelpack.sign(model.reference, key)
        options = ("--signature-digest-algorithm=sha384",) if key.public_key.kind == "ecdsa-p384" else ()
        for layout in LAYOUTS:
            assert cosign.refusal(made.public, model.reference, layout, *options) == ""
    with pytest.raises(InputError, match="password"):
        PrivateKey.load(pair.private.read_bytes(), lambda: b"wrong")
