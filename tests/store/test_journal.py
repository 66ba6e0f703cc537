"""The journal of uploads: private, for one at a time, forgetful after a week, and never in the way."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from modelpack.store import FolderJournal
from modelpack.store.registry.journal import NoJournal

KEY = "https://registry.example/v2/ml/tiny/blobs/uploads/ sha256:1234"
LOCATION = "https://registry.example/upload/1?_state=secret"


def keep(journal: FolderJournal, key: str = KEY, location: str = LOCATION) -> None:
    note = journal.open(key)
    note.keep(location)
    note.close()


def found(journal: FolderJournal, key: str = KEY) -> str:
    note = journal.open(key)
    note.close()
    return note.location


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_the_next_process_finds_it(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path / "new" / "uploads")
    assert found(journal) == ""
    keep(journal, location=LOCATION * 2)
    keep(journal)
    assert found(journal) == LOCATION
    assert found(journal, KEY + "5") == ""


def test_what_has_ended_is_forgotten(tmp_path: Path) -> None:
    keep(FolderJournal(tmp_path))
    note = FolderJournal(tmp_path).open(KEY)
    note.forget()
    note.forget()
    note.close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    before = os.umask(0)
    try:
        keep(FolderJournal(folder))
    finally:
        os.umask(before)
    assert stat.S_IMODE(only(folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_session_serves_one_sender(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    keep(journal)
    first, second = journal.open(KEY), journal.open(KEY)
    assert (first.location, second.location) == (LOCATION, "")
    second.keep("another")
    second.forget()
    second.close()
    first.close()
    assert found(journal) == LOCATION


def test_many_ask_and_one_gets_it(tmp_path: Path) -> None:
    journal, seen = FolderJournal(tmp_path), []
    keep(journal)
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        seen.append(journal.open(KEY))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(note.location for note in seen) == [""] * 7 + [LOCATION]
    for note in seen:
        note.close()


def test_it_is_stale_after_a_week(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    keep(journal)
    for days, expected in ((6.9, LOCATION), (7.1, "")):
        then = time.time() - days * 86400
        os.utime(only(tmp_path), (then, then))
        assert found(journal) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"key": 5}',
        b"[" * 60_000,
        json.dumps({"key": "other", "location": LOCATION}).encode(),
        json.dumps({"key": KEY, "location": LOCATION, "more": "x" * 70_000}).encode(),
    ],
)
def test_what_is_damaged_or_foreign_is_not_believed(tmp_path: Path, content: bytes) -> None:
    journal = FolderJournal(tmp_path)
    keep(journal)
    only(tmp_path).write_bytes(content)
    assert found(journal) == ""
    keep(journal)
    assert found(journal) == LOCATION


def test_an_empty_key_is_not_kept(tmp_path: Path) -> None:
    keep(FolderJournal(tmp_path), "")
    assert list(tmp_path.iterdir()) == []


def test_it_is_never_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    keep(FolderJournal(tmp_path / "file"))
    keep(FolderJournal(tmp_path / "file" / "below"))
    journal = FolderJournal(tmp_path / "uploads")
    keep(journal)
    path = only(journal.folder)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    keep(journal)
    assert found(journal) == ""
    assert not (tmp_path / "elsewhere").exists()
    path.unlink()

    def full(*_: object) -> int:
        raise OSError(28, "full")

    note = journal.open(KEY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        note.keep(LOCATION)
        note.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", full)
        found_then = journal.open(KEY).location
    assert found_then == ""


def test_no_journal_keeps_nothing() -> None:
    note = NoJournal().open(KEY)
    note.keep(LOCATION)
    note.forget()
    note.close()
    assert NoJournal().open(KEY).location == ""
