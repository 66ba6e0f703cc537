from __future__ import annotations

import pytest

from modelpack.store.registry import upload


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is small in tests; it still goes the way of large content. tests/faults/test_uploads.py has the other way."""
    monkeypatch.setattr(upload, "SMALL", -1)
