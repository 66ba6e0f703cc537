"""Bad days of a registry and of the way to it: everything arrives, and the retries are shown."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import (
    BytesSource,
    Event,
    HttpOptions,
    MemoryStore,
    Registry,
    RegistryStore,
    Store,
    VerifiedSource,
    copy,
)
from modelpack.store.registry import large
from modelpack.store.registry.pieces import Pieces
from tests.faults import Exchange, Fault, FaultyRegistry, Reply, effects
from tests.faults.relay import Relay
from tests.real.process import free_port
from tests.real.registries import Registry as Running
from tests.real.tools import tool
from tests.store.clients import NAME, QUICK, Recorder
from tests.store.content import WEIGHTS

SIZES = (300_000, 1_000_000, *[5_000] * 6)


def model(store: Store, sizes: tuple[int, ...] = SIZES, seed: int = 1) -> Manifest:
    """A graph of random content."""
    source = random.Random(seed)
    layers = tuple(store.push_bytes(WEIGHTS, source.randbytes(size)) for size in sizes)
    config = store.push_bytes(MODEL_CONFIG, b"{}")
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers)
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest


def content(store: Store, blob: Descriptor) -> bytes:
    with store.open(blob) as reader:
        return reader.read()


def there_and_back(host: str, observe: Recorder, options: HttpOptions = QUICK) -> None:
    """Push to a registry, pull from it, compare."""
    here, back = MemoryStore(), MemoryStore()
    root = model(here).descriptor
    with RegistryStore(Registry(host, options, observe=observe), NAME) as store:
        copy(here, root, store, names=("v1",), observe=observe)
    with RegistryStore(Registry(host, options, observe=observe), NAME) as store:
        copy(store, store.resolve("v1"), back, observe=observe)
    document = here.document(root)
    assert isinstance(document, Manifest)
    assert all(content(here, blob) == content(back, blob) for blob in document.blobs)


@pytest.fixture(autouse=True)
def _pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "SMALLEST", 500_000)
    monkeypatch.setattr(large, "Pieces", lambda: Pieces(300_000, 300_000))


def every_second(fault: Fault) -> Fault:
    """The fault for the first, third, … request of each kind."""
    seen: Counter[str] = Counter()

    def every(exchange: Exchange) -> Reply:
        request = exchange.request
        key = f"{request.method} {request.query.get('digest', request.path)}"
        seen[key] += 1
        return fault(exchange) if seen[key] % 2 else exchange.answer()

    return every


@pytest.mark.parametrize(
    "fault",
    [
        effects.status(429, retry_after=0.01),
        effects.status(429),
        effects.status(503),
        effects.status(502),
        effects.hang_up(),
        effects.hang_up(received=10_000, reset=False),
        effects.lost_answer(),
    ],
    ids=["429 with a wait", "429", "503", "502", "reset", "closed", "lost answers"],
)
def test_a_storm(faulty: FaultyRegistry, fault: Fault) -> None:
    faulty.on(".*", "", every_second(fault), times=None)
    observe = Recorder()
    there_and_back(faulty.host, observe, replace(QUICK, retries=12))
    assert len(observe.notes) > len(SIZES)
    assert all("; attempt " in note for note in observe.notes)


def test_connections_that_stall(faulty: FaultyRegistry) -> None:
    faulty.on("GET", "/blobs/sha", effects.cut(1_000, "stall"), times=2)
    faulty.on("PUT|PATCH", "/uploads/", effects.silence(), skip=1, times=2)
    faulty.on("HEAD", "/blobs/", effects.silence())
    observe = Recorder()
    there_and_back(faulty.host, observe, replace(QUICK, read_timeout=0.3))
    assert len(observe.notes) >= 4


class Restartable:
    """CNCF distribution that is killed and started again, on the same port and the same storage."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._folder = folder
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": f"127.0.0.1:{self._port}", "secret": "the same for all"},
        }
        (folder / "config.yml").write_text(json.dumps(config))
        self.host = f"127.0.0.1:{self._port}"
        self.restarts = 0
        self.start()

    def start(self) -> None:
        command = [tool("docker-registry"), "serve", str(self._folder / "config.yml")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        with Registry(self.host, replace(QUICK, retries=1)) as registry:
            while time.monotonic() < deadline:
                with contextlib.suppress(Exception):
                    return registry.ping()
                time.sleep(0.02)
        raise RuntimeError("docker-registry does not start")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Kill it now, start it in a moment."""
        self.stop()
        self.restarts += 1
        threading.Timer(0.2, self.start).start()


@pytest.fixture(name="restartable")
def _restartable(tmp_path: Path) -> Iterator[Restartable]:
    registry = Restartable(tmp_path)
    yield registry
    registry.stop()


def restarting(registry: Restartable, after: int) -> tuple[Recorder, Callable[[Event], None]]:
    """An observer that has the registry restart once so many bytes have passed."""
    observe = Recorder()

    def watch(event: Event) -> None:
        observe(event)
        if observe.passed > after and not registry.restarts:
            registry.restart()

    return observe, watch


@pytest.mark.parametrize("way", ["push", "pull"])
def test_the_registry_restarts(restartable: Restartable, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "SMALLEST", 8 << 20)
    monkeypatch.setattr(large, "Pieces", lambda: Pieces(8 << 20))
    here, back = MemoryStore(), MemoryStore()
    root = model(here, (60_000_000, 100_000, 4_000_000)).descriptor
    options = HttpOptions(plain_http=True, backoff=0.3)
    observe, watch = restarting(restartable, 30_000_000)
    quiet: Callable[[Event], None] = Recorder()
    with RegistryStore(Registry(restartable.host, options, observe=observe), NAME) as store:
        copy(here, root, store, observe=watch if way == "push" else quiet)
        copy(store, root, back, observe=watch if way == "pull" else quiet)
    document = back.document(root)
    assert isinstance(document, Manifest)
    assert all(content(here, blob) == content(back, blob) for blob in document.blobs)
    assert restartable.restarts == 1
    assert observe.notes


@pytest.mark.parametrize("kind", ["distribution", "crane_registry", "own_registry"])
def test_a_push_is_cut(request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had arrived is not sent again, except to registries that forget it (CNCF distribution 2.8, crane's)."""
    registry: Running = request.getfixturevalue(kind)
    monkeypatch.setattr(large, "SMALLEST", 8 << 20)
    monkeypatch.setattr(large, "Pieces", lambda: Pieces(16 << 20))
    size, cuts, passed = 48_000_000, [20_000_000], 0
    data = random.Random(kind).randbytes(size)
    blob = Descriptor.of(WEIGHTS, data)

    def cut(count: int) -> None:
        nonlocal passed
        passed += count
        if cuts and passed > cuts[0]:
            cuts.pop()
            relay.cut()

    with Relay(registry.host) as relay:
        options = HttpOptions(plain_http=True, backoff=0.05)
        with RegistryStore(Registry(relay.host, options), registry.repository("storms/cut").partition("/")[2]) as store:
            store.push(blob, VerifiedSource(BytesSource(data), blob, cut))
            assert content(store, blob) == data
        sent = relay.sent
    assert passed == size
    assert sent < size + (5_000_000 if kind == "own_registry" else 30_000_000)


def test_a_nat_that_forgets_idle_connections(faulty: FaultyRegistry) -> None:
    here, back, observe = MemoryStore(), MemoryStore(), Recorder()
    root = model(here).descriptor
    with Relay(faulty.host, forget=0.5) as relay:
        options = replace(QUICK, read_timeout=0.4)
        with RegistryStore(Registry(relay.host, options, observe=observe), NAME) as store:
            copy(here, root, store)
            time.sleep(0.8)
            copy(store, root, back)
            time.sleep(0.8)
            copy(here, model(here, seed=2).descriptor, store)
        assert relay.forgotten
    assert observe.notes


def test_one_dead_connection_says_enough_about_those_that_idled_with_it(faulty: FaultyRegistry) -> None:
    here, observe = MemoryStore(), Recorder()
    root = model(here, (300_000,) * 12).descriptor
    with Relay(faulty.host, forget=0.4) as relay:
        options = replace(QUICK, read_timeout=0.3, retries=2)
        with RegistryStore(Registry(relay.host, options, observe=observe), NAME) as store:
            copy(here, root, store, names=("v1",), jobs=8)
            assert faulty.connections > options.retries
            time.sleep(0.6)
            assert store.tags() == ("v1",)
    assert len(observe.notes) == 1
