from __future__ import annotations

import re
import time

import pytest

from modelpack.errors import InputError
from modelpack.paths import Glob, component


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.bin", "a.bin", True),
        ("*.bin", "deep/down/a.bin", True),
        ("*.bin", "a.bin.txt", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "abcb", False),
        ("a*b*c", "abcbc", True),
        ("a**c", "abc", True),
        ("?", "é", True),
        ("?", "ab", False),
        ("*", "x/y", True),
        ("x/*", "x/y", True),
        ("x/*", "x/y/z", False),
        ("x/**", "x/y/z", True),
        ("x/**", "x", False),
        ("**", "x", True),
        ("**/y", "y", True),
        ("**/y", "a/b/y", True),
        ("a/**/y", "a/y", True),
        ("a/**/y", "a/b/c/y", True),
        ("a/**/y", "b/a/y", False),
        ("**/a/**/b/**", "x/a/y/b/z", True),
        ("/a", "a", True),
        ("/a", "b/a", False),
        ("./a", "a", True),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[]x]", "]", True),
        ("[a-]", "-", True),
        (r"[\]]", "]", True),
        ("[z-a]", "b", False),
        ("[!z-a]", "b", True),
        (r"\*", "*", True),
        (r"\*", "x", False),
        ("a.b", "axb", False),
        ("a+(b)", "a+(b)", True),
        ("name/", "name", False),
    ],
)
def test_matches(pattern: str, path: str, expected: bool) -> None:
    assert Glob.parse(pattern).matches(path) is expected


def test_a_final_slash_means_folders() -> None:
    glob = Glob.parse("cache/")
    assert glob.matches("x/cache", folder=True)
    assert glob.matches_within("x/cache/file")
    assert not glob.matches_within("x/cache")


def test_names_what_it_spells_out() -> None:
    glob = Glob.parse(".config/*/x")
    assert glob.names(".config")
    assert not glob.names(".config/a")
    assert not Glob.parse("*.json").names(".config")
    assert Glob.parse("a/.b/c").names("a/.b")


@pytest.mark.parametrize("pattern", ["", "/", "./", "x" * 5000, "a[b", "a\\", "[[:alpha:]]", "[]", "a/" * 129])
def test_refuses(pattern: str) -> None:
    with pytest.raises(InputError):
        Glob.parse(pattern)


def test_case_may_be_ignored() -> None:
    assert component("modelFILE", ignore_case=True).fullmatch("ModelFile")
    assert not component("modelFILE").fullmatch("ModelFile")


def test_hostile_patterns_take_linear_time() -> None:
    start = time.process_time()
    assert not Glob.parse("*a" * 100 + "b").matches("a" * 255)
    assert not Glob.parse("**/" * 120 + "b").matches("/".join("a" * 64))
    assert not Glob.parse("**/a/" * 60 + "b").matches("/".join("a" * 64))
    assert time.process_time() - start < 2


def test_compiles_to_atomic_groups() -> None:
    assert isinstance(component("a*b*c"), re.Pattern)
    assert component("a*b*c").pattern == "a(?>.*?b).*c"
