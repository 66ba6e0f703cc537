from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelpack_cli import output

from modelpack import StoreError


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (999_940_000, "999.9 MB"),
        (16_060_522_240, "16.1 GB"),
        (2_500_000_000_000, "2.50 TB"),
        (9_000_000_000_000_000, "9000.00 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert output.size(count) == text


def test_counts() -> None:
    assert [output.counted(number, "file") for number in (0, 1, 2, 12345)] == [
        "0 files",
        "1 file",
        "2 files",
        "12,345 files",
    ]


@given(st.text())
def test_nothing_invisible_is_printed(text: str) -> None:
    assert output.printable(text).isprintable()


def test_visible_text_stays_as_it_is() -> None:
    assert output.printable("naïve 模型 — “ok” \\x1b") == "naïve 模型 — “ok” \\x1b"
    assert output.printable("\x1b\x9b\u202e\U000e0041\ud800\n") == "\\x1b\\x9b\\u202e\\U000e0041\\ud800\\n"


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("NAME", "SIZE"), [("模型", "1 B"), ("a\x1b", "10 B"), ("", "")], right=frozenset({"SIZE"}))
    assert capsys.readouterr().out == "NAME   SIZE\n模型    1 B\na\\x1b  10 B\n\n"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_what_it_was_and_visible(value: object) -> None:
    written = redirected(lambda: output.as_json({"value": value}))
    assert json.loads(written) == {"value": value}
    assert all(line.isprintable() for line in written.decode("utf-8").split("\n"))


def test_json_in_another_encoding() -> None:
    written = redirected(lambda: output.as_json({"name": "naïve 模型"}), encoding="latin-1")
    assert written.isascii()
    assert json.loads(written) == {"name": "naïve 模型"}


def test_paths_and_documents_are_written_byte_for_byte() -> None:
    def write() -> None:
        output.result("first")
        output.path(Path("a\udcff\x1b"))
        output.document(b"\x00\xff")

    assert redirected(write) == b"first\na\xff\x1b\n\x00\xff"


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        output.result("text")
        with pytest.raises(StoreError, match="the result cannot be written: No space left on device"):
            output.flush()
        monkeypatch.undo()


def test_a_reader_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        output.result("text")
        with pytest.raises(BrokenPipeError):
            output.flush()
        monkeypatch.undo()


def redirected(write: Callable[[], None], encoding: str = "utf-8") -> bytes:
    """What a function writes to stdout."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    before, sys.stdout = sys.stdout, stream
    try:
        write()
        stream.flush()
        return raw.getvalue()
    finally:
        sys.stdout = before
