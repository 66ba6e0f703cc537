"""What we sign and what we refuse, before cosign and sigstore-js, which know nothing but the trusted root."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import modelpack
from modelpack import SignedBy
from modelpack.errors import UntrustedIdentity
from modelpack.trust import SIGNED, Statement, push_bundle
from modelpack.trust.keyless import KeylessIdentity, sign_keyless
from modelpack.trust.seal import Circumstances
from tests.interop.signing.published import opened, publish
from tests.real.registries import Registry
from tests.real.tools import run
from tests.trust.keyless.authority import ALICE, ISSUER, STATEMENT, Instance, seal_of
from tests.trust.keyless.clock import Clock
from tests.trust.keyless.rekor import Document
from tests.trust.keyless.services import Services, token

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

SCRIPT = Path(__file__).with_name("verify.cjs")
BOB = "bob@acme.example"
NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Clients:
    """Each says ``""`` if it accepts, and else why it does not."""

    folder: Path

    def cosign(self, raw: bytes, instance: Instance, identity: str = ALICE, issuer: str = ISSUER) -> str:
        """Of a bundle for a digest that is not on this machine."""
        (self.folder / "bundle.json").write_bytes(raw)
        about = ["--digest", "89" * 32, "--digestAlg", "sha256", "--type", SIGNED, "--bundle", "bundle.json"]
        return self._cosign("verify-blob-attestation", instance, identity, issuer, *about)

    def cosign_pulls(self, reference: str, instance: Instance, identity: str = ALICE) -> str:
        return self._cosign("verify", instance, identity, ISSUER, "--allow-http-registry", reference)

    def _cosign(self, verb: str, instance: Instance, identity: str, issuer: str, *arguments: str | Path) -> str:
        (self.folder / "root.json").write_bytes(instance.trusted_root())
        who = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer]
        trust = ["--trusted-root", "root.json"]
        done = run(
            "cosign", verb, *trust, *who, *arguments, cwd=self.folder, env={"HOME": str(self.folder)}, check=False
        )
        return done.stderr if done.returncode else ""

    def sigstore_js(self, raw: bytes, instance: Instance, identity: str = ALICE, issuer: str = ISSUER) -> str:
        npm = os.environ.get("MODELPACK_TEST_NPM", "")
        if not npm:
            pytest.skip("needs sigstore-js (npm install --prefix DIR @sigstore/verify, then MODELPACK_TEST_NPM=DIR)")
        (self.folder / "bundle.json").write_bytes(raw)
        (self.folder / "root.json").write_bytes(instance.trusted_root())
        files = self.folder / "bundle.json", self.folder / "root.json"
        said = run("node", SCRIPT, npm, *files, identity, issuer).stdout.strip()
        return "" if said == "accepted" else said


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path)


def signed(instance: Instance) -> bytes:
    with Services(instance) as services:
        return sign_keyless(STATEMENT, token=token(), trust_config=services.trust_config())


@pytest.mark.parametrize("client", ["cosign", "sigstore_js"])
def test_they_accept_ours(client: str, instance: Instance, clients: Clients) -> None:
    raw, ask = signed(instance), getattr(clients, client)
    assert ask(raw, instance) == ""
    assert BOB in ask(raw, instance, BOB)
    assert "https://evil.example" in ask(raw, instance, ALICE, "https://evil.example")
    assert ask(raw, Instance.make()) != ""


def test_version_2_and_its_timestamp(instance: Instance, clients: Clients, tmp_path: Path) -> None:
    """sigstore-js looks for the hash of the payload where the log has that of the pre-authentication encoding."""
    clock = Clock.make(tmp_path)
    timed = instance.timed(clock.chain)
    with Services(timed, version=2, stamp=clock.stamp) as services:
        raw = sign_keyless(STATEMENT, token=token(), trust_config=services.trust_config())
    assert clients.cosign(raw, timed) == ""
    assert clients.sigstore_js(raw, timed) == "TLOG_BODY_ERROR: digest mismatch"


def altered(instance: Instance, other: Instance) -> dict[str, Document]:
    """Bundles that nobody may accept."""
    made = {name: instance.sign() for name in ("payload", "entry", "time", "log", "certificate")}
    material = {name: document["verificationMaterial"] for name, document in made.items()}
    made["payload"]["dsseEnvelope"]["payload"] = instance.sign(b'{"a":1}')["dsseEnvelope"]["payload"]
    material["entry"]["tlogEntries"] = instance.sign(b'{"b":1}')["verificationMaterial"]["tlogEntries"]
    material["time"]["tlogEntries"][0]["integratedTime"] = "1748779231"
    material["log"]["tlogEntries"] = other.sign()["verificationMaterial"]["tlogEntries"]
    material["certificate"]["certificate"] = instance.sign()["verificationMaterial"]["certificate"]
    return made


@pytest.mark.parametrize("client", ["cosign", "sigstore_js"])
@pytest.mark.parametrize("name", ["payload", "entry", "time", "log", "certificate"])
def test_they_refuse_what_we_refuse(name: str, client: str, instance: Instance, clients: Clients) -> None:
    document = altered(instance, Instance.make())[name]
    ours = KeylessIdentity("alice", ALICE, ISSUER, instance.trusted_root())
    with pytest.raises(modelpack.VerificationError):
        ours.check(seal_of(document), NOW)
    assert getattr(clients, client)(json.dumps(document).encode(), instance) != ""


def test_a_model_in_a_registry(instance: Instance, clients: Clients, own_registry: Registry, tmp_path: Path) -> None:
    """Signed keyless, attached, and verified by cosign and by us from the registry alone."""
    model = publish(own_registry, tmp_path / "model")
    with Services(instance) as services, opened(model) as store:
        statement = Statement.build(SIGNED, {}, model.digest)
        raw = sign_keyless(statement.raw, token=token(), trust_config=services.trust_config())
        push_bundle(store, model.descriptor, raw, SIGNED, datetime.now(UTC))
    assert clients.cosign_pulls(model.reference, instance) == ""
    assert BOB in clients.cosign_pulls(model.reference, instance, BOB)
    alice, bob = (KeylessIdentity(name, name, ISSUER, instance.trusted_root()) for name in (ALICE, BOB))
    verified = modelpack.verify(model.reference, policy=SignedBy(alice))
    (found,) = verified.evidence.signatures
    assert [voucher.signer for voucher in found.vouchers] == [f"{ALICE} ({ISSUER})"]
    with pytest.raises(UntrustedIdentity):
        modelpack.verify(model.reference, policy=SignedBy(bob))
