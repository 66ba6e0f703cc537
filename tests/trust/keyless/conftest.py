"""A private instance for all tests of this folder, and no network but this machine's own."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.trust.keyless.authority import Instance


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Where connections were made to. Names are not looked up, and addresses elsewhere fail the test."""
    made: list[str] = []
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        made.append(str(address))
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise OSError("tests stay on this machine")
        connect(self, address)

    def unknown(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            made.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, "tests look up no names")
        return lookup(host, *arguments, **options)

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", local)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    yield made
    assert [address for address in made if "127.0.0.1" not in address] == []


@pytest.fixture(scope="session")
def instance() -> Instance:
    return Instance.make()


@pytest.fixture(scope="session")
def trusted_root(instance: Instance) -> bytes:
    return instance.trusted_root()
