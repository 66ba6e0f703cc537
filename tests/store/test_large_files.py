"""Large local files go out as they are, out of the kernel's hands, and the registry says what it has: nobody is believed who
does not say it.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import DigestMismatch, RegistryError, SizeMismatch, StoreError, Unavailable
from modelpack.oci import Digest
from modelpack.store import (
    BytesSource,
    FileSource,
    LayoutStore,
    Registry,
    RegistryStore,
    StaticCredentials,
)
from modelpack.store.registry.pieces import Content
from tests.faults import Exchange, Fault, Reply, effects
from tests.store.clients import NAME, QUICK
from tests.store.content import WEIGHTS
from tests.store.sending import BLOB, DATA, PIECE, RANGES, SESSION, Sender, cut, file

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes the kernel was asked to send."""
    counts: list[int] = []
    original = socket.socket.sendfile

    def watched(self: socket.socket, file: Any, offset: int = 0, count: int | None = None) -> int:
        counts.append(original(self, file, offset, count))
        return counts[-1]

    monkeypatch.setattr(socket.socket, "sendfile", watched)
    return counts


def says(digest: str | None) -> Fault:
    """The answer to a PUT, but with another digest, or none."""

    def fault(exchange: Exchange) -> Reply:
        body = exchange.incoming.read()
        answer = exchange.registry.answer(replace(exchange.request, body=body))
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "docker-content-digest"}
        return replace(answer, headers=headers if digest is None else {**headers, "Docker-Content-Digest": digest})

    return fault


def test_a_file_is_sent_by_the_kernel_and_not_read_here(sender: Sender, tmp_path: Path, sent: list[int]) -> None:
    sender.push(file(tmp_path))
    assert sender.arrived()
    assert sender.ranges == RANGES
    assert sum(sent) == len(DATA)


def test_a_blob_of_a_layout_is_sent_so(sender: Sender, tmp_path: Path, sent: list[int]) -> None:
    layout = LayoutStore(tmp_path / "layout")
    layout.push_bytes(WEIGHTS, DATA)
    with sender.store() as store:
        store.push(BLOB, layout.source(BLOB, sender.counted.append))
    assert sender.arrived()
    assert sum(sent) == len(DATA)


def test_with_a_limited_rate_it_is_read(sender: Sender, tmp_path: Path, sent: list[int]) -> None:
    with sender.store() as store:
        options = replace(QUICK, limit_rate=50_000_000)
        limited = RegistryStore(Registry(sender.faulty.host, options, StaticCredentials({})), NAME)
        with limited:
            limited.push(BLOB, file(tmp_path))
        assert store.exists(BLOB)
    assert sent == []


@pytest.mark.parametrize("keep", [0, 2, 12_345, PIECE])
def test_what_breaks_goes_on_at_the_reported_offset(sender: Sender, tmp_path: Path, keep: int) -> None:
    sender.faulty.on("PATCH", SESSION, cut(keep), skip=1)
    sender.push(file(tmp_path))
    assert sender.arrived()
    assert int(sender.ranges[2].partition("-")[0]) == PIECE + keep


def test_a_registry_that_hangs_up_in_the_middle(
    sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = socket.socket.sendfile
    failures = [BrokenPipeError(), ConnectionResetError(), TimeoutError()]

    def broken(self: socket.socket, file: Any, offset: int = 0, count: int | None = None) -> int:
        if failures:
            original(self, file, offset, 10)
            raise failures.pop()
        return original(self, file, offset, count)

    monkeypatch.setattr(socket.socket, "sendfile", broken)
    sender.push(file(tmp_path))
    assert sender.arrived()
    assert failures == []


# Who is wrong


def test_damaged_content_is_found_out(sender: Sender, tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch, match="does not match its digest"):
        sender.push(file(tmp_path, DATA[:-1] + b"x"), BLOB)
    assert sum(sender.counted) == 0
    assert not sender.arrived()


@pytest.mark.parametrize("digest", [None, str(Digest.of(b"other")), "md5:1"])
def test_a_registry_that_does_not_confirm_is_not_believed(
    sender: Sender, tmp_path: Path, digest: str | None, sent: list[int]
) -> None:
    sender.faulty.on("PUT", SESSION, says(digest), times=None)
    sender.push(file(tmp_path))
    assert sender.arrived()
    with sender.store() as store:
        store.push(BLOB, file(tmp_path))
        sent.clear()
        store.push(BLOB, file(tmp_path))  # by now it is known
    assert sent == []


def test_damaged_content_is_found_out_where_the_registry_keeps_all(sender: Sender, tmp_path: Path) -> None:
    def anything(exchange: Exchange) -> Reply:
        exchange.incoming.read()
        return Reply(201)

    sender.faulty.on("PUT", SESSION, anything)
    with pytest.raises(DigestMismatch, match="does not match its digest"):
        sender.push(file(tmp_path, DATA[:-1] + b"x"), BLOB)
    assert sum(sender.counted) == 0


def test_the_registry_refuses_sound_content(sender: Sender, tmp_path: Path) -> None:
    sender.faulty.on("PUT", SESSION, effects.status(400), times=None)
    with pytest.raises(RegistryError, match="answered 400"):
        sender.push(file(tmp_path))
    assert sum(sender.counted) == 0


def test_what_an_earlier_run_left_may_be_of_another_version(sender: Sender, tmp_path: Path) -> None:
    sender.faulty.on("PATCH", SESSION, cut(777), skip=2)
    rule = sender.faulty.on("PATCH", SESSION, cut(0), skip=3, times=None)
    with pytest.raises(Unavailable):
        sender.push(file(tmp_path, b"x" + DATA[1:]), BLOB)
    rule.times = 0
    sender.push(file(tmp_path))
    assert sender.arrived()


def test_a_file_that_ends_too_early(sender: Sender, tmp_path: Path) -> None:
    source = file(tmp_path)
    os.truncate(source.path, PIECE + 5)
    with pytest.raises(SizeMismatch, match="became shorter"):
        sender.push(source)
    assert sum(sender.counted) == 0


def test_a_file_that_grows(sender: Sender, tmp_path: Path) -> None:
    source = FileSource(file(tmp_path, DATA + b"x").path, len(DATA))
    with pytest.raises(SizeMismatch, match="became longer"):
        sender.push(source)


def test_a_disk_that_fails(sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(socket.socket, "sendfile", broken)
    with pytest.raises(StoreError, match="cannot read what is to be sent: Input/output error"):
        sender.push(file(tmp_path))


def test_content_that_is_no_file_cannot_be_believed() -> None:
    content = Content(BytesSource(DATA), len(DATA), Digest.of(DATA), None)
    content.believe()
    assert not content.believed
    assert content.file is None


def test_a_file_of_unknown_digest_cannot_be_believed(tmp_path: Path) -> None:
    content = Content(file(tmp_path), len(DATA), None, None)
    content.believe()
    assert not content.believed
    content.close()
