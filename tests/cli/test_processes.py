"""The program as a process: signals, pipes, terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.models import FILES, content
from tests.cli.models import model as make_model
from tests.cli.program import COMMAND, modelpack, program, start
from tests.cli.terminal import Terminal
from tests.faults import FaultyRegistry, effects

COLOUR = r"\x1b\[(3|9)[0-9]"
ON_TIME = 1.5 * float(os.environ.get("MODELPACK_TEST_PATIENCE", "1"))
"""Seconds that an interrupted run may take to end (a second for us, the rest for a busy machine)."""


@pytest.fixture
def slow(tmp_path: Path, faulty: FaultyRegistry) -> str:
    """A model in a registry that sends it at 3 MB/s, in 16 steps."""
    reference = f"{faulty.host}/ml/big:v1"
    modelpack("pack", make_model(tmp_path / "big", rows=12_500), "-t", reference, "--push").done()
    faulty.on("GET", "/blobs/", effects.drip(64 << 10, 0.02), times=None)
    return reference


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Send Ctrl-C; exit code, stdout and stderr, which have to come soon."""
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < ON_TIME
    return process.returncode, out, err


def test_an_interrupted_pull_goes_on(slow: str, faulty: FaultyRegistry, tmp_path: Path) -> None:
    with start("pull", slow, "-o", "out") as process:
        partial = Path(".out.modelpack-partial")
        wait_for(lambda: any(path.stat().st_size > 0 for path in partial.rglob("*") if path.is_file()))
        code, out, err = interrupted(process)
    assert (code, out) == (130, "")
    assert err == "interrupted; run the same command again to go on where it stopped\n"
    assert not Path("out").exists()
    program("pull", slow, "-o", "out").done()
    assert content(Path("out")) == content(tmp_path / "big")
    assert not partial.exists()


def test_an_interrupted_push_goes_on(faulty: FaultyRegistry, folder: Path) -> None:
    reference = f"{faulty.host}/ml/tiny:v1"
    modelpack("pack", folder, "-t", reference).done()
    rule = faulty.on("POST|PATCH|PUT", "/blobs/", effects.deaf(), times=None)
    with start("push", reference) as process:
        wait_for(lambda: rule.fired)
        code, out, _ = interrupted(process)
    assert (code, out) == (130, "")
    rule.times = 0
    program("push", reference).done()


def test_an_interrupted_pack_leaves_no_name(faulty: FaultyRegistry, folder: Path) -> None:
    reference = f"{faulty.host}/ml/tiny:v1"
    rule = faulty.on("POST|PATCH|PUT", "/blobs/", effects.deaf(), times=None)
    with start("pack", folder, "-t", reference, "--push") as process:
        wait_for(lambda: rule.fired)
        assert interrupted(process)[0] == 130
    assert faulty.repository("ml/tiny").tags == {}


def test_a_reader_that_leaves(folder: Path, tmp_path: Path) -> None:
    for number in range(1500):
        (folder / f"{number:04}.py").write_bytes(b"")
    script = '"$@" | head -n 1; echo "${PIPESTATUS[0]}"'
    command = ["bash", "-c", script, "-", *COMMAND, "pack", str(folder), "--dry-run", "-f", "table"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[0].split(), done.stdout.splitlines()[1]) == (["FILE", "KIND", "AS", "SIZE"], "0")
    assert done.stderr == ""


@pytest.mark.parametrize("shut", ["ls >&-", "ls 2>&- >/dev/null", "--help | true", "version | true"])
def test_closed_outputs(shut: str) -> None:
    script = f'"$@" {shut}'
    done = subprocess.run(["bash", "-c", script, "-", *COMMAND], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" ls >/dev/full', "-", *COMMAND], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (5, "error: the result cannot be written: No space left on device\n")


def test_an_exit_code(faulty: FaultyRegistry) -> None:
    faulty.repository("a").add_manifest("application/vnd.oci.image.manifest.v1+json", b"[]", "v1")
    ran = program("pull", f"{faulty.host}/a:v1", "-o", "x")
    ran.failed(3, "error: manifest: ")


def test_without_a_terminal_nothing_moves(slow: str) -> None:
    ran = program("pull", slow, "-o", "out").done()
    assert ran.out == f"{Path.cwd() / 'out'}\n"
    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
    assert len(ran.err.splitlines()) == 2


def test_a_terminal_in_another_language(folder: Path) -> None:
    (folder / "naïve-模型.json").write_text("{}")
    settings = {"PYTHONIOENCODING": "ascii"}
    assert "na\\xefve-\\u6a21\\u578b.json" in program("pack", folder, "--dry-run", env=settings).done().out
    told = program("pack", folder, "--dry-run", "-f", "json", env=settings).done().json
    assert "naïve-模型.json" in [file["path"] for file in told["files"]]


def test_bars_on_a_terminal_leave_a_clean_screen(slow: str) -> None:
    with Terminal("pull", slow, "-o", "out") as terminal:
        terminal.wait_for("model.safetensors")
        assert terminal.ended() == 0
        assert "\x1b[?25h" in terminal.seen  # the cursor is back
        assert "━" in terminal.seen
        assert "MB/s" in terminal.seen
        assert re.search(COLOUR, terminal.seen)
        text = " ".join(terminal.screen)
    assert "━" not in text
    assert text.startswith(f"{Path.cwd() / 'out'} has 5 files (sha256:")
    assert terminal.screen[-1] == str(Path.cwd() / "out")
    assert set(content(Path("out"))) == set(FILES)


def test_no_color(slow: str) -> None:
    with Terminal("pull", slow, "-o", "out", env={"NO_COLOR": "1"}) as terminal:
        assert terminal.ended() == 0
    assert "━" in terminal.seen
    assert not re.search(COLOUR, terminal.seen)


def test_quiet_on_a_terminal(slow: str) -> None:
    with Terminal("pull", slow, "-o", "out", "-q") as terminal:
        assert terminal.ended() == 0
        assert terminal.seen.replace("\r", "") == f"{Path.cwd() / 'out'}\n"


def test_ctrl_c_on_a_terminal(slow: str) -> None:
    with Terminal("pull", slow, "-o", "out") as terminal:
        terminal.wait_for("model.safetensors")
        began = time.monotonic()
        terminal.press("\x03")
        assert terminal.ended() == 130
        assert time.monotonic() - began < ON_TIME
        assert terminal.seen.endswith("interrupted; run the same command again to go on where it stopped\r\n")
        assert "\x1b[?25h" in terminal.seen


def test_a_served_layout(folder: Path, tmp_path: Path) -> None:
    with start("serve", tmp_path / "served", "--port", "0") as server:
        assert server.stdout
        url = server.stdout.readline().strip()
        reference = f"{url.removeprefix('http://')}/ml/tiny:v1"
        modelpack("pack", folder, "-t", reference, "--push").done()
        modelpack("pull", reference, "-o", "out").done()
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=10)
    assert (server.returncode, out, err) == (0, "", "stopped\n")
    assert content(Path("out")) == {name: (folder / name).read_bytes() for name in FILES}
