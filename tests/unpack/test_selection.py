from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError
from modelpack.oci import Kind
from modelpack.unpack import Selection, matches
from modelpack.unpack.selection import Sieve


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("*.json", "config.json", True),
        ("*.json", "a/b/config.json", True),
        ("*.json", "config.jsonl", False),
        ("config.json", "sub/config.json", True),
        ("./config.json", "config.json", True),
        ("./config.json", "sub/config.json", False),
        ("sub/*.json", "sub/config.json", True),
        ("sub/*.json", "sub/deep/config.json", False),
        ("sub/*.json", "x/sub/config.json", False),
        ("**/*.json", "config.json", True),
        ("**/*.json", "a/b/config.json", True),
        ("sub/**", "sub/a/b", True),
        ("sub/**", "subx/a", False),
        ("sub/**/x", "sub/x", True),
        ("sub/**/x", "sub/a/b/x", True),
        ("sub/", "sub/a/b", True),
        ("sub/", "sub", False),
        ("**", "a/b", True),
        ("a?c", "abc", True),
        ("a/?c", "a/", False),
        ("[a-c]x", "bx", True),
        ("[a-c]x", "dx", False),
        ("[!a-c]x", "dx", True),
        ("[!a-c]x", "ax", False),
        ("a/[!x]/b", "a///b", False),
        ("[z-a]x", "zx", False),
        ("[!z-a]x", "qx", True),
        ("[]]x", "]x", True),
        ("[^a]x", "^x", True),
        ("[a\\]x", "\\x", True),
        ("[--]", "-", True),
        ("[&&~~||[]", "&", True),
        ("[ab", "[ab", True),
        ("a.b", "axb", False),
        ("(x|y)+$", "(x|y)+$", True),
        ("model-0000?-of-*.safetensors", "w/model-00001-of-00002.safetensors", True),
        ("Config.json", "config.json", False),
    ],
)
def test_globs(glob: str, path: str, expected: bool) -> None:
    assert matches(glob, path) is expected


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab/*?[]!-^\\.&~|(", min_size=1, max_size=12), st.text(alphabet="ab/-.[", max_size=12))
def test_any_text_is_a_glob(glob: str, path: str) -> None:
    matches(glob, path)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="aé.^$()|\\+{}!-]\n ", min_size=1, max_size=20))
def test_a_plain_name_matches_itself(name: str) -> None:
    assert matches(name, name)
    assert matches(name, f"folder/{name}")


@pytest.mark.parametrize("glob", ["", "/", "//", "x" * 5000])
def test_globs_that_are_none(glob: str) -> None:
    with pytest.raises(InputError, match="not a file pattern"):
        Selection(include=(glob,))
    with pytest.raises(InputError, match="not a file pattern"):
        Selection(exclude=(glob,))


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


def test_a_glob_that_found_nothing_is_an_error_that_says_what_there_is() -> None:
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
