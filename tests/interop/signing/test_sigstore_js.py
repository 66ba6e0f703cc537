"""Our bundles before sigstore-js (npm ``@sigstore/verify``), with a key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import modelpack
from modelpack.oci import Manifest
from tests.interop.signing.forged import BUNDLES, Hands
from tests.interop.signing.published import Holder, Publish, Published, opened, signatures
from tests.real.registries import Registry
from tests.real.tools import run

SCRIPT = Path(__file__).with_name("verify.cjs")
PACKAGES = "@sigstore/verify @sigstore/bundle"


@pytest.fixture(scope="module", name="npm")
def _npm() -> str:
    """A folder with npm packages."""
    folder = os.environ.get("MODELPACK_TEST_NPM", "")
    if not folder:
        pytest.skip(f"needs sigstore-js (npm install --prefix DIR {PACKAGES}, then MODELPACK_TEST_NPM=DIR)")
    return folder


def bundle_of(model: Published) -> bytes:
    """The bundle that is attached to a model."""
    (found,) = signatures(model.reference)
    with opened(model) as store:
        carrier = store.document(found.carrier)
        assert isinstance(carrier, Manifest)
        return store.read(carrier.layers[0], limit=1 << 20)


def said(npm: str, raw: bytes, who: Holder, folder: Path) -> str:
    (folder / "bundle.json").write_bytes(raw)
    return run("node", SCRIPT, npm, folder / "bundle.json", who.public_file).stdout.strip()


@pytest.mark.parametrize("kind", ["ecdsa-p256", "rsa", "ed25519"])  # for P-384 it hashes with SHA-256 only
def test_it_accepts_ours(
    kind: str, npm: str, own_registry: Registry, publish: Publish, holder: Callable[[str], Holder], tmp_path: Path
) -> None:
    model, signer = publish(own_registry), holder(kind)
    modelpack.sign(model.reference, signer.key, formats=["bundle"])
    raw = bundle_of(model)
    assert said(npm, raw, signer, tmp_path) == "accepted"
    assert "SIGNATURE_ERROR" in said(npm, raw, holder(f"{kind} stranger"), tmp_path)


@pytest.mark.parametrize("name", ["altered payload", "swapped signature", "altered payload type", "not JSON"])
def test_it_refuses_what_we_refuse(
    name: str, npm: str, own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder, tmp_path: Path
) -> None:
    hands = Hands(owner.key, stranger.key, publish(own_registry).digest)
    assert "Error" in said(npm, BUNDLES[name].make(hands), owner, tmp_path).replace("_ERROR", "Error")


def test_it_reads_the_signature_of_files(
    npm: str, own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder, tmp_path: Path
) -> None:
    model = publish(own_registry)
    modelpack.sign(model.reference, owner.key, formats=["oms"])
    assert said(npm, bundle_of(model), owner, tmp_path) == "accepted"
    assert "SIGNATURE_ERROR" in said(npm, bundle_of(model), stranger, tmp_path)
