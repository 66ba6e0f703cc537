from __future__ import annotations

import pytest

from modelpack.errors import InputError
from modelpack.pack.files import check_distinct, check_path
from tests.paths.names import COLLISIONS, GOOD, HOSTILE, SURROGATES


@pytest.mark.parametrize("path", GOOD)
def test_accepts(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize("path", [*HOSTILE, *SURROGATES, "./a"])
def test_refuses_what_could_not_be_unpacked(path: str) -> None:
    with pytest.raises(InputError, match=r"^file name ") as caught:
        check_path(path)
    assert "exclude" in caught.value.hint
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("first", "second"), [pair for pair in COLLISIONS if pair != ("a", "./a")])
def test_refuses_names_that_some_file_systems_take_for_one(first: str, second: str) -> None:
    with pytest.raises(InputError) as caught:
        check_distinct([first, second])
    assert "exclude" in caught.value.hint


def test_accepts_distinct_names() -> None:
    check_distinct(["a", "b", "d/a", "d/b", "d/e/a"])
