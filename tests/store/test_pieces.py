"""Content in pieces: the hash goes on, nothing is read twice without need, and the end is checked before it is handed over."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DigestMismatch, SizeMismatch, Unavailable
from modelpack.oci import Digest
from modelpack.store import BytesSource
from modelpack.store.registry import pieces
from modelpack.store.registry.pieces import Content, Piece, Pieces, reported_offset
from tests.store.content import BrokenStream, Flaky

DATA = random.Random(5).randbytes(10_000)


def read(piece: Piece, size: int = 700) -> bytes:
    """All of a piece, as a request reads it."""
    stream, buffer, parts = piece.open(), memoryview(bytearray(size)), []
    try:
        while length := stream.readinto(buffer):
            parts.append(bytes(buffer[:length]))
    finally:
        stream.close()
    return b"".join(parts)


@given(lengths=st.lists(st.integers(150, 4000), min_size=1, max_size=8), twice=st.sets(st.integers(0, 7)))
@settings(max_examples=60, deadline=None)
def test_pieces_make_up_the_content(lengths: list[int], twice: set[int]) -> None:
    source, counts = Flaky(DATA, []), [0]
    content = Content(source, len(DATA), Digest.of(DATA), counts.append)
    received = b""
    for number in range(100):
        if content.position == content.size:
            break
        piece = content.piece(lengths[number % len(lengths)])
        if number in twice:
            read(piece)
        received += read(piece)
        content.arrived(piece)
    assert received == DATA
    assert content.digest == Digest.of(DATA)
    assert sum(counts) == len(DATA)
    assert len(source.offsets) <= 1 + len(twice)


def test_one_stream_serves_all_pieces() -> None:
    source = Flaky(DATA, [])
    content = Content(source, len(DATA), None, None)
    while content.position < content.size:
        piece = content.piece(3000)
        read(piece)
        content.arrived(piece)
    content.close()
    content.close()
    assert source.offsets == [0]
    assert content.digest == Digest.of(DATA)


@pytest.mark.parametrize("position", [0, 1, 4999, 5000, 5001, 10_000])
def test_seeking_hashes_again_from_where_it_must(position: int) -> None:
    source, counts = Flaky(DATA, []), [0]
    content = Content(source, len(DATA), Digest.of(DATA), counts.append)
    first = content.piece(5000)
    read(first)
    content.arrived(first)
    content.seek(position)
    assert sum(counts) == content.position == position
    assert content.digest == Digest.of(DATA[:position])
    content.seek(len(DATA))
    assert content.digest == Digest.of(DATA)
    assert sum(counts) == len(DATA)
    content.revoke()
    assert sum(counts) == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [(DATA[:-1], SizeMismatch), (DATA + b"x", SizeMismatch), (DATA[:-1] + b"x", DigestMismatch)],
)
def test_the_end_is_checked_before_it_is_handed_over(data: bytes, error: type[Exception]) -> None:
    content = Content(BytesSource(data), len(DATA), Digest.of(DATA), None)
    piece = content.piece(len(DATA))
    stream, buffer, parts = piece.open(), memoryview(bytearray(100)), 0

    def read_all() -> None:
        nonlocal parts
        while True:
            parts += stream.readinto(buffer)

    with pytest.raises(error):
        read_all()
    stream.close()
    assert parts < len(DATA)
    assert piece.failed


@pytest.mark.parametrize(
    ("data", "error"),
    [(DATA[:-1], SizeMismatch), (DATA + b"x", SizeMismatch), (DATA[:-1] + b"x", DigestMismatch)],
)
def test_the_end_is_checked_where_a_registry_says_it_has_all(data: bytes, error: type[Exception]) -> None:
    content = Content(BytesSource(data), len(DATA), Digest.of(DATA), None)
    with pytest.raises(error):
        content.seek(len(DATA))


def test_a_piece_knows_that_its_reading_failed() -> None:
    class Gone(Flaky):
        def open(self, offset: int = 0) -> BrokenStream:
            raise Unavailable("gone")

    counts = [0]
    broken = Content(Flaky(DATA, [10]), len(DATA), None, counts.append)
    piece = broken.piece(100)
    with pytest.raises(Unavailable):
        read(piece)
    assert piece.failed
    broken.revoke()
    assert sum(counts) == 0
    gone = Content(Gone(DATA, []), len(DATA), None, None).piece(10)
    with pytest.raises(Unavailable):
        gone.open()
    assert gone.failed


def test_pieces_grow_and_shrink_with_the_rate() -> None:
    sizes = Pieces()
    sizes.took(sizes.size, 0.1)
    assert sizes.size == 2 * pieces.PIECE
    sizes.took(1000, 0.1)  # the last of an upload says nothing
    sizes.took(sizes.size, 1.0)
    assert sizes.size == 2 * pieces.PIECE
    for _ in range(9):
        sizes.took(sizes.size, 0.1)
    assert sizes.size == pieces.MAX_PIECE
    for _ in range(9):
        sizes.took(sizes.size, 5.0)
    assert sizes.size == pieces.PIECE


def test_pieces_that_were_too_large_do_not_grow_again() -> None:
    sizes = Pieces()
    assert sizes.too_large()
    sizes.took(sizes.size, 0.1)
    assert sizes.size == pieces.PIECE // 2
    sizes.took(sizes.size, 5.0)
    assert sizes.size == pieces.PIECE // 2
    while sizes.too_large():
        pass
    assert sizes.size == pieces.MIN_PIECE


@pytest.mark.parametrize(
    ("header", "offset"),
    [("0-0", 0), ("0-1", 2), ("0-99", 100), (" bytes=0-9 ", 10), ("", 0), ("1-5", 0), ("0--1", 0), ("0-x", 0)],
)
def test_what_a_session_reports(header: str, offset: int) -> None:
    assert reported_offset(header) == offset
