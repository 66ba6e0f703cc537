from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError
from modelpack.paths import Glob, component, parents

_PIECES = st.sampled_from(["a", "b", ".h", "*", "**", "?", "[ab]", "a*", "*b"])
PATTERNS = st.builds(
    lambda pieces, end: "/".join(pieces) + end, st.lists(_PIECES, min_size=1, max_size=4), st.sampled_from(["", "/"])
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", ".h"]), min_size=1, max_size=5).map("/".join)


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
        ("a**/c", "ab/c", True),
        ("a**/c", "a/b/c", False),
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
        ("(x|y)+$", "(x|y)+$", True),
        ("[--]", "-", True),
        ("[&&~~||[]", "&", True),
        ("[^a]x", "^x", True),
        ("a/[!x]/b", "a///b", False),
        ("a/?c", "a/", False),
        ("Config.json", "config.json", False),
        ("model-0000?-of-*.safetensors", "w/model-00001-of-00002.safetensors", True),
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


@pytest.mark.parametrize(
    ("pattern", "folder", "expected"),
    [
        (".config/*/x", ".config", True),
        (".config/*/x", ".config/a", False),
        (".config/*/x", "a/.config", False),
        ("*.json", ".config", False),
        ("a/.b/c", "a/.b", True),
        ("a/.b/c", "a/.b/c/d", False),
        (".cache/**", ".cache", True),
        ("**/.cache/**", "a/b/.cache", True),
        ("**/.cache/**", ".cache", True),
        ("*/.cache/x", "a/.cache", True),
        ("*/.cache/x", "a/b/.cache", False),
        (".c*/x", ".cache", True),
        ("[.]c/x", ".c", False),
        (r"\.c/x", ".c", True),
        ("**/x.json", ".cache", False),
    ],
)
def test_leads_through_folders_that_it_names(pattern: str, folder: str, expected: bool) -> None:
    assert Glob.parse(pattern).leads_through(folder) is expected


@settings(deadline=None, max_examples=100)
@given(PATTERNS, PATHS, st.booleans())
def test_within_means_the_path_or_a_folder_above_it(pattern: str, path: str, folder: bool) -> None:
    glob = Glob.parse(pattern)
    above = any(glob.matches(parent, folder=True) for parent in parents(path))
    assert glob.matches_within(path, folder=folder) is (above or glob.matches(path, folder=folder))


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab/*?[]!-^\\.&~|(", min_size=1, max_size=12), st.text(alphabet="ab/-.[", max_size=12))
def test_any_text_is_a_pattern_or_is_refused(pattern: str, path: str) -> None:
    with contextlib.suppress(InputError):
        Glob.parse(pattern).matches_within(path)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="aé.^$()|+{}!-]\n ", min_size=1, max_size=20).filter(lambda name: name != "."))
def test_a_plain_name_matches_itself_at_any_depth(name: str) -> None:
    glob = Glob.parse(name)
    assert glob.matches(name)
    assert glob.matches(f"folder/{name}")
    assert glob.matches_within(f"folder/{name}/file")


@pytest.mark.parametrize("pattern", ["", "/", "./", "x" * 5000, "a[b", "a\\", "[[:alpha:]]", "[]", "a/" * 129])
def test_refuses(pattern: str) -> None:
    with pytest.raises(InputError):
        Glob.parse(pattern)


def test_case_may_be_ignored() -> None:
    assert component("modelFILE", ignore_case=True).fullmatch("ModelFile")
    assert not component("modelFILE").fullmatch("ModelFile")


@pytest.mark.parametrize("pattern", ["**/" * 120 + "b", "**/a/" * 60 + "b", "a/**/" * 60 + "b", "**/*a*/" * 60 + "b"])
def test_each_name_is_compared_with_each_component_at_most_once(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: Counter[tuple[int, int]] = Counter()
    step, advance = Glob._step, Glob._advance

    def counted_advance(self: Glob, states: set[int], name: str) -> set[int]:
        compared[-1, -1] += 1  # the number of the name
        return advance(self, states, name)

    def counted_step(self: Glob, state: int, name: str) -> tuple[int, ...]:
        compared[compared[-1, -1], state] += 1
        return step(self, state, name)

    monkeypatch.setattr(Glob, "_advance", counted_advance)
    monkeypatch.setattr(Glob, "_step", counted_step)
    assert not Glob.parse(pattern).matches_within("/".join("a" * 64))
    assert compared.pop((-1, -1)) == 64
    assert set(compared.values()) == {1}


def test_stars_do_not_backtrack_into_each_other() -> None:
    """All but the last star stand in atomic groups; without them this would take longer than anybody waits."""
    assert component("a*b*c").pattern == "a(?>.*?b).*c"
    assert component("*a" * 100 + "b").pattern.count("(?>") == 99
    assert not Glob.parse("*a" * 100 + "b").matches("a" * 255)
