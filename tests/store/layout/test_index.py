from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InvalidReference, NotFound
from modelpack.oci import Descriptor
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.store.layout.index import EMPTY, LayoutIndex, check_name

MANIFESTS = [Descriptor.of(OCI_MANIFEST, b"%d" % number) for number in range(4)]
names = st.sampled_from(["v1", "v2", "latest", "registry.example/ml/minilm:v1"])
manifests = st.sampled_from(MANIFESTS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tag"), manifests, names),
        st.tuples(st.just("add"), manifests, names),
        st.tuples(st.just("untag"), manifests, names),
        st.tuples(st.just("delete"), manifests, names),
    ),
    max_size=25,
)


@given(steps)
@settings(max_examples=100, deadline=None)
def test_names_and_entries_behave_like_a_dictionary(steps: list[tuple[str, Descriptor, str]]) -> None:
    index, expected, held = EMPTY, dict[str, Descriptor](), set[Descriptor]()
    for step, manifest, name in steps:
        if step == "tag":
            index = index.tagged(manifest, name)
            expected[name] = manifest
            held.add(manifest)
        elif step == "add":
            index = index.added(manifest)
            held.add(manifest)
        elif step == "delete":
            index = index.without(frozenset({manifest.digest}))
            held.discard(manifest)
            expected = {key: value for key, value in expected.items() if value != manifest}
        elif name in expected:
            index = index.untagged(name)
            del expected[name]
        else:
            with pytest.raises(NotFound):
                index.untagged(name)
        assert index.names == {key: value.digest for key, value in expected.items()}
        assert {manifest for manifest in MANIFESTS if index.holds(manifest.digest)} == held
        assert all(index.find(key) == value for key, value in expected.items())
        nameless = [entry.digest for entry in index.entries if not entry.annotations]
        assert sorted(nameless) == sorted({m.digest for m in held} - {m.digest for m in expected.values()})
    assert LayoutIndex.parse(index.dump()) == LayoutIndex(index.entries, LayoutIndex.parse(index.dump()).members)


def test_a_name_that_is_given_again_changes_nothing() -> None:
    index = EMPTY.tagged(MANIFESTS[0], "v1").tagged(MANIFESTS[1], "v2")
    assert index.tagged(MANIFESTS[0], "v1") is index
    assert index.added(MANIFESTS[0]) is index


def test_hints_name_some_names() -> None:
    index = EMPTY
    for number in range(8):
        index = index.tagged(MANIFESTS[0], f"v{number}")
    with pytest.raises(NotFound) as caught:
        index.find("absent")
    assert caught.value.hint == "it has v0, v1, v2, v3, v4 and 3 more"
    assert index.find("") == MANIFESTS[0]


@given(st.text(string.printable + "äß\0\u2028", max_size=8))
@settings(max_examples=100, deadline=None)
def test_names_have_no_surprises(name: str) -> None:
    try:
        assert check_name(name) == name
    except InvalidReference:
        return
    assert name.isascii()
    assert not set(name) & set(string.whitespace + "\0%?#\\\"'<>|*")
