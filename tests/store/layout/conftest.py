"""An empty layout for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.store import LayoutStore


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "layout")
