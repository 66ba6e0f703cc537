"""The image itself: the same bytes each time, little in it, its parts listed and signed by what is in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from modelpack import PrivateKey
from tests.cli.program import program
from tests.deploy.engine import DEPLOY, ROOT, Engine
from tests.real.registries import Registry
from tests.real.tools import run, tool

LIMIT = 60_000_000
"""Bytes of the compressed layers."""
LOCKED = (
    "--network",
    "none",
    "--read-only",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
    "--pids-limit",
    "64",
)


def pushed(engine: Engine, image: str, reference: str) -> str:
    """Push an image; the digest of its manifest in the registry."""
    file = engine.folder / f"digest-{os.getpid()}"
    engine.podman("push", "--quiet", "--tls-verify=false", "--digestfile", file, image, f"docker://{reference}")
    digest = file.read_text().strip()
    file.unlink()
    return digest


def test_two_builds_give_one_digest(engine: Engine, image: str, distribution: Registry) -> None:
    again = f"{image}-again"
    engine.build(again)
    repository = distribution.repository("tools/modelpack")
    digests = {pushed(engine, name, f"{repository}:{n}") for n, name in enumerate((image, again))}
    engine.podman("rmi", again)
    assert len(digests) == 1
    manifest = json.loads(run("crane", "manifest", f"{repository}@{digests.pop()}").stdout)
    assert sum(layer["size"] for layer in manifest["layers"]) < LIMIT


def test_what_it_says_of_itself(engine: Engine, image: str) -> None:
    [found] = json.loads(engine.podman("image", "inspect", image).stdout)
    config: dict[str, Any] = found["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/modelpack/bin/python3", "-I", "/opt/modelpack/bin/modelpack"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "modelpack"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    version = engine.podman("run", "--rm", *LOCKED, image, "version", "--format", "json").stdout
    assert json.loads(version)["version"] == labels["org.opencontainers.image.version"]


def test_there_is_nothing_to_run_but_itself(engine: Engine, image: str) -> None:
    script = (
        "import os, json; print(json.dumps(sorted(name for place in ('/bin', '/usr/bin', '/sbin', '/usr/local/bin')"
        " if os.path.isdir(place) for name in os.listdir(place))))"
    )
    said = engine.podman("run", "--rm", *LOCKED, "--entrypoint", "/usr/bin/python3", image, "-I", "-c", script)
    assert set(json.loads(said.stdout)) == {"python3", "python3.11"}


@pytest.mark.parametrize("user", ["65532:65532", "1000720000:0", "0:0"])
def test_it_needs_no_user_no_home_and_nothing_to_write_to(user: str, engine: Engine, image: str) -> None:
    """Without a single variable, and as a user whom the image does not know."""
    program = [*(f"/opt/modelpack/bin/{name}" for name in ("python3", "modelpack"))]
    bare = f"import os, sys; os.execve('{program[0]}', ['{program[0]}', '-I', '{program[1]}', *sys.argv[1:]], {{}})"
    run = (
        "run",
        "--rm",
        *LOCKED,
        "--passwd=false",
        "--user",
        user,
        "--entrypoint",
        "/usr/bin/python3",
        image,
        "-I",
        "-c",
    )
    assert "--to" in engine.podman(*run, bare, "stage", "--help").stdout
    lost = ("stage", "127.0.0.1:1/a/b:v1", "--to", "/cache", "--insecure-skip-verify", "--retries", "1")
    refused = engine.podman(*run, bare, *lost, check=False)
    assert refused.returncode == 5, refused.stderr
    assert "Traceback" not in refused.stderr


def test_every_module_has_bytecode_that_is_not_compared_with_its_source(engine: Engine, image: str) -> None:
    script = (
        "import pathlib; files = [p for r in ('/usr/lib/python3.11', '/opt/modelpack') for p in pathlib.Path(r).rglob('*.py')]\n"
        "def state(p):\n"
        "    c = p.parent / '__pycache__' / (p.stem + '.cpython-311.pyc')\n"
        "    return c.read_bytes()[4:8].hex() if c.exists() else str(p)\n"
        "print(len(files), sorted({state(p) for p in files}))"
    )
    said = engine.podman("run", "--rm", *LOCKED, "--entrypoint", "/usr/bin/python3", image, "-I", "-c", script).stdout
    count, states = said.split(" ", 1)
    assert int(count) > 1000
    assert states.strip() == "['01000000']"  # PEP 552: by hash, not checked


def test_its_parts_are_listed_and_signed(
    engine: Engine, image: str, distribution: Registry, signer: PrivateKey, tmp_path: Path
) -> None:
    repository = distribution.repository("tools/modelpack")
    reference = f"{repository}@{pushed(engine, image, f'{repository}:v1')}"
    for name, data in (("signer.key", signer.to_keyfile(b"")), ("signer.pub", signer.public_key.pem)):
        (tmp_path / name).write_bytes(data)
    sbom = tmp_path / "sbom.json"
    sbom.write_text(listed(engine, image, reference.rpartition("@")[2]))
    env = {"MODELPACK_KEY_PASSWORD": "", "HOME": str(tmp_path)}
    program("sign", reference, "--key", tmp_path / "signer.key", env=env).done()
    attest = ("attest", reference, "--key", tmp_path / "signer.key", "--type", "cyclonedx", "--predicate", sbom)
    program(*attest, env=env).done()
    program("verify", reference, "--key", tmp_path / "signer.pub", env=env).done()
    offline = ("--key", tmp_path / "signer.pub", "--insecure-ignore-tlog=true", "--allow-http-registry")
    assert run("cosign", "verify", *offline, reference, env=env).stdout.strip()
    said = run("cosign", "verify-attestation", *offline, "--type", "cyclonedx", reference, env=env)
    assert said.stdout.strip()


def listed(engine: Engine, image: str, digest: str) -> str:
    """The list of an image's parts, from its root file system."""
    container = engine.buildah("from", "--pull-never", image)
    try:
        root = engine.buildah("mount", container)
        command = [sys.executable, str(DEPLOY / "sbom.py"), root, "modelpack", digest]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        engine.buildah("rm", container)


def test_the_list_is_complete_and_valid(engine: Engine, image: str) -> None:
    pytest.importorskip("cyclonedx.validation.json")
    text = listed(engine, image, "sha256:0")
    assert text == listed(engine, image, "sha256:0")
    purls = {one["purl"] for one in json.loads(text)["components"]}
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", (DEPLOY / "requirements.txt").read_text(), re.MULTILINE)
    assert {f"pkg:pypi/{name}@{version}" for name, version in locked} <= purls
    assert len([purl for purl in purls if purl.startswith("pkg:pypi/")]) == len(locked) + 1  # and our own
    names = {purl.partition("@")[0] for purl in purls}
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/libssl3", "pkg:deb/debian/python3.11-minimal"} <= names
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_what_is_pinned_is_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (line for name in ("keyless", "tsa", "cose") for line in project["optional-dependencies"][name])
    wanted = {re.split(r"[<>=\[]", line)[0].lower() for line in (*project["dependencies"], *extras)}
    text = (DEPLOY / "requirements.txt").read_text()
    assert wanted <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    assert text.count("==") == len(re.findall(r"==\S+(?: \\\n +--hash=sha256:[0-9a-f]{64})+", text))


def test_scripts_are_sound() -> None:
    for name in ("build", "lock", "rootfs"):
        subprocess.run([tool("bash"), "-n", DEPLOY / name], check=True)
        assert os.access(DEPLOY / name, os.X_OK)
