"""Whether somebody who accepts some licences can accept an expression (SPDX 2.3, annex D: WITH binds closest, then AND)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.attest.expressions import licenses_in, permits

NAMES = ("MIT", "Apache-2.0", "GPL-3.0-only", "LicenseRef-x")


@pytest.mark.parametrize(
    ("expression", "accepted", "permitted"),
    [
        ("MIT", "MIT", True),
        ("MIT", "Apache-2.0", False),
        ("MIT OR Apache-2.0", "Apache-2.0", True),
        ("MIT AND Apache-2.0", "MIT", False),
        ("MIT AND Apache-2.0", "MIT Apache-2.0", True),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", "MIT", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", "MIT", False),
        ("GPL-3.0-only WITH Classpath-exception-2.0", "GPL-3.0-only", False),
        ("NOASSERTION", "NOASSERTION", False),
        ("NONE", "NONE", False),
    ],
)
def test_permits(expression: str, accepted: str, permitted: bool) -> None:
    assert permits(expression, accepted.split().__contains__) is permitted


def test_a_licence_with_an_exception_is_asked_for_in_one_piece() -> None:
    asked: list[str] = []

    def refuse(name: str) -> bool:
        asked.append(name)
        return False

    assert not permits("GPL-3.0-only WITH Classpath-exception-2.0 AND MIT", refuse)
    assert asked == ["GPL-3.0-only WITH Classpath-exception-2.0", "MIT"]


@pytest.mark.parametrize("expression", ["", "MIT OR", "OR MIT", "MIT Apache-2.0", "(MIT", "MIT)", "Apache 2"])
def test_what_is_no_expression_is_permitted_to_nobody(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        permits(expression, lambda name: True)


TREES = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.tuples(inner, st.sampled_from(("AND", "OR")), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=8,
)


@given(TREES)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_as_python_understands_it(expression: str) -> None:
    """Python's `and` and `or` bind as SPDX's do."""
    bare = expression.removeprefix("(").removesuffix(")") if expression.count("(") == 1 else expression
    variables = {name: f"v{index}" for index, name in enumerate(NAMES)}
    python = bare.replace("AND", "and").replace("OR", "or")
    for name, variable in variables.items():
        python = python.replace(name, variable)
    for chosen in itertools.product((True, False), repeat=len(NAMES)):
        accepted = dict(zip(NAMES, chosen, strict=True))
        assert permits(bare, accepted.__getitem__) is eval(
            python, {}, {variables[name]: value for name, value in accepted.items()}
        )
    assert licenses_in(bare) <= set(NAMES)
