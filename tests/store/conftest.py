from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.store import FolderJournal
from modelpack.store.registry import upload
from tests.faults import FaultyRegistry
from tests.store.sending import Sender, use_small_pieces


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is small in tests; it still goes the way of large content. tests/faults/test_uploads.py has the other way."""
    monkeypatch.setattr(upload, "SMALL", -1)


@pytest.fixture
def mirror() -> Iterator[FaultyRegistry]:
    """A second registry that misbehaves on request."""
    with FaultyRegistry() as running:
        yield running


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads go in pieces that suit small content."""
    use_small_pieces(monkeypatch)


@pytest.fixture
def sender(faulty: FaultyRegistry, tmp_path: Path) -> Sender:
    """Sends what tests upload in pieces, and keeps a journal."""
    return Sender(faulty, FolderJournal(tmp_path / "uploads"))
