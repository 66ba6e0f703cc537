"""Mirrors as they are run: nginx as a cache in front of a registry, and other registries; the command line as the client."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from modelpack import Access, InsecureAcceptAnything, copy, pack, prepare, pull
from modelpack.oci import Reference
from modelpack.store import Mirror, Mirrors
from tests.real.cache import HEADER, VALUE, Cache, caching
from tests.real.certificates import Authority
from tests.real.proxy import Proxy
from tests.real.registries import Registry

WEIGHTS = random.Random(1).randbytes(20 << 20)


@pytest.fixture
def cache(distribution: Registry, authority: Authority) -> Iterator[Cache]:
    with caching(distribution, authority) as running:
        yield running


@pytest.fixture
def reference(distribution: Registry, tmp_path: Path) -> str:
    """A model of 20 MiB in CNCF distribution."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(WEIGHTS)
    (folder / "config.json").write_text("{}")
    return _push(folder, distribution)


def _push(folder: Path, registry: Registry) -> str:
    name = f"{registry.repository()}:v1"
    pack(prepare(str(folder)), into=name, access=_access(registry))
    return name


def _access(registry: Registry, *mirrors: Mirror) -> Access:
    return Access(http=registry.options, credentials=registry.credentials, mirrors=Mirrors(mirrors))


@pytest.fixture
def hosts(cache: Cache, distribution: Registry, authority: Authority, tmp_path: Path) -> Path:
    """A folder as containerd's ``certs.d``."""
    place = tmp_path / "certs.d" / distribution.host
    place.mkdir(parents=True)
    (place / "ca.pem").write_bytes(authority.ca.read_bytes())
    (place / "hosts.toml").write_text(
        f'server = "{distribution.url}"\n'
        f'[host."{cache.url}"]\ncapabilities = ["pull"]\nca = "ca.pem"\n'
        f'[host."{cache.url}".header]\n{HEADER} = "{VALUE}"\n'
    )
    return place.parent


def run(*arguments: str | Path, home: Path, **env: str) -> str:
    """Run the command; what it said on stderr."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "modelpack_cli.main", *map(str, arguments)],
        env=kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "DOCKER_CONFIG": str(home)} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def weights(folder: Path) -> bool:
    return (folder / "model.bin").read_bytes() == WEIGHTS


def test_a_cache_serves_the_blobs_and_the_registry_the_tag(
    cache: Cache, hosts: Path, reference: str, distribution: Registry, proxy: Proxy, tmp_path: Path
) -> None:
    way = {"HTTP_PROXY": proxy.proxy_url, "HTTPS_PROXY": proxy.proxy_url}
    for turn in ("first", "second"):
        said = run("pull", reference, "-o", tmp_path / turn, "--hosts-dir", hosts, home=tmp_path, **way)
        assert weights(tmp_path / turn)
        assert "retry" not in said
    # The proxy saw who was asked: the registry for the tag, and the cache through tunnels for all the rest.
    name = Reference.parse(reference)
    tag = ("GET", f"{distribution.url}/v2/{name.repository}/manifests/v1")
    assert [request for request in proxy.requests if request[0] == "GET"] == [tag, tag]
    assert {target for method, target in proxy.requests if method == "CONNECT"} == {urlsplit(cache.url).netloc}
    seen = cache.seen()
    assert {entry["query"] for entry in seen} == {f"ns={quote(distribution.host, safe='')}"}
    assert {entry["status"] for entry in seen} <= {"200", "206"}
    assert [entry["authorization"] for entry in seen if entry["authorization"]] == []
    assert {entry["cache"] for entry in seen[len(seen) // 2 :]} == {"HIT"}


def test_a_cache_that_is_poisoned(cache: Cache, hosts: Path, reference: str, tmp_path: Path) -> None:
    run("pull", reference, "-o", tmp_path / "first", home=tmp_path, MODELPACK_HOSTS_DIR=str(hosts))
    largest = max(cache.stored, key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"poison")
    said = run("pull", reference, "-o", tmp_path / "second", home=tmp_path, MODELPACK_HOSTS_DIR=str(hosts))
    assert weights(tmp_path / "second")
    assert "is not asked again: it delivered something else than sha256:" in said
    assert said.count("retry") == 1


def test_a_cache_that_refuses_and_one_that_is_gone(cache: Cache, hosts: Path, reference: str, tmp_path: Path) -> None:
    toml = next(hosts.rglob("hosts.toml"))
    toml.write_text(toml.read_text().replace(f'"{VALUE}"', '"other"'))
    said = run(
        "pull", reference, "-o", tmp_path / "out", "--hosts-dir", hosts, "--mirror", "localhost:1", home=tmp_path
    )
    assert weights(tmp_path / "out")
    assert "localhost:1 is not asked again: http://localhost:1 refuses connections" in said
    assert "answered 403" in said
    assert said.count("retry") == 2


def test_the_limit_holds(reference: str, tmp_path: Path) -> None:
    """20 MiB at 20 MiB a second: no faster than that."""
    said = run("pull", reference, "-o", tmp_path / "out", "--limit-rate", "20M", "--progress", "plain", home=tmp_path)
    assert weights(tmp_path / "out")
    seconds = float(said.partition(" in ")[2].partition(" s,")[0])
    assert seconds >= 0.9


@pytest.mark.parametrize("kind", ["crane_registry", "own_registry"])
def test_other_registries_as_mirrors(
    kind: str, reference: str, distribution: Registry, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mirror: Registry = request.getfixturevalue(kind)
    name = Reference.parse(reference)
    copied = copy(reference, f"{mirror.host}/{name.repository}:v1", access=_access(distribution))
    events: list[str] = []
    access = _access(distribution, Mirror.parse(mirror.url)).watched(lambda event: events.append(event.action))
    # By digest nothing but the mirror is needed: the registry that is named need not be there.
    gone = f"127.0.0.1:1/{name.repository}@{copied.descriptor.digest}"
    pull(gone, tmp_path / "out", policy=InsecureAcceptAnything(), access=access)
    assert weights(tmp_path / "out")
    assert "retry" not in events
