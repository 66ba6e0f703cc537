"""stage prefetch and stage verify."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from modelpack_cli.commands.stage import keeping, several

from modelpack import InsecureAcceptAnything, NotFound
from modelpack.stage import Cache
from modelpack.staging import vouched
from tests.cli.models import content, model
from tests.cli.program import modelpack, start


def test_several_models_and_no_name(signed: str, key: Path, cache: Path, folder: Path, tmp_path: Path) -> None:
    other = signed.replace(":v1", ":v2")
    model(folder, fill=b"\x42")
    modelpack("pack", folder, "-t", other, "--push").done()
    options = ("--to", cache, "--key", key, "--termination-log", tmp_path / "message")
    ran = modelpack(
        "stage", "prefetch", other, signed, "registry.invalid/x:v1", *options, "-f", "json", "--retries", "1"
    )
    assert ran.code == 5, "trying again can mend one of them"
    assert [line["result"] for line in ran.json] == ["error", "miss", "error"]
    assert [line.get("error") for line in ran.json] == ["NoSignature", None, "Unavailable"]
    assert json.loads((tmp_path / "message").read_text())["error"] == "Unavailable"
    assert not (cache / "current").exists()
    removed = modelpack("stage", "gc", "--to", cache, "--grace", "0", "-f", "json").done().json["removed"]
    assert removed == [], "prefetched for nothing"
    found = modelpack("stage", signed, "--to", cache, "--key", key, "-f", "json").done().json
    assert (found["hit"], found["fetched"]) == (True, 0)
    assert modelpack("stage", "prefetch", other, *options, "-f", "json").code == 1
    modelpack("sign", other, "--key", key.with_suffix(".key")).done()
    ran = modelpack(
        "stage", "prefetch", other, signed, *options, "--log", "json", "--metrics-file", tmp_path / "p"
    ).done()
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["miss", "hit"]
    events = [json.loads(line)["event"] for line in ran.err.splitlines()]
    assert events[-3:] == ["prefetched", "prefetched", "outcome"]
    assert "modelpack_stage_success 1\n" in (tmp_path / "p").read_text()
    assert content(cache / "current") != content(folder)


def test_no_more_than_is_allowed(signed: str, key: Path, cache: Path) -> None:
    ran = modelpack("stage", "prefetch", signed, "--to", cache, "--key", key, "--max-size", "1k")
    assert ran.code == 5
    assert "of the 1000 allowed" in ran.out
    modelpack("stage", "prefetch", signed, "--to", cache, "--key", key, "--max-size", "1M").done()


def test_whom_to_trust_must_be_said(signed: str, cache: Path) -> None:
    assert modelpack("stage", "prefetch", signed, "--to", cache).code == 2
    assert not cache.exists()


def test_again_and_again_until_sigterm(signed: str, key: Path, cache: Path, folder: Path) -> None:
    with start("stage", "prefetch", signed, "--to", cache, "--key", key, "--every", "1", "--log", "json") as process:
        assert process.stdout
        assert [process.stdout.readline().split()[0] for _ in range(4)] == ["RESULT", "miss", "RESULT", "hit"]
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        process.communicate(timeout=10)
        assert time.monotonic() - begun < 2
    assert process.returncode == 143


def test_what_is_in_the_cache_is_read_again(signed: str, key: Path, cache: Path, tmp_path: Path, pushed: str) -> None:
    modelpack("stage", "verify", "--to", cache).failed(5, "current")
    modelpack("stage", signed, "--to", cache, "--key", key).done()
    ran = modelpack("stage", "verify", "--to", cache).done()
    assert "1 snapshot" in ran.err
    assert ran.lines[1][-1] == "sound"
    modelpack("stage", "verify", "--to", cache, "--all", "--sample", "--key", key, "-q").done()
    modelpack("stage", "verify", "--to", cache, pushed, "current").done()
    modelpack("key", "generate", "--out", tmp_path / "other").done()
    ran = modelpack("stage", "verify", "--to", cache, "--key", tmp_path / "other.pub")
    assert ran.code == 1
    place = cache / "current" / "model.safetensors"
    status = place.stat()
    place.chmod(0o644)
    with place.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x00")
    place.chmod(0o444)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    ran = modelpack("stage", "verify", "--to", cache, "-f", "json")
    assert ran.code == 4
    assert ran.json[0]["damage"] == "model.safetensors does not match its digest"
    assert "makes it anew" in ran.err
    assert (
        modelpack("stage", signed, "--to", cache, "--key", key, "-f", "json", "--verify", "full").done().json["fetched"]
    )
    modelpack("stage", "verify", "--to", cache).done()
    (cache / "receipts" / f"{pushed.partition(':')[2]}.json").unlink()
    assert "no valid receipt" in modelpack("stage", "verify", "--to", cache, "--key", key).err


class Once:
    """In place of the module ``threading``: an event that says at its first wait that it is over."""

    class Event:
        def wait(self, _: float) -> bool:
            raise KeyboardInterrupt


def test_loops_end(signed: str, key: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "threading", Once)
    monkeypatch.setattr(keeping, "threading", Once)
    assert modelpack("stage", "prefetch", signed, "--to", cache, "--key", key, "--every", "9").code == 130
    ran = modelpack("stage", "gc", "--to", cache, "--grace", "0", "--every", "9")
    assert ran.code == 130
    assert "0 items, 0 B freed" in ran.err


def test_ranks_and_their_number_go_together(signed: str, key: Path, cache: Path) -> None:
    options = ("stage", signed, "--to", cache, "--key", key)
    modelpack(*options, "--rank", "0").failed(2, "go together")
    modelpack(*options, "--rank", "2", "--world-size", "2").failed(2, "no rank 2 of 2")
    modelpack(*options, "--rank", "0", "--world-size", "2").failed(2, "not cut into ranks")


def test_nobody_vouches_without_a_receipt(cache: Path) -> None:
    with pytest.raises(NotFound):
        vouched(Cache(cache), "0" * 64, policy=InsecureAcceptAnything())
