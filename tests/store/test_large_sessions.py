"""Upload sessions that got lost, hold other bytes, or keep nothing: a new one, or the whole in one request."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.errors import (
    RegistryError,
    Unavailable,
)
from modelpack.oci import Descriptor
from tests.faults import Exchange, Reply, effects
from tests.store.clients import NAME
from tests.store.content import WEIGHTS
from tests.store.sending import BLOB, DATA, RANGES, SESSION, Sender, cut, file

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.mark.parametrize("code", [400, 403, 404, 405])
def test_a_lost_session_is_replaced(sender: Sender, code: int) -> None:
    sender.faulty.on("PATCH", SESSION, effects.status(503), skip=2)
    sender.faulty.on("GET", SESSION, effects.status(code))
    sender.push()
    assert sender.arrived()
    assert sender.ranges == [*RANGES[:3], *RANGES]
    assert sender.faulty.count("POST") == 2


def test_a_session_that_was_taken_up_and_takes_no_more_is_replaced(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, cut(5), skip=2)
    sender.faulty.on("PATCH", SESSION, effects.status(422), skip=3)
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 2


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_session_that_ends_in_the_middle(sender: Sender, method: str) -> None:
    def forget(exchange: Exchange) -> Reply:
        sender.faulty.repository(NAME).uploads.clear()
        return exchange.answer()

    sender.faulty.on(method, SESSION, forget, skip=3 * (method == "PATCH"))
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 2


def test_where_sessions_keep_getting_lost_it_goes_whole(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, effects.status(404), skip=1)
    sender.faulty.on("PATCH", SESSION, effects.status(404), skip=3)
    sender.faulty.on("GET", SESSION, effects.status(404), times=None)
    sender.push()
    assert sender.arrived()
    assert sender.methods == "POST PATCH PATCH GET POST PATCH PATCH GET POST PUT"


def test_a_session_of_an_earlier_run_that_has_ended(sender: Sender, tmp_path: Path) -> None:
    sender.faulty.on("PATCH", SESSION, effects.status(422), skip=2)
    with pytest.raises(RegistryError, match="answered 422"):
        sender.push()
    sender.faulty.repository(NAME).uploads.clear()
    sender.push()
    assert sender.arrived()


@pytest.mark.parametrize("location", ["http://evil.example/x", "nonsense://", "http://[::1/", ""])
def test_a_journal_cannot_lead_elsewhere(sender: Sender, location: str) -> None:
    assert sender.journal
    note = sender.journal.open(f"http://{sender.faulty.host}/v2/{NAME}/blobs/uploads/ {BLOB.digest}")
    note.keep(location)
    note.close()
    sender.push()
    assert sender.arrived()
    assert sender.ranges == RANGES


def test_a_session_that_has_more_than_there_is(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, effects.status(503), skip=2)
    sender.faulty.on("GET", SESSION, effects.header("Range", f"0-{len(DATA)}"))
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 2


def test_a_session_with_bytes_of_other_content(sender: Sender) -> None:
    def garbage(exchange: Exchange) -> Reply:
        body = exchange.incoming.read()[::-1]
        exchange.registry.answer(replace(exchange.request, body=body, headers={}))
        return Reply(raw=(), ending="reset")

    sender.faulty.on("PATCH", SESSION, garbage, skip=2)
    sender.push()
    assert sender.arrived()
    assert sender.ranges == [*RANGES, *RANGES]  # all of it once more


def test_content_that_is_refused_is_not_sent_without_end(sender: Sender) -> None:
    sender.faulty.on("PATCH", SESSION, cut(5), skip=2)
    sender.faulty.on("PUT", SESSION, effects.status(400), times=None)
    with pytest.raises(RegistryError, match="answered 400"):
        sender.push()
    assert sum(sender.counted) == 0
    assert sender.faulty.count("PUT") == sender.faulty.count("POST") == 2


def test_a_changed_file_does_not_take_up_the_session_of_what_it_was(sender: Sender, tmp_path: Path) -> None:
    source = file(tmp_path)
    rule = sender.faulty.on("PATCH", SESSION, cut(0), skip=2, times=None)
    with pytest.raises(Unavailable):
        sender.ingest(source)
    rule.times = 0
    changed = DATA[:-1] + b"x"
    os.utime(file(tmp_path, changed).path, ns=(1, 1))
    assert sender.ingest(source) == Descriptor.of(WEIGHTS, changed)
    assert sender.faulty.count("POST") == 2


@pytest.mark.parametrize("same", [True, False])
def test_an_offset_that_the_registry_finds_wrong(sender: Sender, same: bool) -> None:
    # A session of one byte reports "0-0", as an empty one does.
    sender.faulty.on("PATCH", SESSION, cut(1 if same else 50))
    sender.faulty.on("GET", SESSION, effects.header("Range", f"0-{0 if same else 99}"))
    sender.push()
    assert sender.arrived()
    assert sender.faulty.count("POST") == 1 + same
