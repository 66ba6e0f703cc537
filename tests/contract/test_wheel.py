"""The package as users get it: built from the source distribution, with the right files, and it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import modelpack
from tests.contract.sources import CLI, LIBRARY, ROOT

INFO = f"modelpack_toolkit-{modelpack.__version__}.dist-info"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with nothing in it but the wheel; dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    python = home / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    _run(sys.executable, "-m", "pip", "--python", str(python), *install, cwd=home)
    site = Path(_run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    return home / "bin"


def _run(*command: str, cwd: Path) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV", "COVERAGE"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def _sources(folder: Path, prefix: str) -> set[str]:
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {f"{prefix}/{name}" for name in files if "__pycache__" not in name}


def test_the_wheel_has_all_our_files_and_no_others(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if not name.startswith(f"{INFO}/")}
    expected = _sources(LIBRARY, "modelpack") | _sources(CLI, "modelpack_cli")
    assert names == expected | _sources(ROOT / "schemas", "modelpack/_schemas")


def test_the_wheel_carries_licence_types_and_command(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        assert "modelpack/py.typed" in wheel.namelist()
        assert f"{INFO}/licenses/LICENSE" in wheel.namelist()
        assert b"modelpack = modelpack_cli.main:run" in wheel.read(f"{INFO}/entry_points.txt")


def test_the_source_distribution_has_no_tests_and_no_litter(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames()}
    allowed = {"modelpack", "cli", "schemas", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"}
    assert tops - allowed == {".gitignore"}  # hatchling always takes that one


def test_the_installed_library_is_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = "import modelpack; print(modelpack.__file__, modelpack.__version__)"
    place, version = _run(str(installed / "python"), "-c", program, cwd=tmp_path).split()
    assert Path(place).is_relative_to(installed.parent)
    assert version == modelpack.__version__


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    assert modelpack.__version__ in _run(str(installed / "modelpack"), "version", cwd=tmp_path)
    assert "pack" in _run(str(installed / "modelpack"), "--help", cwd=tmp_path)
