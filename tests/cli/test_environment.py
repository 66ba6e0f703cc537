from __future__ import annotations

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
from modelpack_cli import environment

from modelpack import InputError
from modelpack.serve import Server
from modelpack.store import LayoutStore, Proxies
from tests.cli.program import Ran, modelpack
from tests.real.proxy import Proxy


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "DOCKER_CONFIG", "MODELPACK_STORE"):
        monkeypatch.delenv(name)


def test_the_local_store(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert environment.default_store() == home / ".local" / "share" / "modelpack"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert environment.default_store() == Path("/data/modelpack")
    monkeypatch.setenv("MODELPACK_STORE", str(tmp_path / "chosen"))
    modelpack("pack", folder, "-t", "registry.example/a:v1").done()
    assert LayoutStore(tmp_path / "chosen", create=False).tags() == ("registry.example/a:v1",)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MODELPACK_STORE", "")
    modelpack("pack", folder, "-t", "registry.example/a:v2").done()
    assert LayoutStore(tmp_path / "data" / "modelpack", create=False).tags() == ("registry.example/a:v2",)


def test_credentials(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.docker_config() == home / ".docker" / "config.json"
    monkeypatch.setenv("DOCKER_CONFIG", "/docker")
    assert environment.docker_config() == Path("/docker/config.json")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/run/auth.json")
    assert environment.docker_config() == Path("/run/auth.json")


@pytest.mark.parametrize("by", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "--registry-config"])
def test_credentials_are_used(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "auth" / "config.json"
    file.parent.mkdir()
    options = ["--registry-config", str(file)] if by.startswith("-") else []
    monkeypatch.setenv(by.replace("-", "x"), str(file if by == "REGISTRY_AUTH_FILE" else file.parent))
    with Server(LayoutStore(tmp_path / "guarded"), credentials={"alice": "s3cret"}) as server:
        modelpack("ls", server.host, *options).failed(5)
        auth = base64.b64encode(b"alice:s3cret").decode()
        file.write_text(json.dumps({"auths": {server.host: {"auth": auth}}}))
        modelpack("ls", server.host, *options).done()


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_proxies(change: type[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.proxies() == Proxies()
    monkeypatch.setenv(change("ALL_PROXY"), "http://all:1")
    assert environment.proxies() == Proxies("http://all:1", "http://all:1")
    monkeypatch.setenv(change("HTTP_PROXY"), "http://plain:1")
    monkeypatch.setenv(change("HTTPS_PROXY"), "http://safe:1")
    monkeypatch.setenv(change("NO_PROXY"), "a.example, .b.example 10.0.0.0/8,")
    expected = Proxies("http://plain:1", "http://safe:1", ("a.example", ".b.example", "10.0.0.0/8"))
    assert environment.proxies() == expected


def test_the_small_name_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://small:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://large:1")
    assert environment.proxies().https == "http://small:1"


def test_a_web_servers_child_ignores_what_a_request_can_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil:1")
    assert environment.proxies().http == ""
    monkeypatch.setenv("http_proxy", "http://good:1")
    assert environment.proxies().http == "http://good:1"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_is_used(name: str, reference: str, pushed: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy.proxy_url)
    modelpack("inspect", reference, "-r").done()
    seen = len(proxy.requests)
    assert seen > 0
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    modelpack("inspect", reference, "-r").done()
    assert len(proxy.requests) == seen


def test_source_date(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.source_date() is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert str(environment.source_date()) == "1970-01-01 00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "now")
    with pytest.raises(InputError, match="'now', not a number of seconds"):
        environment.source_date()


def test_the_hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = home / ".cache" / "huggingface"
    assert (environment.hub_cache(), environment.hub_token(), environment.hub_endpoint()) == (cache / "hub", "", "")
    cache.mkdir(parents=True)
    (cache / "token").write_text("hf_kept\n")
    assert environment.hub_token() == "hf_kept"
    (cache / "token").write_bytes(b"\xff\xfe")
    assert environment.hub_token() == ""
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert environment.hub_cache() == Path("/cache/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert environment.hub_cache() == Path("/hf/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/cached")
    assert environment.hub_cache() == Path("/cached")
    (home / "other").write_text("hf_other")
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "other"))
    assert environment.hub_token() == "hf_other"
    monkeypatch.setenv("HF_TOKEN", "hf_given")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    assert (environment.hub_token(), environment.hub_endpoint()) == ("hf_given", "https://hub.example")


@pytest.fixture
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if these tests run in one."""
    for name in ("SIGSTORE_ID_TOKEN", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_SERVICE_ACCOUNT_NAME", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    if find_spec("id"):  # which looks there whether this is a machine of Google's
        monkeypatch.setattr("id._internal.oidc.ambient._GCP_PRODUCT_NAME_FILE", "/nowhere/product_name")


@pytest.mark.usefixtures("_no_job")
def test_an_identity_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", "a.b.c")
    assert environment.identity_token() == "a.b.c"


def jwt(audience: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.e30"


@pytest.mark.usefixtures("_no_job")
def test_an_identity_token_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("id", reason="needs id (pip install 'modelpack-toolkit[keyless]')")
    with pytest.raises(InputError, match="no identity token here") as caught:
        environment.identity_token()
    assert "SIGSTORE_ID_TOKEN" in caught.value.hint
    monkeypatch.setenv("GITLAB_CI", "true")
    with pytest.raises(InputError, match="cannot get it"):
        environment.identity_token()
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", jwt("sigstore"))  # where GitLab puts it
    assert environment.identity_token() == jwt("sigstore")


@pytest.mark.usefixtures("_no_job")
def test_an_identity_token_from_github(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("id", reason="needs id (pip install 'modelpack-toolkit[keyless]')")
    asked: list[tuple[str, str]] = []

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200 if "s3cret" in self.headers["Authorization"] else 403)
            self.end_headers()
            self.wfile.write(json.dumps({"value": jwt("sigstore")}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{server.server_port}/token?v=1")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "s3cret")
        assert environment.identity_token() == jwt("sigstore")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "expired")
        with pytest.raises(InputError, match="cannot get it") as caught:
            environment.identity_token()
        server.shutdown()
    assert asked[0] == ("/token?v=1&audience=sigstore", "bearer s3cret")
    assert "expired" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.usefixtures("_no_job")
def test_an_identity_token_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "id", None)
    with pytest.raises(InputError, match="needs the extra keyless") as caught:
        environment.identity_token()
    assert caught.value.hint == "pip install 'modelpack-toolkit[keyless]'"


@pytest.mark.parametrize(("value", "debug"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_debugging(value: str, debug: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPACK_DEBUG", value)
    assert environment.debugging() == debug


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    modelpack("ls").failed(2, "error: this user has no home folder", "hint: set HOME")
    for name in ("DOCKER_CONFIG", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    # What is only looked for, or may be absent, is looked for where container runtimes say that nobody's home is.
    assert environment.docker_config() == Path("/.docker/config.json")
    assert environment.cache_folder() == Path("/.cache/modelpack")


def test_nothing_is_written_where_nobody_said(packed: Ran, home: Path) -> None:
    """Only the store and the cache below the user's folder."""
    assert {path.name for path in home.iterdir()} <= {".local", ".cache"}
