"""What KServe and KitOps give to their init containers: pairs of arguments, or variables."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.cli.models import content
from tests.cli.program import COMMAND, modelpack

VARIABLES = (
    *("MODELKIT_REF", "UNPACK_PATH", "UNPACK_FILTER", "EXTRA_FLAGS", "KIT_UNPACK_FLAGS", "KIT_USER", "KIT_PASSWORD"),
    *(
        "COSIGN_KEY",
        "COSIGN_CERT_IDENTITY",
        "COSIGN_CERT_OIDC_ISSUER",
        "MODELPACK_PUBLIC_KEY",
        "KSERVE_OCI_DOCKER_CONFIG",
    ),
    *("MODELPACK_INSECURE_SKIP_VERIFY", "CA_BUNDLE_VOLUME_MOUNT_POINT", "REQUESTS_CA_BUNDLE"),
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_pairs_as_kserve_gives_them(
    signed: str, key: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELPACK_PUBLIC_KEY", key.read_text())
    one, two, message = tmp_path / "models", tmp_path / "second", tmp_path / "message"
    one.mkdir()
    ran = modelpack(f"modelpack://{signed}", one, f"oci://{signed}", two, "--termination-log", message).done()
    assert ran.out.splitlines() == [str(one), str(two)]
    assert content(one) == content(two) == content(folder)
    said = json.loads(message.read_text())
    assert (said["result"], said["bytes"] > 0, said["signer"][:4]) == ("miss", True, "key ")
    modelpack(f"kit://{signed}", one, "--termination-log", message, "--log", "text").done()
    assert json.loads(message.read_text())["result"] == "hit"


def test_without_anybody_to_trust_it_refuses(
    signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Path
) -> None:
    target = tmp_path / "models"
    modelpack(f"modelpack://{signed}", target).failed(2, "whom to trust")
    assert not target.exists()
    monkeypatch.setenv("MODELPACK_INSECURE_SKIP_VERIFY", "true")
    modelpack(f"modelpack://{signed}", target).failed(2, "neither 0 nor 1")
    monkeypatch.setenv("MODELPACK_INSECURE_SKIP_VERIFY", "1")
    monkeypatch.setenv("COSIGN_KEY", str(key))
    modelpack(f"modelpack://{signed}", target).failed(2, "contradicts")
    monkeypatch.delenv("COSIGN_KEY")
    modelpack(f"modelpack://{signed}", target).done()


def test_who_is_not_trusted_puts_nothing_there(signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modelpack("key", "generate", "--out", tmp_path / "other").done()
    monkeypatch.setenv("COSIGN_KEY", str(tmp_path / "other.pub"))
    ran = modelpack(f"modelpack://{signed}", tmp_path / "models").failed(1, "UntrustedIdentity")
    assert "Traceback" not in ran.err
    assert not (tmp_path / "models").exists()
    monkeypatch.delenv("COSIGN_KEY")
    monkeypatch.setenv("COSIGN_CERT_IDENTITY", "dev@example.com")
    modelpack(f"modelpack://{signed}", tmp_path / "models").failed(2, "--issuer")


def test_a_policy_file_and_options(signed: str, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nidentities:\n  team: {key: {file: signer.pub}}\n"
        "rules:\n- scope: '*'\n  require: {signed: {by: team}}\n"
    )
    monkeypatch.setenv("MODELPACK_POLICY", str(policy))
    modelpack(f"modelpack://{signed}", tmp_path / "a").done()
    monkeypatch.delenv("MODELPACK_POLICY")
    modelpack("stage", "storage-initializer", "--key", key, f"modelpack://{signed}", tmp_path / "b").done()


def test_wrong_calls(signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modelpack(f"modelpack://{signed}").failed(2, "has no folder")
    modelpack("stage", "storage-initializer").failed(2, "MODELKIT_REF")
    monkeypatch.setenv("MODELKIT_REF", signed)
    modelpack().failed(2, "UNPACK_PATH")
    monkeypatch.setenv("UNPACK_PATH", str(tmp_path / "kit"))
    monkeypatch.setenv("MODELPACK_INSECURE_SKIP_VERIFY", "1")
    monkeypatch.setenv("UNPACK_FILTER", "model:weights")
    modelpack().failed(2, "UNPACK_FILTER")
    monkeypatch.delenv("UNPACK_FILTER")
    monkeypatch.setenv("EXTRA_FLAGS", "--ignore-existing")
    modelpack().failed(2, "no flag of kit")


def test_variables_as_kitops_gives_them(
    signed: str, key: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "MODELKIT_REF": signed,
        "UNPACK_PATH": str(tmp_path / "kit"),
        "UNPACK_FILTER": "model, docs",
        "EXTRA_FLAGS": "--overwrite --plain-http --tls-verify=false",
        "COSIGN_KEY": str(key),
    }.items():
        monkeypatch.setenv(name, value)
    modelpack().done()
    whole = content(folder)
    assert content(tmp_path / "kit") == whole


def test_an_account_is_for_the_registry_of_the_model(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, key: Path
) -> None:
    with Server(LayoutStore(tmp_path / "closed"), credentials={"me": "secret"}) as server:
        docker = tmp_path / "auth.json"
        docker.write_text(json.dumps({"auths": {server.host: {"username": "me", "password": "secret"}}}))
        reference = f"{server.host}/ml/tiny:v1"
        modelpack("pack", folder, "-t", reference, "--push", "--registry-config", docker).done()
        modelpack("sign", reference, "--key", key.with_suffix(".key"), "--registry-config", docker).done()
        monkeypatch.setenv("COSIGN_KEY", str(key))
        modelpack(f"kit://{reference}", tmp_path / "a").failed(5)
        monkeypatch.setenv("KIT_USER", "me")
        monkeypatch.setenv("KIT_PASSWORD", "secret")
        modelpack(f"kit://{reference}", tmp_path / "a").done()
        monkeypatch.delenv("KIT_USER")
        monkeypatch.setenv("KSERVE_OCI_DOCKER_CONFIG", str(docker))
        modelpack(f"modelpack://{reference}", tmp_path / "b").done()


def test_authorities_that_kserve_mounts(signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelpack_cli.commands.stage.initializer import _equipped

    from modelpack import Access

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    assert _equipped(Access(), signed).http.tls.ca_file == tmp_path / "ca.pem"
    monkeypatch.setenv("CA_BUNDLE_VOLUME_MOUNT_POINT", "/etc/ssl/custom-certs")
    assert _equipped(Access(), signed).http.tls.ca_file == Path("/etc/ssl/custom-certs/cabundle.crt")


def test_a_mount_point(signed: str, key: Path, folder: Path, tmp_path: Path) -> None:
    """A real one: what KServe mounts at /mnt/models cannot be replaced, only filled."""
    place = tmp_path / "models"
    place.mkdir()
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(place)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    script = (
        'set -e; mount -t tmpfs none "$1"; shift; "$@"; "$@"; '
        f'{sys.executable} -c "import sys; from tests.cli.models import content; from pathlib import Path;'
        f" sys.exit(content(Path('{place}')) != content(Path('{folder}')))\""
    )
    command = [*COMMAND, "stage", "storage-initializer", "--key", str(key), f"modelpack://{signed}", str(place)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(place), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["result"] for line in lines if line["event"] == "outcome"] == ["miss", "hit"]
    assert list(place.iterdir()) == []
