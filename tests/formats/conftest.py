"""Real models, where they have been fetched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder that ``tests/fetch_models.py`` filled."""
    folder = os.environ.get("MODELPACK_TEST_MODELS", "")
    if not folder:
        pytest.skip("MODELPACK_TEST_MODELS is not set (python tests/fetch_models.py DIR makes such a folder)")
    return Path(folder)
