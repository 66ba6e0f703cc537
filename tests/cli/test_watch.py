"""stage --watch as a program, against a real registry, and what it answers meanwhile."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from modelpack_cli.commands.stage.following import Sight, begin, follow
from modelpack_cli.operations import Outcome
from modelpack_cli.telemetry import listener
from modelpack_cli.telemetry.listener import listening
from modelpack_cli.telemetry.metrics import Metrics

import modelpack as library
from modelpack.stage import Counts, Staged
from modelpack.staging import stage, standing
from modelpack.store import Event
from tests.cli.models import content, model
from tests.cli.program import modelpack, start

PATIENCE = 20.0


def publish(folder: Path, reference: str, fill: bytes, key: Path | None) -> str:
    """Another version under the same tag: signed first, then tagged, so that nobody sees it unsigned."""
    model(folder, fill=fill)
    build = f"{reference}-build"
    digest = modelpack("pack", folder, "-t", build, "--push").done().last
    if key:
        modelpack("sign", build, "--key", key.with_suffix(".key")).done()
    modelpack("copy", build, reference).done()
    return digest


class Sidecar:
    """A running ``stage --watch``: its lines, its probes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.place = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            if line.startswith("{"):
                self.lines.append(json.loads(line))
            elif found := re.search(r"http://(\S+)/metrics", line):
                self.place = found[1]

    def wait(self, event: str, **wanted: Any) -> dict[str, Any]:
        """The first line of this event with these members."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if line["event"] == event and all(line.get(name) == value for name, value in wanted.items()):
                    return line
            time.sleep(0.02)
        raise AssertionError((event, wanted, self.lines, self.process.poll()))

    def get(self, path: str) -> tuple[int, str]:
        return get(self.place, path)

    def until(self, path: str, text: str) -> str:
        """What is answered, once it has this in it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.place and text in (answer := self.get(path)[1]):
                return answer
            time.sleep(0.02)
        raise AssertionError((text, self.place, self.lines))

    def stop(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=10)
        self._thread.join(5)
        return code, time.monotonic() - begun


@contextmanager
def sidecar(*arguments: str | Path) -> Iterator[Sidecar]:
    options = ("--watch", "--interval", "0.1", "--log", "json", "--metrics-listen", "127.0.0.1:0")
    with start("stage", *arguments, *options) as process:
        try:
            yield Sidecar(process)
        finally:
            process.kill()


def get(place: str, path: str, method: str = "GET") -> tuple[int, str]:
    with closing(http.client.HTTPConnection(place, timeout=5)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_updates_come_and_refusals_do_not(signed: str, key: Path, cache: Path, folder: Path, tmp_path: Path) -> None:
    message, metrics = tmp_path / "message", tmp_path / "stage.prom"
    with sidecar(
        signed, "--to", cache, "--key", key, "--termination-log", message, "--metrics-file", metrics
    ) as running:
        running.until("/readyz", "ready\n")
        first = content(cache / "current")
        assert first == content(folder)
        second = publish(folder, signed, b"\x42", key)
        line = running.wait("updated", digest=second)
        assert (line["result"], line["previous"].startswith("sha256:")) == ("miss", True)
        assert line["signer"].startswith("key ")
        assert content(cache / "current") == content(folder) != first
        served = content(cache / "current")
        publish(folder, signed, b"\x43", None)
        line = running.wait("refused", error="NoSignature")
        assert (line["serving"], line["retry_seconds"] > 0) == (second, True)
        text = running.until("/metrics", "modelpack_stage_refusals_total 3\n")
        assert "modelpack_stage_updates_total 1\n" in text
        assert running.get("/readyz") == (200, "ready\n")
        assert content(cache / "current") == served
        assert len([line for line in running.lines if line["event"] == "refused"]) == 1, "said again and again"
        modelpack("sign", signed, "--key", key.with_suffix(".key")).done()
        running.wait("updated", previous=second)
        assert content(cache / "current") == content(folder) != served
        assert "modelpack_stage_success 1\n" in metrics.read_text()
        code, seconds = running.stop()
    assert (code, seconds < 2) == (143, True)
    assert json.loads(message.read_text())["result"] in ("hit", "miss"), "to be stopped is no failure"


def test_a_file_says_which_version(
    signed: str, key: Path, cache: Path, folder: Path, tmp_path: Path, pushed: str
) -> None:
    second = publish(folder, signed, b"\x42", key)
    mounted = tmp_path / "config"  # as the kubelet mounts a ConfigMap: a link that is swapped
    for number, digest in enumerate((pushed, second)):
        (tmp_path / f"data{number}").mkdir()
        (tmp_path / f"data{number}" / "version").write_text(f"{digest}\n")
    mounted.symlink_to(tmp_path / "data0")
    options = ("--to", cache, "--key", key, "--digest-file", mounted / "version")
    with sidecar(signed, *options) as running:
        running.until("/readyz", "ready\n")
        assert (cache / "current").readlink().name == pushed.partition(":")[2]
        (tmp_path / "new").symlink_to(tmp_path / "data1")
        (tmp_path / "new").rename(mounted)
        assert running.wait("updated", digest=second)["reference"].endswith(f"@{second}")
        assert (cache / "current").readlink().name == second.partition(":")[2]
        (tmp_path / "data1" / "version").write_text("registry.example/other/model:v1")
        assert running.wait("failed")["error"] == "InputError"
        (tmp_path / "data1" / "version").write_text(second)
        running.wait("unchanged", digest=second)
        modelpack("key", "generate", "--out", tmp_path / "next").done()
        key.write_bytes((tmp_path / "next.pub").read_bytes())  # keys are read anew too
        running.wait("refused", error="UntrustedIdentity")
        modelpack("sign", signed, "--key", tmp_path / "next.key").done()
        running.until("/metrics", "modelpack_stage_success 1\n")


def test_the_first_staging_must_succeed(reference: str, pushed: str, key: Path, cache: Path) -> None:
    with sidecar(reference, "--to", cache, "--key", key) as running:
        assert running.process.wait(timeout=PATIENCE) == 1
    assert not (cache / "current").exists()


def test_unless_it_was_staged_before(signed: str, key: Path, cache: Path, folder: Path) -> None:
    modelpack("stage", signed, "--to", cache, "--key", key).done()
    before = content(cache / "current")
    publish(folder, signed, b"\x42", None)
    with sidecar(signed, "--to", cache, "--key", key) as running:
        running.until("/readyz", "ready\n")
        assert running.wait("refused")["error"] == "NoSignature"
        assert content(cache / "current") == before
    modelpack("key", "generate", "--out", key.with_name("other")).done()
    with sidecar(signed, "--to", cache, "--key", key.with_name("other.pub")) as running:
        assert running.process.wait(timeout=PATIENCE) == 1, "served what nobody vouches for today"


class Pause:
    """Waits for nothing, a few times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.left -= 1
        return self.left < 0


def test_for_people_it_is_a_sentence(signed: str, key: Path, cache: Path, folder: Path, capsys: Any) -> None:
    pause = Pause(3)
    outcome = Outcome(signed, time.monotonic())
    policy = library.SignedBy(library.PublicKey.load(key.read_bytes()))

    def once(reference: str) -> Staged:
        return stage(reference, cache, policy=policy)

    sight = Sight(signed, None, 60.0)
    first = begin(sight, once, lambda: None)
    outcome.staged(first.staged)
    digest = publish(folder, signed, b"\x42", key)
    follow(sight, first, once, outcome, "text", pause.wait)
    publish(folder, signed, b"\x43", None)
    again = begin(sight, once, lambda: standing(signed, cache, policy=policy))
    assert isinstance(again.error, library.VerificationError)
    pause.left = 1
    follow(sight, again, once, outcome, "text", pause.wait)
    pause.left = 1
    follow(sight, again, once, outcome, "json", pause.wait)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["updated", "refused"]
    assert digest in said[0]
    assert f"{digest} is served on" in said[1]
    assert json.loads(said[2])["event"] == "refused"
    assert max(pause.waited) > 66, "after a refusal it waits longer"
    assert "modelpack_stage_refusals_total 2\n" in outcome.metrics.text()


def test_options_that_contradict_each_other(signed: str, key: Path, cache: Path, tmp_path: Path) -> None:
    options = ("stage", signed, "--to", cache, "--key", key)
    modelpack(*options, "--watch", "--lease", "pod", "--ttl", "60").failed(2, "lease")
    modelpack(*options, "--metrics-listen", "9090").failed(2, "HOST:PORT")
    modelpack(*options, "--metrics-listen", "127.0.0.1:99999").failed(2, "HOST:PORT")
    modelpack(*options, "--metrics-listen", "203.0.113.1:9090").failed(2, "nothing can listen")
    modelpack(*options, "--digest-file", tmp_path / "missing").failed(2, "missing")
    (tmp_path / "version").write_text("v1\n")
    modelpack(*options, "--digest-file", tmp_path / "version", "--metrics-listen", "[::1]:0").done()


@pytest.fixture(name="metrics")
def _metrics() -> Metrics:
    return Metrics(lambda: 1.7e9)


def test_probes(metrics: Metrics) -> None:
    with listening(":0", metrics) as place:
        place = place.replace("0.0.0.0", "127.0.0.1")
        assert get(place, "/healthz") == (200, "ok\n")
        assert "modelpack_stage_ready 0\n" in get(place, "/metrics")[1]
        assert get(place, "/readyz")[0] == 503
        assert get(place, "/readyz", "HEAD") == (503, "")
        assert get(place, "/")[0] == 404
        assert get(place, "/metrics", "POST")[0] == 501
        outcome = Outcome("r", time.monotonic(), metrics=metrics)
        outcome.facts = {"result": "hit", "bytes": 5, "fetched": 0}
        outcome.write()
        assert get(place, "/readyz?verbose")[0] == 200
        outcome.failed(library.NotFound("gone"))
        outcome.write()
        assert get(place, "/readyz")[0] == 200, "what was staged is served on"


def test_few_clients_at_a_time_and_none_for_long(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_PATIENCE", 0.5)
    with listening("127.0.0.1:0", metrics) as place:
        host, _, port = place.rpartition(":")
        idle = [socket.create_connection((host, int(port)), timeout=5) for _ in range(listener._AT_ONCE)]
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with closing(socket.create_connection((host, int(port)), timeout=5)) as late:
                late.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                try:
                    if not late.recv(100):
                        break
                except ConnectionResetError:
                    break
        else:
            raise AssertionError("never full")
        assert all(connection.recv(1) == b"" for connection in idle), "they were hung up on"
        for connection in idle:
            connection.close()
        time.sleep(0.1)
        assert get(place, "/healthz")[0] == 200


def test_the_text_is_what_prometheus_reads(metrics: Metrics) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus-client")
    metrics.observe(Event("plan", "", 10))
    metrics.observe(Event("bytes", "a", 10, 4))
    metrics.observe(Event("retry", "a", note="x"))
    metrics.following(Counts(looks=3, updates=1, refusals=1, failures=1))
    metrics.outcome({"result": "error", "reference": 'r"\\\n', "error": "X", "seconds": 0.5})
    found = {family.name: family for family in parser.text_string_to_metric_families(metrics.text())}
    assert found["modelpack_stage_updates"].type == "counter"
    assert found["modelpack_stage_info"].samples[0].labels["reference"] == 'r"\\\n'
    values = {name: family.samples[0].value for name, family in found.items()}
    assert values["modelpack_stage_transfer_done_bytes"] == 4
    assert values["modelpack_stage_transfer_expected_bytes"] == 10
    assert values["modelpack_stage_transfer_retries"] == 1
    assert values["modelpack_stage_success"] == 0
    assert "modelpack_stage_last_success_timestamp_seconds" not in values
    metrics.begin()
    metrics.outcome({"result": "hit", "seconds": 0.5, "bytes": 7, "fetched": 0})
    assert "modelpack_stage_last_success_timestamp_seconds 1700000000.0\n" in metrics.text()
    assert all(family.documentation.endswith(".") for family in found.values())
    units = re.compile(r"modelpack_stage_(\w+_(bytes|seconds|total)|success|ready|cache_hit|info|transfer_retries)")
    names = re.findall(r"# TYPE (\S+)", metrics.text())
    assert [name for name in names if not units.fullmatch(name)] == []
