from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.oci import JSON, Digest, JSONObject
from modelpack.oci.fields import Fields, member


def fields(**value: JSON) -> Fields:
    return Fields(value, "thing", "top")


def test_present() -> None:
    some = fields(
        text="t", number=7, yes=True, digest=str(Digest.of(b"")), texts=["a", "b"], map={"k": "v"}, objects=[{"x": 1}]
    )
    assert some.text("text") == "t"
    assert some.integer("number") == 7
    assert some.flag("yes") is True
    assert some.digest("digest") == Digest.of(b"")
    assert some.texts("texts") == ("a", "b")
    assert some.mapping("map") == {"k": "v"}
    assert some.object("map").path == "top.map"
    (inner,) = some.objects("objects", limit=1)
    assert (inner.path, inner.integer("x")) == ("top.objects[0]", 1)


@pytest.mark.parametrize("some", [fields(), fields(x=None)])
def test_absent_and_null_are_the_same(some: Fields) -> None:
    assert some.text("x", "default") == "default"
    assert some.flag("x") is None
    assert some.texts("x") == ()
    assert some.mapping("x") == {}
    assert some.object("x").value == {}
    assert some.objects("x", limit=0) == ()


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda f: f.text("x"), {}, "thing: top.x: a string is required"),
        (lambda f: f.text("x"), {"x": 1}, "thing: top.x: a string is required"),
        (lambda f: f.text("x", "d"), {"x": []}, "a string is required"),
        (lambda f: f.integer("x"), {}, "top.x: a non-negative integer is required"),
        (lambda f: f.integer("x"), {"x": -1}, "a non-negative integer"),
        (lambda f: f.integer("x"), {"x": 1 << 63}, "a non-negative integer"),
        (lambda f: f.integer("x"), {"x": 1.0}, "a non-negative integer"),
        (lambda f: f.integer("x"), {"x": True}, "a non-negative integer"),
        (lambda f: f.flag("x"), {"x": 0}, "top.x: true or false is required"),
        (lambda f: f.digest("x"), {"x": "sha256:0"}, "top.x: sha256 digest must be 64"),
        (lambda f: f.digest("x"), {}, "top.x: a string is required"),
        (lambda f: f.texts("x"), {"x": "a"}, "top.x: an array is required"),
        (lambda f: f.texts("x"), {"x": ["a", 1]}, r"top.x\[1\]: a string is required"),
        (lambda f: f.mapping("x"), {"x": {"k": 1}}, "top.x.k: a string is required"),
        (lambda f: f.mapping("x"), {"x": {"k": None}}, "top.x.k: a string is required"),
        (lambda f: f.object("x"), {"x": []}, "top.x: an object is required"),
        (lambda f: f.objects("x", limit=5), {"x": {}}, "top.x: an array is required"),
        (lambda f: f.objects("x", limit=5), {"x": [{}, 1]}, r"top.x\[1\]: an object is required"),
        (lambda f: f.objects("x", limit=1), {"x": [{}, {}]}, "top.x: 2 entries are more than the 1 allowed"),
        (lambda f: f.fail("", "why"), {}, "thing: top: why"),
    ],
)
def test_refused(read: Callable[[Fields], object], value: JSONObject, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read(Fields(value, "thing", "top"))


def test_integers_up_to_the_limit() -> None:
    assert fields(x=(1 << 63) - 1).integer("x") == (1 << 63) - 1
    assert fields(x=0).integer("x") == 0


def test_paths() -> None:
    assert member("", "a") == "a"
    assert member("a", "org.cncf.model.filepath") == "a.org.cncf.model.filepath"
    assert member("a", 3) == "a[3]"
    assert member("a", "b c") == "a['b c']"
    assert member("a", "") == "a['']"
    assert member("a", "x" * 500) == f"a['{'x' * 80}']"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_hostile_keys_stay_on_one_line(key: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Fields({"map": {key: 1}}, "thing").mapping("map")
    message = str(caught.value)
    assert message.isascii()
    assert message.isprintable()
