"""The connection options, as the library gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

import modelpack as library
from modelpack import TLS, Access, DockerConfig
from tests.cli.program import modelpack
from tests.real.certificates import Authority


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Access]:
    """The access of each call."""
    found: list[Access] = []

    def list_names(_: str, *, access: Access) -> tuple[str, ...]:
        found.append(access)
        return ()

    monkeypatch.setattr(library, "list_names", list_names)
    return found


def test_defaults(seen: list[Access], tmp_path: Path) -> None:
    modelpack("ls", "registry.example").done()
    (access,) = seen
    assert (access.http.plain_http, access.http.tls, access.http.retries) == (None, TLS(), 6)
    assert access.http.user_agent == f"modelpack/{library.__version__}"
    assert access.credentials == DockerConfig(tmp_path / "docker" / "config.json")


def test_all_given(seen: list[Access]) -> None:
    files = ["--ca-file", "ca.pem", "--cert-file", "me.pem", "--key-file", "me.key", "--registry-config", "auth.json"]
    numbers = ["--retries", "3", "--timeout", "7.5", "-j", "5"]
    modelpack("ls", "registry.example", *files, *numbers, "--insecure-skip-tls-verify").done()
    (access,) = seen
    assert access.http.tls == TLS(Path("ca.pem"), Path("me.pem"), Path("me.key"), insecure_skip_verify=True)
    assert access.credentials == DockerConfig(Path("auth.json"))
    assert (access.http.retries, access.http.read_timeout, access.jobs) == (3, 7.5, 5)


@pytest.mark.parametrize(("option", "plain"), [("--plain-http", True), ("--tls", False)])
def test_scheme(option: str, plain: bool, seen: list[Access]) -> None:
    modelpack("ls", "registry.example", option).done()
    assert seen[0].http.plain_http is plain


def test_tls_to_a_registry_without_it(registry: str) -> None:
    modelpack("ls", registry, "--tls", "--retries", "1").failed(5, "error: ")


def test_files_that_cannot_be_used(authority: Authority) -> None:
    modelpack("ls", "registry.example", "--ca-file", "nowhere.pem").failed(2, "cannot use the CA")
    options = ["--cert-file", str(authority.client), "--key-file", str(authority.server_key)]
    modelpack("ls", "registry.example", *options).failed(2, "cannot use the CA or client certificate")
