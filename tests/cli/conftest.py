"""A home of its own for each test, a registry, a model, and the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.cli.models import model as make_model
from tests.cli.program import Ran, modelpack

AMBIENT = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("REGISTRY_AUTH_FILE", "SOURCE_DATE_EPOCH", "MODELPACK_DEBUG", "XDG_DATA_HOME", "REQUEST_METHOD", "NO_COLOR"),
    *("MODELPACK_POLICY", "MODELPACK_KEY_PASSWORD", "COSIGN_PASSWORD"),
    *("HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_CACHE"),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder: nothing outside of it is read or written. The test runs in the folder ``desk`` beside it."""
    for name in AMBIENT:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("MODELPACK_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A running registry's ``host:port``."""
    with Server(LayoutStore(tmp_path / "registry")) as server:
        yield server.host


@pytest.fixture
def reference(registry: str) -> str:
    """Where the model goes in that registry."""
    return f"{registry}/ml/tiny:v1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model."""
    return make_model(tmp_path / "tiny")


@pytest.fixture
def packed(folder: Path, reference: str) -> Ran:
    """The model in the local store, under ``reference``."""
    return modelpack("pack", folder, "-t", reference).done()


@pytest.fixture
def pushed(folder: Path, reference: str) -> str:
    """The model in the registry, under ``reference``; its digest."""
    return modelpack("pack", folder, "-t", reference, "--push").done().last


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A public key; ``signer.key`` is beside it."""
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "")
    modelpack("key", "generate", "--out", tmp_path / "signer").done()
    return tmp_path / "signer.pub"


@pytest.fixture
def signed(pushed: str, reference: str, key: Path) -> str:  # it has to be there
    """The reference of the model, which is pushed and signed with ``key``."""
    modelpack("sign", reference, "--key", key.with_suffix(".key")).done()
    return reference


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where a node cache may be."""
    return tmp_path / "node"
