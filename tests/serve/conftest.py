"""A running server for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.serve.client import Client


@pytest.fixture
def layout(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "My Models")


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def server(layout: LayoutStore, log: list[str]) -> Iterator[Server]:
    with Server(layout, log=log.append) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    talking = Client(server)
    yield talking
    talking.close()
