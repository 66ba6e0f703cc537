"""The sample models, packed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attest.samples import Sample, generated, real, sample


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A generated model."""
    return sample(generated(tmp_path_factory.mktemp("generated")))


@pytest.fixture(scope="session")
def minilm(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A real model."""
    return sample(real(models, tmp_path_factory.mktemp("real")))


@pytest.fixture(scope="session", params=["tiny", "minilm"])
def about(request: pytest.FixtureRequest) -> Sample:
    """Each of them in turn."""
    found: Sample = request.getfixturevalue(request.param)
    return found
