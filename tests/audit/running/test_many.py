"""Many small models in CNCF distribution: what two audits ask, and one that is killed. bench/audit.py has ten thousand."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.audit import SIGNED, logged, seed
from modelpack import SignedBy
from modelpack.trust import KeyIdentity
from tests.audit.running.making import key, run, said
from tests.cli.program import COMMAND
from tests.real.tools import tool

REPOSITORIES, TAGS = 30, 3
MODELS = REPOSITORIES * TAGS
SIGNATURES = MODELS // SIGNED


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Host and folder of a registry of small models, each tenth of them signed; ``log`` there has all requests."""
    tool("docker-registry")
    work = tmp_path_factory.mktemp("many")
    seed(work / "data", REPOSITORIES, TAGS, key())
    with logged(work) as host:
        yield host, work


def test_one_request_a_tag(many: tuple[str, Path], tmp_path: Path) -> None:
    host, work = many
    trust = SignedBy(KeyIdentity(key().public_key, "owner"))
    found, results = run(host, tmp_path / "state", trust=trust)
    assert results.summary.artifacts == {"model": MODELS, "attachment": SIGNATURES}
    assert len(said(found, "MP010")) == MODELS - SIGNATURES
    before = (work / "log").stat().st_size
    again, results = run(host, tmp_path / "state", trust=trust)
    time.sleep(0.2)  # its log is written a moment later
    lines = (work / "log").read_bytes()[before:].splitlines()
    asked = Counter(line.split(b'"')[1].split()[0].decode() for line in lines if b" /v2/" in line)
    # One for each tag; a catalog, the lists, and one to learn that there is no referrers API.
    assert asked == {"HEAD": MODELS + SIGNATURES, "GET": 1 + REPOSITORIES + 1}
    assert results.summary.requests == asked.total()
    assert (results.summary.collected, [one.key for one in again]) == (0, [one.key for one in found])


def test_killed_and_gone_on_with(many: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = many
    command = [
        *COMMAND,
        "audit",
        host,
        "--state",
        str(tmp_path / "state"),
        "--format",
        "jsonl",
        "--quiet",
        "--jobs",
        "2",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not _collected(tmp_path / "state") and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert 0 < _collected(tmp_path / "state") < MODELS
    found, results = run(host, tmp_path / "state", tool=_tool(), now=None)
    assert results.summary.artifacts == {"model": MODELS, "attachment": SIGNATURES}
    assert 0 < results.summary.kept < MODELS
    assert results.summary.kept + results.summary.collected == MODELS + SIGNATURES
    assert len({str(one.subject) for one in found if one.rule == "MP020"}) == MODELS


def _tool() -> str:
    from modelpack import __version__

    return f"modelpack {__version__}"


def _collected(path: Path) -> int:
    """Artifacts that a state file has, as another process sees it."""
    from modelpack.audit.state import State

    if not path.exists():
        return 0
    with State(path, reading=True) as state:
        return int(next(iter(state.rows("SELECT count(*) FROM artifacts")))[0])
