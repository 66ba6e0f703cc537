from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelpack.store.registry import upload
from tests.faults import FaultyRegistry


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is small in tests; it still goes the way of large content. tests/faults/test_uploads.py has the other way."""
    monkeypatch.setattr(upload, "SMALL", -1)


@pytest.fixture
def mirror() -> Iterator[FaultyRegistry]:
    """A second registry that misbehaves on request."""
    with FaultyRegistry() as running:
        yield running
