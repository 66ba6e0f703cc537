"""Events and conditions, against an API server that takes nothing but what Kubernetes would."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from modelpack_cli.commands.stage.following import First, Sight, follow
from modelpack_cli.operations import Outcome
from modelpack_cli.telemetry import cluster as telling

from modelpack.errors import NoSignature, Unavailable
from modelpack.oci import Digest
from modelpack.stage import Staged
from tests.cli.program import modelpack
from tests.real.certificates import Authority, make_authority

TOKEN = "secret-token-of-the-pod"
DIGEST = Digest.of(b"m")
EVENTS, STATUS = "/api/v1/namespaces/models/events", "/api/v1/namespaces/models/pods/vllm-0/status"


@dataclass
class Server:
    """An API server with one pod, and rights to make events and to change its status unless ``allowed`` is false."""

    allowed: bool = True
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> int:
        if headers["Authorization"] != f"Bearer {TOKEN}":
            return 401
        if not self.allowed:
            return 403
        document = json.loads(body)
        if (method, path) == ("POST", EVENTS):
            self._event(document, headers)
        elif (method, path) == ("PATCH", STATUS):
            self._condition(document, headers)
        else:
            return 404
        self.got.append((path, document))
        return 201 if method == "POST" else 200

    def _event(self, document: dict[str, Any], headers: Any) -> None:
        assert headers["Content-Type"] == "application/json"
        pod = document["involvedObject"]
        assert (document["metadata"]["namespace"], pod["namespace"]) == ("models", "models"), "the API server compares"
        assert (pod["kind"], pod["name"], pod["uid"]) == ("Pod", "vllm-0", "u-1")
        assert document["type"] in ("Normal", "Warning")
        assert re.fullmatch(r"[A-Z][A-Za-z]{1,127}", document["reason"])
        assert 0 < len(document["message"]) <= 1024
        assert re.fullmatch(r"[a-z0-9./-]{1,128}", document["reportingComponent"])
        assert len(document["reportingInstance"]) <= 128

    def _condition(self, document: dict[str, Any], headers: Any) -> None:
        assert headers["Content-Type"] == "application/strategic-merge-patch+json"
        (condition,) = document["status"]["conditions"]
        assert re.fullmatch(r"[a-z0-9.]{1,253}/[A-Za-z0-9]{1,63}", condition["type"]), "a qualified name"
        assert condition["status"] in ("True", "False", "Unknown")
        assert document.keys() == {"status"}


@pytest.fixture(name="server")
def _server(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = server.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PATCH = do_POST  # noqa: N815  # the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.socket = authority.context().wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text(f"{TOKEN}\n")
    (account / "namespace").write_text("models")
    (account / "ca.crt").write_bytes(authority.ca.read_bytes())
    monkeypatch.setattr(telling, "ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(running.server_address[1]))
    monkeypatch.setenv("POD_NAME", "vllm-0")
    monkeypatch.setenv("POD_UID", "u-1")
    yield server
    running.shutdown()
    running.server_close()


OPTIONS = ("--kubernetes-event", "--kubernetes-condition")


def test_a_staged_model_is_told_of(server: Server, reference: str, pushed: str, tmp_path: Path) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    modelpack("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify", *OPTIONS).done()
    (path, event), (_, patch) = server.got
    assert (path, event["type"], event["reason"]) == (EVENTS, "Normal", "ModelStaged")
    assert pushed in event["message"]
    for version in ("1.28", "1.33", "1.37"):
        validator.validate(event, version, strict=True)
        (condition,) = patch["status"]["conditions"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "vllm-0"}, "status": {"conditions": [condition]}}
        validator.validate(pod, version, strict=True)
    assert (condition["type"], condition["status"]) == ("modelpack.dev/Verified", "False"), "nobody vouched for it"
    assert condition["reason"] == "NotVerified"


def test_a_refusal_is_a_warning(
    server: Server, reference: str, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "")
    modelpack("key", "generate", "--out", tmp_path / "signer").done()
    options = ("--to", tmp_path / "node", "--key", tmp_path / "signer.pub", *OPTIONS)
    modelpack("stage", reference, *options).failed(1)
    assert [event["reason"] for path, event in server.got if path == EVENTS] == ["ModelRefused"]
    assert server.got[0][1]["type"] == "Warning"
    assert server.got[1][1]["status"]["conditions"][0]["status"] == "False"
    modelpack("sign", reference, "--key", tmp_path / "signer.key").done()
    modelpack("stage", reference, *options).done()
    assert server.got[3][1]["status"]["conditions"][0]["status"] == "True"
    assert "signed by key " in server.got[2][1]["message"]


def test_staging_never_fails_for_it(
    server: Server, reference: str, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    options = ("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify", "--kubernetes-event")
    server.allowed = False
    ran = modelpack(*options).done()
    assert "the cluster was not told: the API server answers 403" in ran.err
    (telling.ACCOUNT / "token").unlink()
    ran = modelpack(*options).done()
    assert "cannot be asked: FileNotFoundError" in ran.err
    (telling.ACCOUNT / "token").write_text(TOKEN)
    (tmp_path / "other").mkdir()
    (telling.ACCOUNT / "ca.crt").write_bytes(make_authority(tmp_path / "other").ca.read_bytes())
    assert "SSLCertVerificationError" in modelpack(*options).done().err, "another's server was given the token"
    (telling.ACCOUNT / "ca.crt").write_bytes(authority.ca.read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    ran = modelpack(*options).done()
    assert "ConnectionRefusedError" in ran.err
    assert TOKEN not in ran.err
    assert server.got == []


@pytest.mark.parametrize("option", OPTIONS)
def test_one_without_the_other(option: str, server: Server, reference: str, pushed: str, tmp_path: Path) -> None:
    modelpack("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify", option).done()
    assert [path for path, _ in server.got] == [EVENTS if option == OPTIONS[0] else STATUS]


def test_outside_of_a_pod_it_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "POD_NAME", "HOSTNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(telling, "ACCOUNT", tmp_path / "none")
    modelpack("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify", "--kubernetes-event").failed(
        2, "no pod"
    )


def test_while_watching_every_change_is_told_once() -> None:
    told: list[dict[str, Any]] = []
    outcome = Outcome("r", 0.0, announce=told.append)
    first = Staged(Path("c"), Path("s"), DIGEST, hit=True, size=1, files=1, fetched=0, signers=(), swapped=False)
    outcome.staged(first)
    steps: Iterator[Any] = iter([first, NoSignature("x"), NoSignature("x"), Unavailable("y"), first, first])

    def once(_: str) -> Staged:
        step = next(steps)
        if isinstance(step, Exception):
            raise step
        return step  # type: ignore[no-any-return]  # the others were raised

    rounds = iter(range(6))
    follow(Sight("r", None, 1.0), First(first), once, outcome, "text", lambda _: next(rounds, None) is None)
    assert [line.get("error", line["result"]) for line in told] == ["hit", "NoSignature", "Unavailable", "hit"]
