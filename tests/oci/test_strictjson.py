from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.oci import JSON, MAX_DOCUMENT, dumps, loads, loads_object
from modelpack.oci.strictjson import MAX_DEPTH

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20)
values: st.SearchStrategy[JSON] = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(values)
def test_writing_and_reading_give_the_value_back(value: JSON) -> None:
    data = dumps(value)
    assert loads(data, "document") == value == json.loads(data)
    assert not set(data) & set(b"<>&\n")


@settings(deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet='[]{}",:\\u0aDd8e+-.', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = loads(data, "document")
    except DocumentError as error:
        lines = str(error).splitlines()
    else:
        lines = []
        assert value == json.loads(data)
    assert len(lines) <= 1


def test_as_go_writes_it() -> None:
    value: JSON = {"b": "<a & b>\u2028\u2029é\U0001f600", "a": [1, True, None, '\t"\\']}
    golden = '{"b":"\\u003ca \\u0026 b\\u003e\\u2028\\u2029é😀","a":[1,true,null,"\\t\\"\\\\"]}'
    assert dumps(value) == golden.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON: Expecting value at character 0"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON: Extra data"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'{"a":1,"a":2}', "the key 'a' stands twice in one object"),
        (b'[{"\\u0061":1,"a":2}]', "the key 'a' stands twice"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"1e999", "the number 1e999 is out of range"),
        (b"-1e999", "out of range"),
        (b"9" * 41, "an integer of 41 digits"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'{"\\uDFFF":1}', "half a surrogate pair"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason) as caught:
        loads(data, "thing")
    assert str(caught.value).startswith("thing: ")


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert loads(b'"\\ud83d\\ude00"', "document") == "😀"


def test_depth() -> None:
    assert loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "document")
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        with pytest.raises(DocumentError, match="nested deeper than 32"):
            loads(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1), "document")
    with pytest.raises(DocumentError, match="nested deeper"):
        loads(b"[" * 1_000_000, "document")


def test_brackets_in_strings_are_not_depth() -> None:
    text = "[{" * 100 + '"\\' * 3
    assert loads(dumps([text]), "document") == [text]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet='[]{}"\\\\ \n,:a', max_size=8), max_size=6), st.integers(MAX_DEPTH - 2, MAX_DEPTH + 1))
def test_depth_is_counted_right_whatever_stands_in_strings(strings: list[str], depth: int) -> None:
    value: JSON = [dict.fromkeys(strings, strings[-1])] if strings else [{}]
    for _ in range(depth - 2):
        value = [strings[0] if strings else 1, value]
    data = dumps(value)
    if depth <= MAX_DEPTH:
        assert loads(data, "document") == value
    else:
        with pytest.raises(DocumentError, match="nested deeper than 32"):
            loads(data, "document")


@pytest.mark.parametrize("piece", [b"[]", b"{}", b'""', b'"\\\\', b"\\", b'\\"', b"]", b'"[', b"[[]", b'{"a":'])
def test_a_long_document_of_one_thing_takes_no_time(piece: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(DocumentError):
        loads(piece * ((4 << 20) // len(piece)), "document")
    assert time.process_time() - begun < 5.0  # a fraction of a second; quadratic would be hours


def test_of_many_keys_the_one_that_stands_twice_is_found_in_no_time() -> None:
    pairs = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(DocumentError, match="the key '199999' stands twice"):
        loads(f'{{{pairs},"199999":1}}'.encode(), "document")


def test_size() -> None:
    assert loads(b" " * (MAX_DOCUMENT - 1) + b"1", "document") == 1
    with pytest.raises(DocumentError, match="more than the 4194304 allowed"):
        loads(b" " * MAX_DOCUMENT + b"1", "document")
    with pytest.raises(DocumentError, match="3 bytes are more than the 2 allowed"):
        loads_object(b"{ }", "document", limit=2)


def test_object_only() -> None:
    assert loads_object(b'{"a":1}', "document") == {"a": 1}
    with pytest.raises(DocumentError, match="not a JSON object"):
        loads_object(b"[]", "document")


def test_nan_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(float("nan"))
