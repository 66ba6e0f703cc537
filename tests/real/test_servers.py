"""The servers do what the other tests rely on; seen through oras, so that no bug of ours can hide another."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import StartTokenRegistry
from tests.faults import FaultyRegistry
from tests.real.certificates import Authority
from tests.real.front import Front
from tests.real.proxy import Proxy
from tests.real.registries import Registry
from tests.real.tools import run


def _flags(registry: Registry) -> list[str]:
    flags = ["--ca-file", str(registry.ca)] if registry.ca else ["--plain-http"]
    return [*flags, "--username", registry.username, "--password", registry.password] if registry.username else flags


def _round_trip(registry: Registry, folder: Path, **env: str) -> None:
    data = os.urandom(100_000)
    (folder / "weights.bin").write_bytes(data)
    reference = f"{registry.repository()}:v1"
    run("oras", "push", *_flags(registry), reference, "weights.bin", cwd=folder, env=env)
    run("oras", "pull", *_flags(registry), "-o", "back", reference, cwd=folder, env=env)
    assert (folder / "back" / "weights.bin").read_bytes() == data


def test_registries_keep_what_oras_pushes(registry: Registry, tmp_path: Path) -> None:
    _round_trip(registry, tmp_path)


def test_tls_with_a_private_ca(tls_registry: Registry, tmp_path: Path) -> None:
    _round_trip(tls_registry, tmp_path)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{tls_registry.url}/v2/")


def test_passwords_are_checked(basic_registry: Registry, tmp_path: Path) -> None:
    _round_trip(basic_registry, tmp_path)
    assert _status(basic_registry, "/v2/", "robot:wrong") == 401
    assert _status(basic_registry, "/v2/", "robot:s3cret") == 200


def _status(registry: Registry, path: str, login: str) -> int:
    request = urllib.request.Request(registry.url + path)
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    context = ssl.create_default_context(cafile=str(registry.ca))
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_tokens_are_checked(token_registry: StartTokenRegistry, tmp_path: Path) -> None:
    registry, server = token_registry()
    _round_trip(registry, tmp_path)
    assert {one.grant for one in server.requests} == {"basic"}
    assert any(":pull,push" in scope for one in server.requests for scope in one.scopes)
    refused = run("oras", "login", *_flags(registry)[:1], "-u", "robot", "-p", "wrong", registry.host, check=False)
    assert refused.returncode
    assert not server.requests[-1].granted


def test_tokens_expire_when_they_should(token_registry: StartTokenRegistry) -> None:
    registry, server = token_registry(lifetime=2, announced=300)
    token = _token(server.url, server.username, server.password)
    assert _authorized(registry, token)
    time.sleep(3.1)  # distribution's clock has whole seconds
    assert not _authorized(registry, token)


def _token(url: str, username: str, password: str) -> str:
    body = f"grant_type=password&service=tests&scope=repository:a/b:pull&username={username}&password={password}"
    with urllib.request.urlopen(url, body.encode()) as answer:
        return str(json.load(answer)["token"])


def _authorized(registry: Registry, token: str) -> bool:
    request = urllib.request.Request(f"{registry.url}/v2/a/b/tags/list", headers={"Authorization": f"Bearer {token}"})
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 404
    return True


def test_the_front_sends_blobs_to_another_host_without_the_password(front: Front, tmp_path: Path) -> None:
    _round_trip(front.registry, tmp_path)
    assert any(entry["authorization"] for entry in front.seen_by_registry())
    fetched = front.seen_by_blob_host()
    assert fetched
    assert {(entry["method"], entry["authorization"]) for entry in fetched} == {("GET", "")}


def test_the_proxy_passes_tls_and_plain_requests(
    distribution: Registry, tls_registry: Registry, proxy: Proxy, tmp_path: Path
) -> None:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy.proxy_url, "https": proxy.proxy_url}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(tls_registry.ca))),
    )
    for registry in (distribution, tls_registry):
        with opener.open(f"{registry.url}/v2/") as answer:
            assert answer.status == 200
    assert proxy.requests == [("GET", f"{distribution.url}/v2/"), ("CONNECT", tls_registry.host)]


def test_the_proxy_asks_for_its_password(distribution: Registry) -> None:
    with Proxy("user", "word") as proxy:
        for url, expected in ((f"http://{proxy.host}", 407), (proxy.proxy_url, 200)):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": url}))
            try:
                with opener.open(f"{distribution.url}/v2/") as answer:
                    status = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    status = error.code
            assert status == expected
        assert proxy.refused == 1


def test_mutual_tls(authority: Authority) -> None:
    with FaultyRegistry(tls=authority.context(client_required=True)) as registry:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(authority.client, authority.client_key)
        with urllib.request.urlopen(f"{registry.url}/v2/", context=context) as answer:
            assert answer.status == 200
