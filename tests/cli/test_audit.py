"""modelpack audit: targets, exit codes, explanations."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from modelpack_cli.commands.audit import command

import modelpack as library
from modelpack.audit.results import Tally
from tests.audit.running.making import QUICK, fill, key
from tests.cli.program import COMMAND, modelpack
from tests.faults import FaultyRegistry, effects


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as registry:
        yield registry


@pytest.fixture
def signer(tmp_path: Path) -> Path:
    """A public key."""
    path = tmp_path / "signer.pub"
    path.write_bytes(key().public_key.pem)
    return path


def test_exit_codes(faulty: FaultyRegistry, signer: Path) -> None:
    fill(faulty, 1, 1)
    where = f"{faulty.host}/ml/r0"
    ran = modelpack("audit", where, "--key", signer)
    assert ran.code == 1
    assert "MP010" in ran.out
    assert modelpack("audit", where, "--key", signer, "--fail-on", "critical").code == 0
    library.sign(f"{where}:v0", key(), access=QUICK)
    assert modelpack("audit", where, "--key", signer).code == 0
    assert modelpack("audit", where, "--key", signer, "--fail-on", "medium").code == 1
    ran = modelpack("audit", where, "--fail-on", "none")  # nobody is trusted: what a signature is worth is not known
    assert ran.code == 2
    assert ran.last == "not complete: what was not checked is not clean"
    modelpack("audit").failed(2, "nothing to audit")
    modelpack("audit", "minilm").failed(2, "not a registry")
    modelpack("audit", where, "--scrub", "much").failed(2, "--scrub takes bytes")


def test_what_cannot_be_read_ends_with_2(faulty: FaultyRegistry, signer: Path, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    library.sign(f"{faulty.host}/ml/r0:v0", key(), access=QUICK)
    faulty.on("GET", "/_catalog", effects.status(404), times=None)
    assert modelpack("audit", faulty.host, "--key", signer).code == 2
    listed = tmp_path / "list"
    listed.write_text(f"{faulty.host}/ml/r0\n")
    assert modelpack("audit", "--targets", listed, "--key", signer).code == 0
    assert modelpack("audit", f"@{listed}", "--key", signer).code == 0
    modelpack("audit", f"@{tmp_path}/none").failed(2)


def test_one_artifact_is_explained_rule_by_rule(faulty: FaultyRegistry, signer: Path) -> None:
    fill(faulty, 1, 1)
    ran = modelpack("audit", f"{faulty.host}/ml/r0:v0", "--key", signer)
    lines = ran.out.partition("\n\n")[0].splitlines()
    told = {found[2]: found[1] for line in lines if (found := re.match(r"  ([a-z ]+?)  +(MP\d+) ", line))}
    assert told["MP010"] == "failed"
    assert told["MP001"] == "passed"
    assert told["MP082"] == "not asked"
    assert told["MP081"] == "not asked"
    faulty.on("GET", "/blobs/", effects.status(503), times=None)
    ran = modelpack("audit", f"{faulty.host}/ml/r0:v0", "--key", signer, "--retries", "1")
    assert "  not checked  MP060" in ran.out


def test_progress_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    watch = command._Progress()
    watch(Tally(Counter(model=2), repositories=1))
    monkeypatch.setattr(command, "_OFTEN", 0.0)
    watch(Tally(Counter(model=2), repositories=1))
    assert capsys.readouterr().err == "1 place, 2 manifests, 0 findings\n"


def test_explain() -> None:
    ran = modelpack("audit", "explain", "mp013").done()
    assert ran.out.startswith("MP013  critical  the signature is of something else\n")
    assert "What to do: " in ran.out
    assert len(modelpack("audit", "explain").done().lines) > 50
    (one,) = modelpack("audit", "explain", "MP010", "--format", "json").done().json
    assert (one["rule"], one["severity"]) == ("MP010", "high")
    modelpack("audit", "explain", "MP999").failed(2, "there is no rule")


def test_state_policy_and_reports(faulty: FaultyRegistry, signer: Path, tmp_path: Path) -> None:
    fill(faulty, 2, 1)
    policy = tmp_path / "audit.yaml"
    policy.write_text("version: 1\nscopes: [{scope: '*', disabled: [MP010]}]\n")
    options = ("--policy", policy, "--state", tmp_path / "audit.db", "--key", signer, "--json", tmp_path / "a.json")
    assert modelpack("audit", faulty.host, *options).code == 0
    before = len(faulty.requests)
    ran = modelpack(
        "audit", faulty.host, *options, "--html", tmp_path / "a.html", "--quiet", "--scrub", "1M", "--plugins"
    )
    assert ran.code == 0
    assert ran.err == ""
    assert (tmp_path / "a.html").stat().st_size > 1000
    assert not [one for one in faulty.requests[before:] if one.method == "GET" and "/manifests/" in one.path]
    trust = tmp_path / "trust.yaml"
    trust.write_text("version: 1\nrules: [{scope: '*', require: {insecureAcceptAnything: true}}]\n")
    assert modelpack("audit", faulty.host, "--trust", trust, "--policy", policy).code == 0
    modelpack("audit", faulty.host, "--trust", trust, "--key", signer).failed(2, "cannot be combined")


def test_interrupted_and_gone_on_with(faulty: FaultyRegistry, signer: Path, tmp_path: Path) -> None:
    fill(faulty, 12, 1)
    faulty.on("GET", "/ml/r8/", effects.delay(30), times=1)
    command = [*COMMAND, "audit", faulty.host, "--state", str(tmp_path / "db"), "--key", str(signer), "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        deadline = time.monotonic() + 20
        while not faulty.find("GET", "/ml/r7/blobs/") and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.7)  # a commit is due within half a second of work
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert b"run the same command again to go on" in said
    before = len(faulty.requests)
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count(b"MP010") == 12
    assert not [one for one in faulty.requests[before:] if "/ml/r0/blobs/" in one.path]
    assert sys.executable in command
