"""``modelpack sign --keyless`` and ``modelpack verify --identity``, from the token to the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import modelpack
from tests.interop.signing.published import publish
from tests.real.registries import Registry
from tests.trust.keyless.authority import ALICE, ISSUER, Instance
from tests.trust.keyless.services import Services, token

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "MODELPACK_STORE", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))


def test_sign_and_verify(
    instance: Instance, own_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = publish(own_registry, tmp_path / "model").reference
    root, config = tmp_path / "root.json", tmp_path / "config.json"
    root.write_bytes(instance.trusted_root())
    secret = token()
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", secret)
    with Services(instance) as services:
        config.write_bytes(services.trust_config())
        modelpack("sign", reference, "--keyless", "--trust-config", config).done()
    trusted = ("--issuer", ISSUER, "--trusted-root", root)
    modelpack("verify", reference, "--identity", ALICE, *trusted).done()
    other = modelpack("verify", reference, "--identity", "bob@acme.example", *trusted)
    assert other.code == 1
    assert f"signed by {ALICE} ({ISSUER}), not by bob@acme.example" in other.err
    ran = modelpack("sign", reference, "--keyless", "--trust-config", config).failed(5, "does not answer")
    assert secret not in ran.err + ran.out


def test_a_policy(instance: Instance, own_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = publish(own_registry, tmp_path / "model").reference
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", token())
    with Services(instance) as services:
        (tmp_path / "config.json").write_bytes(services.trust_config())
        modelpack("sign", reference, "--keyless", "--trust-config", tmp_path / "config.json").done()
    (tmp_path / "root.json").write_bytes(instance.trusted_root())
    policy = tmp_path / "policy.yaml"
    for pattern, code in ((r"[a-z]+@acme\.example", 0), (r"[a-z]+@acme", 1)):
        policy.write_text(
            f"""version: 1
identities:
  staff: {{keyless: {{identityRegexp: '{pattern}', issuer: '{ISSUER}', trustedRoot: root.json}}}}
rules:
- scope: '*'
  require: {{signed: {{by: [staff]}}}}
"""
        )
        ran = modelpack("verify", reference, "--policy", policy)
        assert ran.code == code, ran
