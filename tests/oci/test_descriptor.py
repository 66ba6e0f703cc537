from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.oci import JSON, Descriptor, Digest, JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields

EMPTY = str(Digest.of(b""))


def read(value: JSONObject) -> Descriptor:
    return Descriptor.from_json(Fields(value, "descriptor"))


def test_of() -> None:
    assert Descriptor.of("text/plain", b"abc") == Descriptor("text/plain", Digest.of(b"abc"), 3)


def test_golden_bytes() -> None:
    some = Descriptor("a/b", Digest.of(b""), 0, {"z": "1", "a": "<2>"}, "x/y", {"data": "", "urls": ["u"]})
    assert (
        dumps(some.to_json())
        == (
            f'{{"mediaType":"a/b","digest":"{EMPTY}","size":0,"urls":["u"],'
            '"annotations":{"a":"\\u003c2\\u003e","z":"1"},"data":"","artifactType":"x/y"}'
        ).encode()
    )
    assert dumps(some.plain().to_json()) == f'{{"mediaType":"a/b","digest":"{EMPTY}","size":0}}'.encode()


def test_unknown_members_survive() -> None:
    value: JSONObject = {
        "mediaType": "a/b",
        "digest": EMPTY,
        "size": 1,
        "platform": {"architecture": "arm64", "os": "linux"},
        "x-new": [1, None],
    }
    some = read(value)
    assert some.extra == {"platform": value["platform"], "x-new": [1, None]}
    assert some.to_json() == value


texts = st.text(max_size=10)


@settings(deadline=None)
@given(
    texts, st.binary(max_size=9), st.dictionaries(texts, texts), texts, st.dictionaries(st.just("urls") | texts, texts)
)
def test_writing_and_reading(
    media_type: str, data: bytes, annotations: dict[str, str], artifact_type: str, extra: dict[str, str]
) -> None:
    members: JSONObject = {
        key: value
        for key, value in extra.items()
        if key not in {"mediaType", "digest", "size", "annotations", "artifactType"}
    }
    some = Descriptor(media_type, Digest.of(data), len(data), annotations, artifact_type, members)
    assert read(loads_object(dumps(some.to_json()), "descriptor")) == some


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"mediaType": None}, "mediaType"),
        ({"mediaType": 1}, "mediaType"),
        ({"digest": "sha256:1"}, "digest"),
        ({"size": -1}, "size"),
        ({"size": "1"}, "size"),
        ({"annotations": {"a": 1}}, "annotations.a"),
        ({"annotations": []}, "annotations"),
        ({"artifactType": []}, "artifactType"),
    ],
)
def test_refused(change: dict[str, JSON], path: str) -> None:
    good: JSONObject = {"mediaType": "a/b", "digest": EMPTY, "size": 1}
    read(good)
    with pytest.raises(DocumentError) as caught:
        read({**good, **change})
    assert caught.value.path == path


def test_annotated() -> None:
    some = Descriptor("a/b", Digest.of(b""), 0, {"keep": "1", "drop": "2"})
    changed = some.annotated(drop=None, absent=None, new="3")
    assert changed.annotations == {"keep": "1", "new": "3"}
    assert some.annotations == {"keep": "1", "drop": "2"}


def test_annotations_do_not_count_for_the_hash() -> None:
    one, two = Descriptor("a/b", Digest.of(b""), 0), Descriptor("a/b", Digest.of(b""), 0, {"a": "1"})
    assert hash(one) == hash(two)
    assert one != two
