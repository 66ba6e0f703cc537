"""Reports in files: the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.audit.reports import KINDS, write, write_file
from modelpack.errors import InputError, NoSpace, StoreError
from tests.audit.reports.made import FINISHED, ordinary
from tests.audit.reports.test_documents import written


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_what_a_stream_gets(kind: str, tmp_path: Path) -> None:
    write_file(kind, ordinary(), tmp_path / "report")
    assert (tmp_path / "report").read_bytes() == written(kind, ordinary())
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_kinds_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no report 'xlsx'"):
        write("xlsx", ordinary(), io.BytesIO())
    with pytest.raises(InputError):
        write_file("xlsx", ordinary(), tmp_path / "report")
    assert not [*tmp_path.iterdir()]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report"
    path.write_text("old")

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(NoSpace, match="report cannot be written: No space"):
        write_file("json", ordinary(), path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        write_file("html", ordinary(), tmp_path / "missing" / "report.html")


def test_permissions_are_those_of_the_old_file_or_let_others_read(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch(mode=0o600)
    for path in (old, new):
        write_file("metrics", ordinary(), path)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o600, 0o644]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for _ in range(2):
        write_file("csv", ordinary(), str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == written("csv", ordinary())


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file("csv", ordinary(), pipe)
    reader.join(10)
    assert got == [written("csv", ordinary())]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_metrics_remember_the_last_complete_audit(tmp_path: Path) -> None:
    path = tmp_path / "audit.prom"
    write_file("metrics", replace(ordinary(), complete=True), path)
    write_file("metrics", ordinary(), path)
    text = path.read_text()
    assert f"\nmodelpack_audit_last_success_timestamp_seconds {FINISHED.timestamp()}\n" in text
    assert "\nmodelpack_audit_complete 0\n" in text
