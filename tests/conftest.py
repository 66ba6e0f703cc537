"""Fixtures for all tests, and the rule that a strict run skips nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, cast

import pytest

from tests.faults import FaultyRegistry
from tests.real.certificates import Authority, make_authority
from tests.real.front import Front, redirecting_front
from tests.real.proxy import Proxy
from tests.real.registries import Registry, crane_registry, distribution, own_registry
from tests.real.tokens import TokenServer

STRICT = "MODELPACK_TEST_STRICT"
"""Set to 1 where everything is installed (CI): a skipped test is then one that was lost, and fails the run."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA with a server's and a client's certificate."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session", name="distribution")
def _distribution() -> Iterator[Registry]:
    """CNCF distribution 2.8, plain HTTP, open to all."""
    with distribution() as running:
        yield running


@pytest.fixture(scope="session", name="crane_registry")
def _crane_registry() -> Iterator[Registry]:
    """crane's registry, plain HTTP, open to all."""
    with crane_registry() as running:
        yield running


@pytest.fixture(scope="session", name="own_registry")
def _own_registry() -> Iterator[Registry]:
    """Our own registry, plain HTTP, open to all."""
    with own_registry() as running:
        yield running


@pytest.fixture(scope="session", params=["distribution", "crane_registry", "own_registry"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """Each of the registries in turn."""
    return cast("Registry", request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def tls_registry(authority: Authority) -> Iterator[Registry]:
    """CNCF distribution over TLS with a certificate of the private CA."""
    with distribution(authority=authority) as running:
        yield running


@pytest.fixture(scope="session")
def basic_registry(authority: Authority) -> Iterator[Registry]:
    """CNCF distribution over TLS that asks for a password (htpasswd)."""
    with distribution(authority=authority, login=("robot", "s3cret")) as running:
        yield running


class StartTokenRegistry(Protocol):
    """Starts CNCF distribution with a token server, whose ``lifetime`` and ``announced`` are given (seconds)."""

    def __call__(self, *, lifetime: int = 300, announced: int | None = None) -> tuple[Registry, TokenServer]:
        """The registry and its token server; both stop after the test."""
        ...


@pytest.fixture
def token_registry() -> Iterator[StartTokenRegistry]:
    """A function that starts a registry with token authentication."""
    with ExitStack() as stack:

        def start(*, lifetime: int = 300, announced: int | None = None) -> tuple[Registry, TokenServer]:
            server = stack.enter_context(TokenServer(lifetime=lifetime, announced=announced))
            return stack.enter_context(distribution(tokens=server)), server

        yield start


@pytest.fixture
def front(distribution: Registry, authority: Authority) -> Iterator[Front]:
    """nginx with TLS and a password before CNCF distribution, which redirects blobs to another host."""
    with redirecting_front(distribution, authority) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A forward proxy that counts."""
    with Proxy() as running:
        yield running


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    """A registry that misbehaves on request."""
    with FaultyRegistry() as running:
        yield running


@pytest.fixture(scope="session")
def models() -> Path:
    """A folder with real models by the name of the package that carries each (see ``tests/fetch_models.py``)."""
    folder = os.environ.get("MODELPACK_TEST_MODELS")
    if not folder:
        pytest.skip("needs real models (python tests/fetch_models.py DIR, then MODELPACK_TEST_MODELS=DIR)")
    return Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a strict run that skipped something."""
    if os.environ.get(STRICT) == "1" and _skipped(session.config) and not session.testsfailed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why a strict run failed."""
    if os.environ.get(STRICT) == "1" and (skipped := _skipped(config)):
        terminalreporter.section(f"{STRICT}=1, but tests were skipped", sep="!", red=True)
        for nodeid, reason in skipped:
            terminalreporter.write_line(f"{nodeid}: {reason}")


def _skipped(config: pytest.Config) -> list[tuple[str, str]]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return [
        (report.nodeid, str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")) for report in reports
    ]
