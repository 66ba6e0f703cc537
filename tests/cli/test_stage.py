from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from modelpack_cli.commands.stage import staging
from modelpack_cli.operations import MAX_TERMINATION, Outcome, as_pid_one, log_events

import modelpack as library
from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.stage import Cache, Receipt
from modelpack.stage.snapshots import FileRecord
from modelpack.store import Event
from tests.cli.models import content, model
from tests.cli.program import modelpack, program, start


def test_a_model_for_a_server(signed: str, key: Path, cache: Path, folder: Path, pushed: str) -> None:
    ran = modelpack("stage", signed, "--to", cache, "--key", key).done()
    assert ran.last == str(cache / "current")
    assert "fetched (it was never staged here)" in ran.err
    assert content(cache / "current") == content(folder)
    found = modelpack("stage", "--to", cache, "--key", key, "--format", "json", signed).done().json
    assert (found["hit"], found["fetched"], found["verified"], found["digest"]) == (True, 0, True, pushed)
    assert found["signers"]
    assert "was there" in modelpack("stage", signed, "--to", cache, "--key", key).done().err


def test_whom_to_trust_must_be_said(signed: str, cache: Path) -> None:
    modelpack("stage", signed, "--to", cache).failed(2, "whom to trust", "--insecure-skip-verify")
    assert not cache.exists()
    ran = modelpack("stage", signed, "--to", cache, "--insecure-skip-verify").done()
    assert "nobody vouched" in ran.err


def test_a_refusal_publishes_nothing_and_says_why(
    reference: str, pushed: str, key: Path, cache: Path, tmp_path: Path
) -> None:
    message, metrics = tmp_path / "message", tmp_path / "stage.prom"
    options = ("--to", cache, "--key", key, "--termination-log", message, "--metrics-file", metrics)
    modelpack("stage", reference, *options, "--log", "json").failed(1, '"event": "outcome"')
    assert not cache.exists()
    said = json.loads(message.read_text())
    assert (said["result"], said["error"]) == ("error", "NoSignature")
    assert "signature" in said["message"]
    assert "modelpack_stage_success 0\n" in metrics.read_text()
    assert 'error="NoSignature"' in metrics.read_text()


def test_what_a_cluster_is_told(signed: str, key: Path, cache: Path, tmp_path: Path, pushed: str) -> None:
    message, metrics = tmp_path / "message", tmp_path / "stage.prom"
    options = ("--to", cache, "--key", key, "--termination-log", message, "--metrics-file", metrics, "--log", "json")
    ran = modelpack("stage", signed, *options).done()
    said = json.loads(message.read_text())
    assert said["digest"] == pushed
    assert (said["result"], said["fetched"]) == ("miss", said["bytes"])
    assert said["signer"].startswith("key ")
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert lines[-1]["event"] == "outcome"
    assert all("time" in line for line in lines)
    text = metrics.read_text()
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) modelpack_stage_\w+ .+|modelpack_stage_\w+(\{.*\})? [0-9.e+]+", line), line
    assert f"modelpack_stage_fetched_bytes {said['bytes']}\n" in text
    modelpack("stage", signed, *options).done()
    assert "modelpack_stage_cache_hit 1\n" in metrics.read_text()
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["stage.prom"]


def test_the_default_termination_log(signed: str, key: Path, cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "log").touch()
    monkeypatch.setattr(staging, "TERMINATION", tmp_path / "log")
    modelpack("stage", signed, "--to", cache, "--key", key, "--verify", "most").failed(2, "receipt, sample, full")
    assert json.loads((tmp_path / "log").read_text())["error"] == "InputError"
    modelpack("stage", signed, "--to", cache, "--key", key, "--log", "xml").failed(2, "text or json")
    modelpack("stage", signed, "--to", cache, "--key", key, "--layout", "zip").failed(2, "not a layout")
    bad = tmp_path / "no" / "folder"
    modelpack("stage", signed, "--to", cache, "--key", key, "--termination-log", bad, "--metrics-file", bad).done()


def test_what_goes_wrong_before_it_begins_is_told_too(signed: str, key: Path, cache: Path, tmp_path: Path) -> None:
    message, metrics = tmp_path / "message", tmp_path / "stage.prom"
    gone, policy = tmp_path / "gone.pub", tmp_path / "policy.yaml"
    policy.write_text("policies: [")
    told = ("--termination-log", message)
    for options, code, error, text in (
        (("--key", gone), 2, "InputError", "gone.pub"),
        (("--policy", policy), 3, "DocumentError", "policy.yaml"),
        (("--key", key, "--limit-rate", "fast"), 2, "InputError", "--limit-rate"),
        (("--key", key, "--insecure-skip-verify"), 2, "InputError", "contradicts"),
    ):
        message.unlink(missing_ok=True)
        ran = modelpack("stage", signed, "--to", cache, *options, *told, "--metrics-file", metrics, "--log", "json")
        ran.failed(code, text)
        said = json.loads(message.read_text())
        assert (said["result"], said["error"], said["reference"]) == ("error", error, signed)
        assert text in said["message"]
        assert len([line for line in ran.err.splitlines() if line.startswith("{")]) == 1
        assert f'error="{error}"' in metrics.read_text()
    assert not cache.exists()
    modelpack("stage", "prefetch", signed, signed, "--to", cache, "--key", gone, *told).failed(2)
    assert json.loads(message.read_text())["reference"] == f"{signed} {signed}"
    modelpack("stage", "storage-initializer", f"modelpack://{signed}", cache, "--key", gone, *told).failed(2)
    assert json.loads(message.read_text())["reference"] == f"modelpack://{signed} {cache}"


def test_pins_and_leases_as_json(signed: str, key: Path, cache: Path) -> None:
    to = ("--to", cache)
    staged = modelpack("stage", signed, *to, "--key", key, "--lease", "pod", "-f", "json").done().json
    snapshot = staged["snapshot"]
    pinned = modelpack("stage", "pin", staged["digest"], *to, "-f", "json").done()
    assert pinned.json == {"snapshot": snapshot, "pinned": True}
    assert modelpack("stage", "pin", staged["digest"], *to, "--remove", "-f", "json").json["pinned"] is False
    assert modelpack("stage", "pin", staged["digest"], *to).done().last == snapshot
    lease = modelpack("stage", "lease", "pod", *to, "-f", "json").done().json
    assert (lease["lease"], lease["snapshot"]) == ("pod", snapshot)
    assert 3500 < lease["expires"] - time.time() <= 3601
    assert modelpack("stage", "lease", "pod", *to).done().last == snapshot
    released = modelpack("stage", "lease", "pod", *to, "--release", "-f", "json").done().json
    assert released == {"lease": "pod", "released": True}


def test_messages_are_short_whatever_is_in_them() -> None:
    outcome = Outcome("x" * 5000, 0.0)
    outcome.failed(library.InputError("\x01" * 9000, hint="\x02" * 9000))
    from modelpack_cli.operations import _short

    raw = _short(outcome.line())
    assert len(raw) <= MAX_TERMINATION
    assert json.loads(raw)["error"] == "InputError"


def test_progress_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    observe = log_events("stage", lambda: now[0])
    observe(Event("plan", "", 1000))
    for _ in range(100):
        now[0] += 0.1
        observe(Event("bytes", "a", 1000, 10))
    observe(Event("retry", "a", note="slow"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert 8 <= len([line for line in lines if line["event"] == "progress"]) <= 10
    assert lines[-1]["note"] == "slow"


def test_versions_come_and_go(signed: str, key: Path, cache: Path, folder: Path, registry: str) -> None:
    first = modelpack("stage", signed, "--to", cache, "--key", key, "-f", "json").done().json["digest"]
    model(folder, fill=b"\x42")
    second = f"{registry}/ml/tiny:v2"
    modelpack("pack", folder, "-t", second, "--push").done()
    modelpack("sign", second, "--key", key.with_suffix(".key")).done()
    modelpack("stage", second, "--to", cache, "--key", key, "--lease", "pod-1", "--ttl", "60", "--pin").done()
    new = content(cache / "current")
    assert modelpack("stage", "rollback", "--to", cache).done().last.endswith(first.partition(":")[2])
    assert content(cache / "current") != new
    assert modelpack("stage", "rollback", "--to", cache, "-f", "json").done().json["path"] == str(cache / "current")
    assert content(cache / "current") == new
    shown = modelpack("stage", "status", "--to", cache, "-f", "json").done().json
    assert [one["leases"] for one in shown if one["names"] == ["current"]] == [["pod-1"]]
    table = modelpack("stage", "status", "--to", cache).done().out
    assert "current, lease pod-1, pinned" in table
    newest = next(one["snapshot"] for one in shown if one["names"])
    modelpack("stage", "pin", newest, "--to", cache, "--remove").done()
    modelpack("stage", "lease", "pod-1", "--to", cache).done()
    modelpack("stage", "lease", "pod-1", "--to", cache, "--release").done()
    modelpack("stage", "lease", "pod-1", "--to", cache).failed(5, "no lease")
    assert modelpack("stage", "gc", "--to", cache, "--grace", "0", "-f", "json").done().json["removed"] == []
    (cache / ".modelpack" / "previous" / "current").unlink()
    ran = modelpack(
        "stage", "gc", "--to", cache, "--max-size", "1k", "--max-age", "0", "--dry-run", "--grace", "0"
    ).done()
    assert "snapshot" in ran.out
    assert "would be freed" in ran.err
    modelpack("stage", "gc", "--to", cache, "--max-size", "many").failed(2, "--max-size")
    modelpack("stage", "gc", "--to", cache, "--quiet").done()
    assert [one["names"] for one in modelpack("stage", "status", "--to", cache, "-f", "json").json] == [["current"]]


def test_help() -> None:
    for arguments in (("stage",), ("stage", "--help"), ("stage", "gc", "--help")):
        assert "--to" in modelpack(*arguments).done().out


def test_sigterm_ends_it_soon_and_the_next_run_goes_on(registry: str, key: Path, cache: Path, tmp_path: Path) -> None:
    folder, reference = tmp_path / "big", f"{registry}/ml/big:v1"
    folder.mkdir()
    (folder / "model.bin").write_bytes(os.urandom(12 << 20))
    modelpack("pack", folder, "-t", reference, "--push").done()
    modelpack("sign", reference, "--key", key.with_suffix(".key")).done()
    options = ("stage", reference, "--to", cache, "--key", key, "--termination-log", tmp_path / "message")
    with start(*options, "--limit-rate", "4M") as process:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not list(cache.glob(".modelpack/work/*/*/blobs/*")):
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, err = process.communicate(timeout=10)
        assert time.monotonic() - begun < 2.0
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "message").read_text())["error"] == "Terminated"
    assert list(cache.glob(".modelpack/work/*/*/blobs/*"))
    assert not (cache / "current").exists()
    program(*map(str, options)).done()
    assert content(cache / "current") == content(folder)


def wait_for_the_end() -> None:
    with as_pid_one():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_as_process_one_there_is_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda _: None)  # what comes if the end takes too long
    with pytest.raises(SystemExit) as caught:
        wait_for_the_end()
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def sparse(cache: Cache, layout: library.LayoutStore, count: int, size: int) -> str:
    """A signed-for model of 100 GB that takes no space, and its snapshot; a reference to it."""
    layers = tuple(
        Descriptor(
            "application/vnd.cncf.model.weight.v1.raw",
            Digest.of(str(number).encode()),
            size,
            {FILEPATH: f"model-{number:05}.safetensors"},
        )
        for number in range(count)
    )
    config = layout.push_bytes(MODEL_CONFIG, b"{}")
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers)
    layout.push_bytes(manifest.descriptor.media_type, manifest.raw)
    layout.tag(manifest.descriptor, "v1")
    cache.prepare()
    key = manifest.descriptor.digest.hex
    root = cache.snapshot(key)
    root.mkdir()
    for layer in layers:
        path = root / layer.annotations[FILEPATH]
        path.touch(0o444)
        os.truncate(path, size)
    files = tuple(FileRecord.of(root, layer.annotations[FILEPATH], layer.digest, str(layer.digest)) for layer in layers)
    Receipt(manifest.descriptor.digest, "x", (), "", "", "", "", files).save(cache, key)
    (cache.root / "current").symlink_to(f"snapshots/{key}")
    return f"oci:{layout.path}:v1"


def test_a_hit_of_a_hundred_gigabytes_reads_none_of_them(key: Path, cache: Path, tmp_path: Path) -> None:
    reference = sparse(Cache(cache), library.LayoutStore(tmp_path / "layout"), 40, 2_500_000_000)
    modelpack("sign", reference, "--key", key.with_suffix(".key")).done()
    ran = program("stage", reference, "--to", str(cache), "--key", str(key), "--format", "json").done()
    assert (ran.json["hit"], ran.json["bytes"], ran.json["files"]) == (True, 100_000_000_000, 40)
    assert len(ran.json["signers"]) == 1
