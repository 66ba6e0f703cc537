"""No secret is ever in an error's text, its hint, or what an observer is told, whatever goes wrong."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.errors import ModelPackError
from modelpack.oci import Descriptor
from modelpack.store import BytesSource, Credential, Event, Registry, RegistryStore, StaticCredentials, copy
from modelpack.store.memory import MemoryStore
from tests.faults import FaultyRegistry, Guard, Reply, effects, error
from tests.real.process import free_port
from tests.store.clients import NAME, QUICK, Recorder
from tests.store.content import push_model

PASSWORD, TOKEN, IDENTITY = "canary-password", "canary-token", "canary-identity"
LOGIN = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, TOKEN, IDENTITY, LOGIN, "canary")


def echo(exchange: effects.Exchange) -> Reply:
    """A registry that repeats everything that it was told, in every place where it may."""
    header = exchange.request.headers.get("authorization", "")
    said = f"{header} {base64.b64decode(header.partition(' ')[2] + '==', altchars=b'-_').decode(errors='ignore')}"
    said += exchange.incoming.read().decode(errors="ignore")[:100]
    return error(400, said, f"you said {said}", headers={"Location": f"/v2/?x={header}", "X-Said": header})


def scopes(exchange: effects.Exchange) -> Reply:
    """A challenge that names the token server's host wrongly, with what it heard."""
    said = exchange.request.headers.get("authorization", "")
    return error(401, "X", headers={"WWW-Authenticate": f'Bearer realm="ftp://{said}/",service="{said}"'})


FAULTS: dict[str, effects.Fault] = {
    "echo": echo,
    "a hostile challenge": scopes,
    "400": effects.status(400),
    "401": effects.status(401),
    "403": effects.status(403),
    "404": effects.status(404),
    "429": effects.status(429, retry_after=0.01),
    "503": effects.status(503),
    "reset": effects.hang_up(),
    "closed": effects.hang_up(reset=False),
    "lost": effects.lost_answer(),
    "not HTTP": effects.raw(b"220 " + LOGIN.encode() + b" canary-token\r\n"),
    "a redirect loop": effects.redirect("/x?canary={count}"),
    "a redirect to nowhere": effects.redirect("ftp://robot:canary-password@host/"),
    "headers": effects.many_headers(1000),
    "a nested document": effects.nested_json(),
    "no document": effects.reply(200, b"canary-token"),
    "a flood": effects.flood(8 << 20),
    "wrong digest": effects.header("Docker-Content-Digest", f"sha256:{'0' * 64}"),
    "cut": effects.cut(1),
    "elsewhere": effects.header("Location", "https://robot:canary-password@evil.example/?canary"),
}


@pytest.mark.parametrize("place", ["/v2/", "/blobs/", "/manifests/", "/uploads/", "/token", "/referrers/", "/tags/"])
@pytest.mark.parametrize("kind", ["basic", "token", "identity"])
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_brings_a_secret_to_light(name: str, kind: str, place: str) -> None:
    observe = Recorder()
    errors: list[ModelPackError] = []
    guard = Guard("basic" if kind == "basic" else "token", "robot", PASSWORD)
    credential = Credential("", "", IDENTITY) if kind == "identity" else Credential("robot", PASSWORD)
    token = effects.reply(200, f'{{"token":"{TOKEN}"}}'.encode())
    guard.tokens.add(TOKEN)
    with FaultyRegistry(guard=guard) as faulty:
        faulty.on(".*", place, FAULTS[name], skip=1, times=None)
        faulty.on("GET|POST", "^/token$", token, times=None)
        known = StaticCredentials({faulty.host: credential})
        options = replace(QUICK, retries=2, read_timeout=0.5)
        with RegistryStore(Registry(faulty.host, options, known, observe), NAME) as store:
            for step in (push_all, pull_all, RegistryStore.tags, ping):
                try:
                    step(store)
                except ModelPackError as problem:
                    errors.append(problem)
    shown = "".join(str(each) + each.hint + repr(each) for each in errors) + repr(observe.events)
    assert not [secret for secret in SECRETS if secret in shown]
    assert "\n" not in "".join(map(str, errors))


def push_all(store: RegistryStore) -> None:
    memory = MemoryStore()
    model = push_model(memory)
    attached = push_model(memory, b"s", model.descriptor, "a/b")
    for root in (model, attached):
        copy(memory, root.descriptor, store, names=("v1",))


def pull_all(store: RegistryStore) -> None:
    copy(store, store.resolve("v1"), MemoryStore())
    store.referrers(store.resolve("v1"))


def ping(store: RegistryStore) -> None:
    store.registry.ping()


def test_reprs_and_tracebacks_of_our_values_hold_no_secret() -> None:
    known = StaticCredentials({"r.example": Credential("robot", PASSWORD, IDENTITY)})
    host = f"127.0.0.1:{free_port()}"
    with Registry(
        host, replace(QUICK, retries=1), StaticCredentials({host: Credential("robot", PASSWORD)})
    ) as registry:
        try:
            registry.ping()
        except ModelPackError as problem:
            shown = "".join(traceback.format_exception(problem))
    assert "canary" not in shown + repr(known) + repr(Event("retry", "x", note="y"))


SCRIPT = """
import sys
from modelpack.store import HttpOptions, Registry, RegistryStore, copy
from modelpack.store.memory import MemoryStore
with RegistryStore(Registry(sys.argv[1], HttpOptions()), sys.argv[2]) as store:
    root = store.resolve("v1")
    print("begun", flush=True)
    copy(store, root, MemoryStore())
"""


def test_an_interrupt_does_not_wait_for_a_socket(faulty: FaultyRegistry, tmp_path: Path) -> None:
    memory = MemoryStore()
    model = push_model(memory, b"w" * 1000)
    for blob in model.blobs:
        faulty.repository(NAME).add_blob(memory.read(blob))
    faulty.repository(NAME).add_manifest(model.descriptor.media_type, model.raw, "v1")
    faulty.on("GET", "/blobs/", effects.silence(), times=None)
    command = [sys.executable, "-c", SCRIPT, faulty.host, NAME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        deadline = time.monotonic() + 5
        while not faulty._wire.busiest and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert time.monotonic() - begun < 10
    assert "KeyboardInterrupt" in said


def test_an_interrupted_upload_leaves_nothing_visible(faulty: FaultyRegistry) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    data = b"w" * 100_000
    with RegistryStore(Registry(faulty.host, QUICK), NAME) as store:
        with pytest.raises(KeyboardInterrupt):
            store.ingest("a/b", BytesSource(data), stop)
        assert not store.exists(Descriptor.of("a/b", data))
