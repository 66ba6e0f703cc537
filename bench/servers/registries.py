"""Registries that programs serve, each empty at first, and the network in front of one."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.measure import find
from bench.servers.authority import Authority
from bench.servers.process import Endpoint, serving

_Command = Callable[[int, Path, Authority | None], list[str]]


def _distribution(port: int, folder: Path, authority: Authority | None) -> list[str]:
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}", "relativeurls": True},
    }
    if authority:
        config["http"]["tls"] = {"certificate": str(authority.certificate), "key": str(authority.key)}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    return ["docker-registry", "serve", "config.yml"]


def _crane(port: int, folder: Path, _authority: Authority | None) -> list[str]:
    (folder / "data").mkdir()
    return ["crane", "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", "data"]


def _modelpack(port: int, folder: Path, authority: Authority | None) -> list[str]:
    tls = ["--cert-file", str(authority.certificate), "--key-file", str(authority.key)] if authority else []
    return [
        sys.executable, "-m", "modelpack_cli.main", "serve", str(folder / "layout"), "--port", str(port), "-q", *tls,
    ]  # fmt: skip


def _sink(port: int, _folder: Path, authority: Authority | None) -> list[str]:
    tls = [str(authority.certificate), str(authority.key)] if authority else []
    return [sys.executable, str(Path(__file__).with_name("sink.py")), str(port), *tls]


REGISTRIES: dict[str, _Command] = {
    "distribution": _distribution,
    "crane": _crane,
    "modelpack": _modelpack,
    "sink": _sink,
}
"""What can take pushes, by name. The sink throws away what it gets; crane's registry has no TLS."""


@contextlib.contextmanager
def registry(kind: str, work: Path, authority: Authority | None = None) -> Iterator[Endpoint]:
    """An empty registry, in a folder of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=work) as name:
        folder = Path(name)

        def command(port: int) -> list[str]:
            program, *arguments = REGISTRIES[kind](port, folder, authority)
            return [find(program) or program, *arguments]

        with serving(command, folder) as (port, group):
            yield Endpoint(kind, f"127.0.0.1:{port}", authority.ca if authority else None, (group,))


@contextlib.contextmanager
def behind_network(endpoint: Endpoint, work: Path, rtt_ms: float, rate_mb: float) -> Iterator[Endpoint]:
    """The same server, at the end of a long way: see :mod:`bench.servers.relay`."""
    relay = str(Path(__file__).with_name("relay.py"))
    target = endpoint.host.rpartition(":")[2]
    with (
        tempfile.TemporaryDirectory(prefix="relay-", dir=work) as name,
        serving(lambda port: [sys.executable, relay, str(port), target, str(rtt_ms), str(rate_mb)], Path(name)) as (
            port,
            group,
        ),
    ):
        yield replace(endpoint, host=f"127.0.0.1:{port}", network=(group,))
