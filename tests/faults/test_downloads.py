"""Reading a blob from a registry that misbehaves."""

from __future__ import annotations

import gc
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import ContentError, DigestMismatch, ModelPackError, RegistryError, SizeMismatch, Unavailable
from modelpack.oci import Descriptor, Digest
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.store import CHUNK, Store
from tests.faults import FaultyRegistry, Features, effects
from tests.faults.messages import Ending
from tests.store.clients import NAME, QUICK, Recorder, connect, stored
from tests.store.content import WEIGHTS, push_model

DATA = random.Random(1).randbytes(3 * CHUNK + 17)
BLOB = "/blobs/"


def ranges(faulty: FaultyRegistry) -> list[str | None]:
    return [request.headers.get("range") for request in faulty.find("GET", BLOB)]


AFTER = [0, 3, 5000, CHUNK, CHUNK + 1, len(DATA) - 1]


@pytest.mark.parametrize("after", AFTER)
def test_only_what_is_missing_comes_again(faulty: FaultyRegistry, after: int) -> None:
    faulty.on("GET", BLOB, effects.cut(after))
    counted: list[int] = []
    observe = Recorder()
    with connect(faulty, observe=observe) as store, store.open(stored(faulty, DATA), counted.append) as reader:
        assert reader.read() == DATA
    assert ranges(faulty) == [None, f"bytes={after}-" if after else None]
    assert sum(counted) == len(DATA)
    assert min(counted) >= 0
    assert len(observe.notes) == 1
    assert observe.events[0].name.startswith("sha256:")


@pytest.mark.parametrize("after", AFTER)
def test_what_arrived_before_a_reset_does_not_come_again(faulty: FaultyRegistry, after: int) -> None:
    faulty.on("GET", BLOB, effects.cut(after, "reset"))
    with connect(faulty) as store, store.open(stored(faulty, DATA)) as reader:
        buffer = bytearray(len(DATA))
        arrived = filled = reader.readinto(memoryview(buffer))
        while length := reader.readinto(memoryview(buffer)[filled:]):
            filled += length
        assert buffer == DATA
    # A reset throws away what the other side had not sent yet.
    assert arrived <= after or arrived == len(DATA)
    assert ranges(faulty)[1:] == [f"bytes={arrived}-" if arrived < len(DATA) else None]


def test_a_stall_ends_after_a_while(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.cut(CHUNK + 5, "stall"))
    begun = time.monotonic()
    # On a busy machine the last few bytes before the stall may take a while.
    with connect(faulty, read_timeout=1.0) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert ranges(faulty) == [None, f"bytes={CHUNK + 5}-"]
    assert time.monotonic() - begun < 10


def test_a_drip_ends_after_a_while(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.drip(10, 0.01))
    observe = Recorder()
    with connect(faulty, observe=observe, read_timeout=0.2, minimum_rate=50_000) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert "fewer than 10000 bytes came in" in observe.notes[0]


def test_slow_is_not_too_slow(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.drip(100_000, 0.15))
    observe = Recorder()
    with connect(faulty, observe=observe, read_timeout=0.5, minimum_rate=1000) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert observe.notes == []


def test_a_slow_reader_is_not_a_slow_server(faulty: FaultyRegistry) -> None:
    observe = Recorder()
    with (
        connect(faulty, observe=observe, read_timeout=0.5, minimum_rate=1_000_000) as store,
        store.open(stored(faulty, DATA)) as reader,
    ):
        first = reader.read(CHUNK)
        time.sleep(0.7)
        assert first + reader.read() == DATA
    assert observe.notes == []


def test_a_server_that_stays_silent(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.silence(), times=None)
    with connect(faulty, read_timeout=0.05, retries=3) as store, pytest.raises(Unavailable, match="timed out"):
        store.read(stored(faulty, DATA))
    assert faulty.count("GET", BLOB) == 3  # retries do not multiply


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_a_server_that_always_breaks_off(faulty: FaultyRegistry, ending: Ending) -> None:
    faulty.on("GET", BLOB, effects.cut(0, ending), times=None)
    with connect(faulty) as store, pytest.raises(Unavailable, match=r"broke off|before the end"):
        store.read(stored(faulty, DATA))
    assert faulty.count("GET", BLOB) == QUICK.retries


def test_a_byte_now_and_then_is_no_progress(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.cut(1), times=None)
    with connect(faulty) as store, pytest.raises(Unavailable):
        store.read(stored(faulty, DATA))
    assert faulty.count("GET", BLOB) == QUICK.retries


def test_progress_renews_the_budget(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.cut(50_000, "reset"), times=12)
    with connect(faulty, retries=2) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert faulty.count("GET", BLOB) == 13


def test_a_registry_that_goes_away_in_the_middle(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.cut(CHUNK))
    faulty.on("GET", BLOB, effects.status(503), skip=1, times=None)
    with connect(faulty) as store, pytest.raises(Unavailable, match="answered 503"):
        store.read(stored(faulty, DATA))
    assert faulty.count("GET", BLOB) == 1 + QUICK.retries


def test_resuming_where_ranges_are_ignored() -> None:
    with FaultyRegistry(Features(ranges=False)) as faulty, connect(faulty) as store:
        faulty.on("GET", BLOB, effects.cut(CHUNK + 9))
        faulty.on("GET", BLOB, effects.cut(CHUNK), skip=1)  # and once more while skipping
        assert store.read(stored(faulty, DATA)) == DATA
        assert ranges(faulty) == [None, *[f"bytes={CHUNK + 9}-"] * 2]


def test_resuming_with_another_range_than_asked_for(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.cut(100))
    faulty.on("GET", BLOB, effects.header("Content-Range", f"bytes 99-{len(DATA) - 1}/{len(DATA)}"), skip=1)
    with connect(faulty) as store, pytest.raises(SizeMismatch, match="another range"):
        store.read(stored(faulty, DATA))


def test_a_blob_that_changes_between_two_attempts(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, DATA)
    faulty.on("GET", BLOB, effects.cut(CHUNK))
    faulty.on("GET", BLOB, effects.wrong_bytes(0), skip=1)
    with connect(faulty) as store, pytest.raises(DigestMismatch):
        store.read(blob)


WRONG: dict[str, tuple[effects.Fault, type[ContentError]]] = {
    "the first byte": (effects.wrong_bytes(0), DigestMismatch),
    "the last byte": (effects.wrong_bytes(len(DATA) - 1), DigestMismatch),
    "shorter": (effects.body(DATA[:-1]), SizeMismatch),
    "longer": (effects.body(DATA + b"x"), SizeMismatch),
    "empty": (effects.body(b""), SizeMismatch),
    "longer, in chunks": (effects.chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA) + 1, DATA + b"x")), SizeMismatch),
    "endless": (effects.flood(1 << 40), SizeMismatch),
    "endless, in chunks": (effects.flood(1 << 30, declared=False), SizeMismatch),
    "promised longer": (effects.length(+1), SizeMismatch),
    "promised shorter": (effects.length(-1), SizeMismatch),
}


@pytest.mark.parametrize("name", WRONG)
def test_content_that_is_not_what_was_promised(faulty: FaultyRegistry, name: str) -> None:
    fault, kind = WRONG[name]
    faulty.on("GET", BLOB, fault, times=None)
    counted: list[int] = []
    seen: list[int] = []
    with connect(faulty) as store, pytest.raises(kind):
        take(store, stored(faulty, DATA), counted, seen)
    assert sum(seen) < len(DATA), "the last byte was handed over unchecked"
    assert sum(counted) == 0


def take(store: Store, blob: Descriptor, counted: list[int], seen: list[int]) -> None:
    with store.open(blob, counted.append) as reader:
        while data := reader.read(CHUNK):
            seen.append(len(data))


def test_chunked_content_that_is_right(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.chunked(b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (DATA[:5], len(DATA) - 5, DATA[5:])))
    with connect(faulty) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert faulty.count("GET", BLOB) == 1


@pytest.mark.parametrize("data", [b"zz\r\ngarbage", b"5\r\nabc", b"", b"-1\r\n", b"f" * 70_000])
def test_chunks_that_are_none(faulty: FaultyRegistry, data: bytes) -> None:
    faulty.on("GET", BLOB, effects.chunked(data))
    with connect(faulty) as store:
        assert store.read(stored(faulty, DATA)) == DATA


def test_content_without_a_length(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.raw(b"HTTP/1.0 200 OK\r\n\r\n" + DATA[:CHUNK]))
    faulty.on("GET", BLOB, effects.raw(b"HTTP/1.0 200 OK\r\n\r\n" + DATA), skip=1)
    with connect(faulty) as store:
        assert store.read(stored(faulty, DATA)) == DATA
    assert ranges(faulty) == [None, f"bytes={CHUNK}-"]


@pytest.mark.parametrize("length", ["-1", "many", "1" * 5000, "5, 6"])
def test_a_length_that_is_none(faulty: FaultyRegistry, length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    faulty.on("GET", BLOB, effects.raw(head + DATA))
    with connect(faulty) as store:
        try:
            assert store.read(stored(faulty, DATA)) == DATA
        except ContentError:
            assert length == "1" * 5000


def test_an_unasked_part(faulty: FaultyRegistry) -> None:
    faulty.on("GET", BLOB, effects.reply(206, DATA[5:], {"Content-Range": f"bytes 5-{len(DATA) - 1}/{len(DATA)}"}))
    with connect(faulty) as store, pytest.raises(RegistryError, match="answered 206"):
        store.read(stored(faulty, DATA))


@pytest.mark.parametrize("media_type", [WEIGHTS, OCI_MANIFEST])
def test_a_descriptor_that_lies_about_the_size(faulty: FaultyRegistry, media_type: str) -> None:
    with connect(faulty) as store:
        manifest = push_model(store, DATA)
        right = manifest.layers[0] if media_type == WEIGHTS else manifest.descriptor
    for size in (right.size - 1, right.size + 1, 0, 1 << 40):
        lie = Descriptor(media_type, right.digest, size)
        with connect(faulty) as store, pytest.raises(SizeMismatch), store.open(lie) as reader:
            reader.read()
        with connect(faulty) as store, pytest.raises(SizeMismatch, match=r"more than the 3 expected|bytes"):
            store.read(lie, limit=3)


def test_nothing_is_a_blob_too(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        assert store.read(stored(faulty, b"")) == b""
        lie = Descriptor(WEIGHTS, stored(faulty, b"x").digest, 0)
        for fault in (effects.chunked(b"1\r\nx\r\n0\r\n\r\n"), effects.body(b"x")):
            faulty.on("GET", BLOB, fault)
            with pytest.raises(SizeMismatch):
                store.open(lie)
        faulty.on("GET", BLOB, effects.body(b""))
        with pytest.raises(DigestMismatch):
            store.open(lie)
        assert faulty.connections <= 3


def test_going_on_from_the_middle(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, DATA)
    with connect(faulty) as store:
        for offset in (0, 1, CHUNK, len(DATA) - 1, len(DATA)):
            stream = store.source(blob).source.open(offset)
            assert _drain(stream) == DATA[offset:]
            stream.close()
            stream.close()
    assert faulty.count("GET", BLOB) == 4  # nothing is asked for when nothing is missing


def _drain(stream: object) -> bytes:
    buffer, parts = bytearray(CHUNK), []
    while length := stream.readinto(memoryview(buffer)):  # type: ignore[attr-defined]
        parts.append(bytes(buffer[:length]))
    return b"".join(parts)


def test_a_reader_that_is_left_early_gives_its_socket_back(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        for _ in range(20):
            with store.open(stored(faulty, DATA)) as reader:
                reader.read(10)
    gc.collect()  # a socket that nobody closed would warn here, and fail the test
    assert faulty.connections == 20


def test_many_threads(faulty: FaultyRegistry) -> None:
    contents = [random.Random(number).randbytes(50_000) for number in range(40)]
    blobs = [stored(faulty, data) for data in contents]
    faulty.on("GET", BLOB, effects.cut(1000, "reset"), times=15)
    found: dict[int, bytes] = {}
    with connect(faulty, retries=10) as store:

        def work(first: int) -> None:
            for number in range(first, 40, 8):
                found[number] = store.read(blobs[number])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[number] for number in range(40)] == contents


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["cut", "reset", "503", "wrong", "ignored", "drop"]), st.integers(0, 2000)),
        max_size=5,
    )
)
def test_any_row_of_faults_gives_the_right_bytes_or_an_error(faults: list[tuple[str, int]]) -> None:
    data = DATA[:2000]
    with FaultyRegistry() as faulty, connect(faulty, backoff=0.0) as store:
        for number, (kind, at) in enumerate(faults):
            fault = {
                "cut": effects.cut(at),
                "reset": effects.cut(at, "reset"),
                "503": effects.status(503),
                "wrong": effects.wrong_bytes(0),
                "ignored": effects.ignored_range(),
                "drop": effects.hang_up(),
            }[kind]
            faulty.on("GET", BLOB, fault, skip=number)
        descriptor = Descriptor(WEIGHTS, Digest.parse(faulty.repository(NAME).add_blob(data)), len(data))
        try:
            assert store.read(descriptor) == data
        except ModelPackError:
            assert any(kind in ("cut", "reset", "503", "wrong", "drop") for kind, _ in faults)
