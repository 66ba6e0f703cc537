"""A strict run fails when something is skipped; any other run does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import STRICT
from tests.contract.sources import ROOT


@pytest.mark.parametrize(("strict", "status"), [("", 0), ("1", 1)])
def test_strict_runs(tmp_path: Path, strict: str, status: int) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\ndef test_a(): pytest.skip('no tool')\ndef test_b(): pass")
    (tmp_path / "test_two.py").write_text("import pytest\npytest.skip('no package', allow_module_level=True)")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), STRICT: strict}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed, 2 skipped")
    for line in ("test_one.py::test_a: Skipped: no tool", "test_two.py: Skipped: no package"):
        assert (line in done.stdout) == bool(strict)
