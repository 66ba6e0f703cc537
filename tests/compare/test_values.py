"""Files, tensors and values compared, without a model."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.compare import FileState, How, TensorShape
from modelpack.compare.files import compare_files, transfer
from modelpack.compare.tensors import compare_tensors
from modelpack.compare.values import changes, counts, leaves
from modelpack.formats import ModelFile, Tensor
from modelpack.oci import JSON, Descriptor, Digest

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def files(**content: str) -> dict[str, FileState]:
    """Files by name, and what is in them."""
    return {
        name: FileState(name, Digest.of(text.encode()), len(text), "weight", Digest.of(text.encode()))
        for name, text in content.items()
    }


def told(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> list[tuple[str, str, str]]:
    """How, where, and where it was."""
    return [
        (str(change.how), change.path, change.before.path if change.before else "")
        for change in compare_files(before, after)
    ]


def head(form: str = "safetensors", /, **tensors: tuple[str, tuple[int, ...]]) -> ModelFile:
    """A header with these tensors."""
    return ModelFile(form, tuple(Tensor(name, dtype, shape, 0, 0) for name, (dtype, shape) in tensors.items()))


def test_files_by_path_and_content() -> None:
    before = files(kept="k", edited="1", gone="g", old_name="same", first="d", second="d")
    after = files(kept="k", edited="2", new="n", new_name="same", third="d")
    assert told(before, after) == [
        ("changed", "edited", "edited"),
        ("removed", "gone", "gone"),
        ("added", "new", ""),
        ("renamed", "new_name", "old_name"),
        ("removed", "second", "second"),
        ("renamed", "third", "first"),
    ]


def test_a_swap_is_two_changes_and_a_copy_is_an_addition() -> None:
    assert told(files(a="1", b="2"), files(a="2", b="1")) == [("changed", "a", "a"), ("changed", "b", "b")]
    assert told(files(a="1"), files(a="1", b="1")) == [("added", "b", "")]


def test_files_whose_content_is_not_known_are_not_renamed() -> None:
    before, after = {"a": FileState("a", None, None)}, {"b": FileState("b", None, None)}
    assert told(before, after) == [("removed", "a", "a"), ("added", "b", "")]
    assert compare_files(before, after)[0].to_json() == {"path": "a", "how": "removed", "before": {"path": "a"}}


def test_the_same_file_in_another_layer() -> None:
    before = files(a="1")
    after = {"a": FileState("a", before["a"].digest, 1, "weight", Digest.of(b"archive"))}
    (change,) = compare_files(before, after)
    assert change.how is How.REPACKED


STATES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), max_size=6)


@given(STATES, STATES)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_what_is_told_of_files_leads_from_one_side_to_the_other(first: dict[str, str], second: dict[str, str]) -> None:
    before, after = files(**first), files(**second)
    now = dict(before)
    found = compare_files(before, after)
    for change in found:
        if change.before:
            now.pop(change.before.path)
    for change in found:
        if change.after:
            now[change.path] = change.after
    assert now == after
    assert bool(found) == (before != after)


def test_layers_count_once() -> None:
    def blob(text: str) -> Descriptor:
        return Descriptor.of("x/y", text.encode())

    moved = transfer([blob("a"), blob("bb")], [blob("bb"), blob("ccc"), blob("ccc")])
    assert (moved.layers, moved.size, moved.shared_layers, moved.shared_size) == (1, 3, 1, 2)
    assert moved.to_json() == {"layers": 1, "bytes": 3, "sharedLayers": 1, "sharedBytes": 2}


def test_tensors() -> None:
    before = {
        "one": head(kept=("F16", (2, 2)), wider=("F16", (2, 2)), moved=("F32", (3,)), gone=("F32", (1,))),
        "two": head(recast=("F16", (2,))),
    }
    after = {
        "one": head(kept=("F16", (2, 2)), wider=("F16", (2, 4))),
        "two": head(recast=("BF16", (2,)), moved=("F32", (3,)), new=("I8", ())),
    }
    states = files(one="1", two="2")
    found = compare_tensors(before, after, (states, states))
    assert [(str(change.how), change.name, str(change.before), str(change.after)) for change in found.changes] == [
        ("removed", "gone", "F32 [1]", "None"),
        ("changed", "wider", "F16 [2, 2]", "F16 [2, 4]"),
        ("added", "new", "None", "I8 []"),
        ("changed", "recast", "F16 [2]", "BF16 [2]"),
    ]
    assert found.parameters == (14, 18)
    assert found.weights == ()
    assert found.changes[0].to_json() == {
        "name": "gone",
        "how": "removed",
        "before": {"path": "one", "dtype": "F32", "shape": [1]},
    }


def test_another_format_is_another_tensor() -> None:
    states = files(m="1")
    found = compare_tensors({"m": head("gguf", w=("F16", (2,)))}, {"m": head(w=("F16", (2,)))}, (states, states))
    assert [str(change.how) for change in found.changes] == ["added", "removed"]


def test_a_tensor_in_another_shard_of_another_shape_has_changed_once() -> None:
    states = files(a="1", b="2")
    found = compare_tensors({"a": head(w=("F16", (2,)))}, {"b": head(w=("F16", (4,)))}, (states, states))
    assert [(change.before, change.after) for change in found.changes] == [
        (TensorShape("a", "F16", (2,)), TensorShape("b", "F16", (4,)))
    ]


def test_other_numbers_in_the_same_tensors() -> None:
    heads = {"m": head(w=("F16", (2,))), "empty": head("pickle")}
    found = compare_tensors(heads, heads, (files(m="1", empty="1"), files(m="2", empty="2")))
    assert (found.weights, found.changes) == (("m",), ())


@given(st.dictionaries(st.text("abc.", max_size=3), JSONS, max_size=4))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_values_are_those_of_json(document: dict[str, JSON]) -> None:
    assert changes(leaves(document), leaves(document)) == ()
    added = changes({}, leaves(document))
    assert all(change.how is How.ADDED and "before" not in change.to_json() for change in added)


def test_values() -> None:
    found = changes(leaves({"a": {"b": 1, "c": {}}, "d": [1]}), leaves({"a": {"b": True}, "d": [1], "e": ""}))
    assert [(change.name, change.before, change.after, str(change.how)) for change in found] == [
        ("a.b", 1, True, "changed"),
        ("a.c", {}, None, "removed"),
        ("e", None, "", "added"),
    ]
    assert [change.to_json() for change in counts("aab", "bc")] == [
        {"name": "a", "how": "removed", "before": 2},
        {"name": "c", "how": "added", "after": 1},
    ]
