"""YAML is read strictly: what other readers guess, drop or choke on is an error with a place."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.yamlfile import Tree, load_yaml, load_yaml_stream, reading
from modelpack.yamlfile.reading import MAX_NESTING, MAX_STREAM_NESTING


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", None),
        ("# nothing\n", None),
        ("a", "a"),
        ("- 1\n- -20\n- 0\n", [1, -20, 0]),
        # YAML 1.1 would make booleans, octal numbers, times in base 60 and floats of these.
        (
            "[no, on, 010, 12:30, 1.0, 1e3, 0x10, +1, 1_000]",
            ["no", "on", "010", "12:30", "1.0", "1e3", "0x10", "+1", "1_000"],
        ),
        ("[true, false, null, ~, True, NULL]", [True, False, None, None, "True", "NULL"]),
        ('["true", \'1\', "null", ""]', ["true", "1", "null", ""]),
        ("a: |\n  1\nb: >\n  x\n  y\nc:", {"a": "1\n", "b": "x y\n", "c": None}),
        ("on: 1\n1: 2\nnull: 3\n", {"on": 1, "1": 2, "null": 3}),
        ("? a\n", {"a": None}),
        ("a: {b: [{c: d}]}", {"a": {"b": [{"c": "d"}]}}),
        ("--- {a: 1}\n...\n", {"a": 1}),
        ("a: &anchor 1", {"a": 1}),
        ('{"json": [1, true, "x\\u00e9"]}', {"json": [1, True, "xé"]}),
        ("9" * 18, int("9" * 18)),
        ("9" * 19, "9" * 19),
    ],
)
def test_what_it_means(text: str, tree: Tree) -> None:
    found = load_yaml(text, "policy")
    assert found == tree
    assert repr(found) == repr(tree)  # for 1 == True


def test_everything_is_text_unless_asked() -> None:
    assert load_yaml("{a: 1, b: [true, null, ~, '']}", "Kitfile", typed=False) == {
        "a": "1",
        "b": ["true", "null", "~", ""],
    }


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("a: 1\na: 2", "line 2", "stands twice"),
        ("a: {b: 1, b: 2}", "line 1", "stands twice"),
        ('a: 1\n"a": 2', "line 2", "stands twice"),
        ("? [a]\n: b", "line 1", "not text"),
        ("? {a: b}\n: c", "line 1", "not text"),
        ("a: &x 1\nb: *x", "line 2", "aliases"),
        ("a: &x [*x]", "line 1", "aliases"),
        ("a: !!int 5", "line 1", "tags"),
        ("a: !mine [5]", "line 1", "tags"),
        ("!!python/object/apply:os.system [true]", "line 1", "tags"),
        ("a: 1\n---\na: 1", "", "more than one document"),
        ("[" * (MAX_NESTING + 2), "", "nested too deeply"),
        ("- " * (MAX_NESTING + 1), "", "nested too deeply"),
        ("a:\n\t- b", "line 2", "not YAML"),
        ("a: [", "line 1", "not YAML"),
        ("a: b: c", "line 1", "not YAML"),
        ("a\x00", "", "not YAML"),
        ("a\x1b[31m", "", "not YAML"),
        ('"\\UFFFFFFFF"', "", "out of range"),
        ('"\\U00110000"', "", "out of range"),
        (f"%YAML 1.{'9' * 5000}\n--- a", "", "out of range"),
        ('a: "\\ud800"', "line 1", "half a surrogate pair"),
        ('a: 1\n"\\udfff": b', "line 2", "half a surrogate pair"),
    ],
)
def test_what_is_refused(text: str, path: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason) as caught:
        load_yaml(text, "policy")
    assert caught.value.document == "policy"
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_too_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_EVENTS", 100)
    assert load_yaml(f"[{'a,' * 90}]", "policy") == ["a"] * 90
    with pytest.raises(DocumentError, match="too long"):
        load_yaml(f"[{'a,' * 100}]", "policy")


def test_a_nesting_that_is_just_allowed() -> None:
    tree = load_yaml("[" * MAX_NESTING + "]" * MAX_NESTING, "policy")
    assert str(tree).count("[") == MAX_NESTING


SIGNS = [*"-?:,[]{}#&*!|>'\"%@`a1~\t\n \ufeff\x85é", "b: ", "- ", "&x ", "*x", "!!int ", "\\u", "---\n", "...", "<<: "]
PIECES = st.sampled_from([*SIGNS, "%YAML 1.1\n", "%TAG ! x:\n", "true", '"\\xff"', '"\\UFFFFFFFF"'])


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40))
@settings(deadline=None, max_examples=600, derandomize=True)
def test_nothing_else_comes_out(text: str) -> None:
    with contextlib.suppress(DocumentError):
        load_yaml(text, "policy")


def test_streams() -> None:
    text = "a: &x [1, true]\nb: *x\n---\n# nothing\n---\nb\n"
    first, second, third = load_yaml_stream(text, "manifest")
    assert (first, second, third) == ({"a": ["1", "true"], "b": ["1", "true"]}, "", "b")
    assert isinstance(first, dict)
    assert first["a"] is first["b"]
    assert list(load_yaml_stream("", "manifest")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x 1\n---\nb: *x", "alias of nothing"),
        ("a: *x", "not YAML|alias of nothing"),
        ("a: &x {b: *x}", "what it stands in"),
        ("a: 1\n---\na: 1\na: 2", "stands twice"),
        ("a: &x b\n*x : c", "stands twice or is not text"),
        ("---\na: !!int 5", "tags"),
        ("[" * (MAX_STREAM_NESTING + 2), "nested too deeply"),
        ("a: [", "not YAML"),
        ('a: "\\ud800"', "half a surrogate pair|not YAML"),
    ],
)
def test_streams_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        list(load_yaml_stream(text, "manifest"))


def test_streams_that_are_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_STREAM", 8)
    found = load_yaml_stream("a\n---\nb\n---\nc\n", "manifest")
    assert [next(found), next(found)] == ["a", "b"]
    with pytest.raises(DocumentError, match="too long"):
        list(found)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_nothing_else_comes_out_of_streams(text: str) -> None:
    with contextlib.suppress(DocumentError):
        list(load_yaml_stream(text, "manifest"))
