"""Which expressions are allowed, and that none of these takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError
from modelpack.trust.keyless.names import check_pattern, matches


@pytest.mark.parametrize(
    "pattern",
    [
        r"https://github\.com/acme/[\w.-]+/\.github/workflows/release\.yml@refs/tags/v[0-9.]+",
        r".*@acme\.example",
        r"(?:alice|bob)@acme\.example",
        r"(alice|bob)@acme\.example",
        r"v[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        r"[()*+?{\]]x",
        r"[^]()]x",
        r"\(\)\*\\",
        r"[]]",
        r"\w?",
    ],
)
def test_allowed(pattern: str) -> None:
    check_pattern(pattern, "the identity")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "not a regular expression"),
        ("[[a]", "not a regular expression"),
        ("[a--b]", "not a regular expression"),
        ("[", "not a regular expression"),
        ("(" * 500, "not a regular expression"),
        ("a{99999999999}", "not a regular expression"),
        ("a" * 513, "longer than 512"),
        ("(a+)+", "more than what is allowed"),
        ("(a|b)*", "more than what is allowed"),
        ("(ab)?", "more than what is allowed"),
        ("(a){3}", "more than what is allowed"),
        (r"(?=a)a", "more than what is allowed"),
        (r"(?i)a", "more than what is allowed"),
        (r"(?P<x>a)(?P=x)", "more than what is allowed"),
        (r"(a)\1", "more than what is allowed"),
        (r"\Aa\Z", "more than what is allowed"),
        (r"\x41", "more than what is allowed"),
        (".*.*.*.*", "repeats more than 3 times"),
        ("a?b?c?d?", "repeats more than 3 times"),
        ("a{2}b{2}c+d*", "repeats more than 3 times"),
    ],
)
def test_not_allowed(pattern: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        check_pattern(pattern, "the identity")


def test_the_whole_text_has_to_fit() -> None:
    assert matches("a|ab", "ab")
    assert not matches("a", "a\n")
    assert not matches(".*", "a\nb")
    assert not matches("a*", "a" * 513)
    assert not matches("b", "ab")


@settings(deadline=5000, max_examples=60, derandomize=True)
@given(st.text("ab.*+?(|)[]{2}\\", max_size=12))
def test_whatever_is_allowed_is_quick(pattern: str) -> None:
    """A deadline on purpose, far above what is needed: without the rules single cases take hours."""
    try:
        check_pattern(pattern, "the identity")
    except InputError:
        return
    assert matches(pattern, "ab" * 100) == (re.fullmatch(pattern, "ab" * 100) is not None)
    matches(pattern, "a" * 511 + "!")
