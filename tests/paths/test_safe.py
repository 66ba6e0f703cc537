from __future__ import annotations

import contextlib
import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import UnsafePath
from modelpack.paths import Claims, safe_path
from tests.paths.names import COLLISIONS, GOOD, HOSTILE, SURROGATES


@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay_as_they_are(name: str) -> None:
    assert str(safe_path(name)) == name


def test_a_leading_dot_is_dropped() -> None:
    assert safe_path("./a/b") == PurePosixPath("a/b")
    assert safe_path("././a") == PurePosixPath("a")


def test_there_are_enough_hostile_names() -> None:
    assert len(set(HOSTILE + SURROGATES)) >= 60


@pytest.mark.parametrize("name", HOSTILE + SURROGATES)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        safe_path(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(("first", "second"), COLLISIONS)
def test_names_cannot_be_claimed_twice(first: str, second: str) -> None:
    claims = Claims()
    claims.file(safe_path(first))
    with pytest.raises(UnsafePath, match=r"the same on some file systems|stands twice|is a folder"):
        claims.file(safe_path(second))


def test_other_names_stay_free() -> None:
    claims = Claims()
    for name in ("a", "b", "d/a", "d/b", "d/e/a"):
        claims.file(PurePosixPath(name))


def test_all_names_of_another_can_be_claimed() -> None:
    claims, other, third = Claims(), Claims(), Claims()
    other.file(PurePosixPath("a/b"))
    other.folder(PurePosixPath("c"))
    third.file(PurePosixPath("C"))
    claims.include(other)
    with pytest.raises(UnsafePath):
        claims.file(PurePosixPath("A/B"))
    with pytest.raises(UnsafePath):
        claims.include(third)


def test_the_same_folder_may_be_named_again() -> None:
    claims = Claims()
    claims.folder(PurePosixPath("a/b"))
    claims.folder(PurePosixPath("a/b"))
    claims.file(PurePosixPath("a/b/c"))
    with pytest.raises(UnsafePath, match="is a folder"):
        claims.file(PurePosixPath("a/b"))
    with pytest.raises(UnsafePath, match="for a file and a folder"):
        claims.folder(PurePosixPath("a/b/c"))


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.sampled_from("./\\a:é\u0301 \0\n\u202e") | st.characters(), max_size=20))
def test_what_is_accepted_stays_inside(name: str) -> None:
    with contextlib.suppress(UnsafePath):
        path = safe_path(name)
        assert path.parts
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert safe_path(str(path)) == path
        assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in str(path))
        Claims().file(path)
