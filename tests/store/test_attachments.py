"""What is attached: found by both ways, carried along by copies, and rewritten under tags without losing anything."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.errors import DocumentError, NotFound
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.oci.reference import attached_to, is_attachment_name
from modelpack.store import (
    BytesSource,
    LayoutStore,
    MemoryStore,
    Store,
    Stream,
    VerifiedSource,
    attachments,
    copy,
    merged,
    tag_of,
)
from modelpack.store.base import Change, Rewriting
from modelpack.store.sources import HashingSource
from tests.faults import FaultyRegistry
from tests.store.clients import connect
from tests.store.content import push_model

SIGNATURE = "application/vnd.example.signature+json"
IMAGE = "application/vnd.oci.image.config.v1+json"


def signed(store: Store, *notes: str) -> Manifest:
    """A manifest with a layer for each note, as cosign makes them; its content is stored, the manifest is not."""
    config = store.push_bytes(IMAGE, b"{}")
    layers = tuple(replace(store.push_bytes("text/plain", note.encode()), annotations={"note": note}) for note in notes)
    return Manifest.build(artifact_type="", config=config, layers=layers)


def adding(manifest: Manifest) -> Change:
    return lambda known: merged(known, manifest)


def notes(store: Store, tag: str) -> set[str]:
    document = store.document(store.resolve(tag))
    assert isinstance(document, Manifest)
    return {layer.annotations["note"] for layer in document.layers}


class Plain(Store):
    """A store that can do nothing but what every store can."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    def exists(self, descriptor: Descriptor) -> bool:
        return self.inner.exists(descriptor)

    def resolve(self, name: str) -> Descriptor:
        return self.inner.resolve(name)

    def tag(self, descriptor: Descriptor, name: str) -> None:
        self.inner.tag(descriptor, name)

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        return self.inner._open(descriptor, offset)

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        self.inner._push(descriptor, source)

    def _ingest(self, source: HashingSource) -> None:
        self.inner._ingest(source)


def test_names_of_attachments() -> None:
    digest = Digest.of(b"x")
    for name in (tag_of(digest, "sig"), f"host/a/b:sha256-{digest.hex}", tag_of(digest, "sbom")):
        assert is_attachment_name(name)
        assert attached_to(name) == digest
    assert attached_to("v1") is None
    assert attached_to(f"sha512-{'ab' * 32}.sig") is None  # only its beginning
    assert not is_attachment_name(f"{tag_of(digest, 'sig')}x")


def test_layers_of_several_writers_are_put_together() -> None:
    store = MemoryStore()
    ours, theirs = signed(store, "a"), signed(store, "b")
    assert merged(None, ours) is ours
    assert merged(ours, ours) is ours
    both = merged(theirs, ours)
    assert [layer.annotations["note"] for layer in both.layers] == ["b", "a"]
    assert merged(both, ours) is both
    assert merged(ours, signed(store, "a", "b")).layers[1].annotations == {"note": "b"}
    with pytest.raises(DocumentError, match="an index has the tag"):
        merged(Index.build(()), ours)


@pytest.mark.parametrize("kind", ["memory", "layout", "registry"])
def test_writers_under_one_tag_lose_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.registry.referrers._SETTLE", 0.02)
    with FaultyRegistry() as faulty:
        stores: dict[str, list[Store]] = {
            "memory": [MemoryStore()] * 3,
            "layout": [LayoutStore(tmp_path / "layout") for _ in range(3)],
            "registry": [connect(faulty) for _ in range(3)],
        }
        several = stores[kind]

        def write(number: int) -> None:
            store = several[number % 3]
            assert isinstance(store, Rewriting)
            store.rewrite("sha256-tag.sig", adding(signed(store, str(number))))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert notes(several[0], "sha256-tag.sig") == set("012345")
        for store in stores["registry"]:
            store.close()


def test_a_layout_keeps_no_old_version_unless_it_has_another_name(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    store.rewrite("t.sig", adding(signed(store, "a")))
    first = store.resolve("t.sig")
    store.rewrite("t.sig", adding(signed(store, "a")))
    assert store.resolve("t.sig") == first
    store.tag(first, "kept")
    store.rewrite("t.sig", adding(signed(store, "b")))
    assert store.resolve("kept") == first
    second = store.resolve("t.sig")
    store.rewrite("t.sig", adding(signed(store, "c")))
    assert second.digest not in {entry.digest for entry in store._index().entries}
    assert notes(store, "t.sig") == {"a", "b", "c"}


def vouched(store: Store) -> tuple[Descriptor, str]:
    """A model with a referrer, a referrer of that, and a tagged signature."""
    model = push_model(store).descriptor
    signature = push_model(store, b"s", model, SIGNATURE)
    push_model(store, b"countersigned", signature.descriptor, SIGNATURE)
    tag = tag_of(model.digest, "sig")
    assert isinstance(store, Rewriting)
    store.rewrite(tag, adding(signed(store, "ours")))
    return model, tag


def test_found_by_both_ways() -> None:
    store = MemoryStore()
    model, tag = vouched(store)
    assert [attachment.tag for attachment in attachments(store, model)] == ["", tag]
    assert [attachment.tag for attachment in attachments(store, model, tags=False)] == [""]
    assert attachments(Plain(), model) == ()


def test_copies_carry_all_of_it(tmp_path: Path) -> None:
    store = MemoryStore()
    model, tag = vouched(store)
    for target in (MemoryStore(), LayoutStore(tmp_path / "layout")):
        done = copy(store, model, target, attached=True)
        assert done.attachments == 3
        assert len(attachments(target, model)) == 2
        assert notes(target, tag) == {"ours"}
    assert copy(store, model, MemoryStore()).attachments == 0


def test_a_copy_joins_what_is_there_already() -> None:
    store, target = MemoryStore(), MemoryStore()
    model, tag = vouched(store)
    target.rewrite(tag, adding(signed(target, "theirs")))
    copy(store, model, target, attached=True)
    assert notes(target, tag) == {"ours", "theirs"}


def test_a_copy_to_a_store_that_cannot_rewrite() -> None:
    store, target = MemoryStore(), Plain()
    model, tag = vouched(store)
    copy(store, model, target, attached=True)
    assert notes(target, tag) == {"ours"}


def test_what_is_listed_and_gone_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store, target = MemoryStore(), MemoryStore()
    model, _ = vouched(store)
    gone = Descriptor.of("application/vnd.oci.image.manifest.v1+json", b"gone")
    listed = store.referrers
    monkeypatch.setattr(
        store, "referrers", lambda subject, artifact_type="": (gone, model, *listed(subject, artifact_type))
    )
    assert copy(store, model, target, attached=True).attachments == 3
    with pytest.raises(NotFound):
        target.resolve(str(gone.digest))


def test_an_index_under_cosigns_tag_is_copied_as_it_is() -> None:
    store, target = MemoryStore(), MemoryStore()
    model = push_model(store).descriptor
    index = Index.build(())
    store.push(index.descriptor, BytesSource(index.raw))
    store.tag(index.descriptor, tag_of(model.digest, "sig"))
    copy(store, model, target, attached=True)
    assert target.resolve(tag_of(model.digest, "sig")) == index.descriptor


def test_attachments_that_go_round_and_deep() -> None:
    """Attachments of attachments are followed three steps far."""
    store, target = MemoryStore(), MemoryStore()
    model = push_model(store).descriptor
    subject = model
    for number in range(5):
        subject = push_model(store, b"%d" % number, subject, SIGNATURE).descriptor
    assert copy(store, model, target, attached=True).attachments == 3
