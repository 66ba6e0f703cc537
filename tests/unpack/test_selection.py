from __future__ import annotations

import pytest

from modelpack.errors import InputError
from modelpack.oci import Kind
from modelpack.pack.files import IgnoreFile
from modelpack.pack.files import Selection as PackSelection
from modelpack.unpack import Selection
from modelpack.unpack.selection import Sieve


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.json", "config.json", True),
        ("*.json", "a/b/config.json", True),
        ("*.json", "config.jsonl", False),
        ("config.json", "sub/config.json", True),
        ("./config.json", "config.json", True),
        ("./config.json", "sub/config.json", False),
        ("/config.json", "sub/config.json", False),
        ("sub/*.json", "sub/config.json", True),
        ("sub/*.json", "sub/deep/config.json", False),
        ("sub/*.json", "x/sub/config.json", False),
        ("**/*.json", "config.json", True),
        ("sub/**", "sub/a/b", True),
        ("sub/**", "subx/a", False),
        ("sub/**/x", "sub/a/b/x", True),
        ("sub/", "sub/a/b", True),
        ("sub/", "x/sub/a/b", True),
        ("sub/", "sub", False),
        ("sub", "sub/a/b", True),
        ("x/sub", "x/sub/a/b", True),
        ("**", "a/b", True),
        (".cache/x", ".cache/x", True),
    ],
)
def test_patterns_mean_what_they_mean_in_packing(pattern: str, path: str, expected: bool) -> None:
    assert Selection(include=(pattern,)).wants(path) is expected
    assert Selection(exclude=(pattern,)).wants(path) is not expected
    assert (PackSelection.of([pattern], [], IgnoreFile()).objection(path) == "") is expected


@pytest.mark.parametrize("pattern", ["", "/", "//", ".", "x" * 5000, "[ab", "a\\"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InputError, match="pattern"):
        Selection(include=(pattern,))
    with pytest.raises(InputError, match="pattern"):
        Selection(exclude=(pattern,))


def test_exclude_goes_before_include() -> None:
    selection = Selection(include=("*.json", "w/"), exclude=("tokenizer.json",))
    assert selection.wants("config.json")
    assert selection.wants("w/x.bin")
    assert not selection.wants("tokenizer.json")
    assert not selection.wants("x.bin")


def test_kinds() -> None:
    assert Selection().wants_kind(Kind.DOC)
    assert Selection(kinds=frozenset({Kind.DOC})).wants_kind(Kind.DOC)
    assert not Selection(kinds=frozenset({Kind.DOC})).wants_kind(Kind.CODE)


def test_a_pattern_that_found_nothing_is_an_error_that_says_what_there_is() -> None:
    sieve = Sieve(Selection(include=("*.json", "*.gguf")))
    for number in range(20):
        sieve.wants(f"f{number:02}.json")
    with pytest.raises(InputError, match=r"no file matches '\*\.gguf'") as caught:
        sieve.check()
    assert caught.value.hint.startswith("there is: f00.json, f01.json")
    assert caught.value.hint.endswith("f07.json, …")


def test_nothing_left_is_an_error() -> None:
    sieve = Sieve(Selection(exclude=("*",)))
    sieve.wants("a")
    with pytest.raises(InputError, match="leaves no file") as caught:
        sieve.check()
    assert caught.value.hint == "there is: a"
    with pytest.raises(InputError) as caught:
        Sieve(Selection()).check()
    assert "no files of these kinds" in caught.value.hint
