"""Trees of ancestors over several repositories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack import Access
from modelpack.attest import Lineage, ancestry, lineage
from modelpack.errors import AccessDenied, DigestMismatch, NotFound
from modelpack.oci import Descriptor, Digest, Reference
from modelpack.serve import Server
from modelpack.store import LayoutStore, MemoryStore, Store
from tests.cli.models import model as make_model

CARD = "---\nlicense: {license}\nbase_model: [{bases}]\nbase_model_relation: {relation}\n---\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with LayoutStore(tmp_path / "registry") as layout, Server(layout) as server:
        yield server.host


def publish(host: str, tmp_path: Path, name: str, *bases: str, relation: str = "finetune") -> str:
    """A model in a repository of its own; its reference, pinned."""
    folder = make_model(tmp_path / name)
    bases_listed = ", ".join(f'"{base}"' for base in bases)
    (folder / "README.md").write_text(CARD.format(license="mit", bases=bases_listed, relation=relation))
    packed = modelpack.pack(folder)
    modelpack.push(packed, f"{host}/ml/{name}:v1")
    return f"{host}/ml/{name}@{packed.digest}"


def names(tree: Lineage) -> list[tuple[str, bool, str]]:
    return [(item.name, item.resolved, item.note) for item in tree.all()]


def test_three_generations_and_a_hub_name(host: str, tmp_path: Path) -> None:
    base = publish(host, tmp_path, "base", "acme/pretrained")
    chat = publish(host, tmp_path, "chat", base)
    merged = publish(host, tmp_path, "merged", chat, base, relation="merge")
    tree = lineage(Access().open, merged)
    assert names(tree) == [
        ("merged", True, ""),
        ("chat", True, ""),
        ("base", True, ""),
        ("acme/pretrained", False, "by name only"),
        ("base", True, ""),
        ("acme/pretrained", False, "by name only"),
    ]
    assert [item.relation for item in tree.all()] == ["", "merge", "finetune", "finetune", "merge", "finetune"]
    digest = Digest.parse(base.partition("@")[2])
    assert tree.descends_from(digest)
    assert not tree.descends_from(Digest.of(b"other"))
    assert tree.licenses == ("MIT",)
    assert json.loads(json.dumps(tree.to_json()))["ancestors"][0]["digest"] == chat.partition("@")[2]


def test_bounds(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = publish(host, tmp_path, "a0")
    for number in range(1, 4):
        reference = publish(host, tmp_path, f"a{number}", reference)
    shallow = lineage(Access().open, reference, depth=1)
    assert [note for _, _, note in names(shallow)] == ["", "", "deeper than was asked for"]
    assert len(names(lineage(Access().open, reference, depth=99))) == 4
    monkeypatch.setattr(ancestry, "MAX_MODELS", 2)
    few = lineage(Access().open, Reference.parse(reference))
    assert [note for _, _, note in names(few)] == ["", "", "too many models in one tree"]


def test_ancestors_that_cannot_be_asked(host: str, tmp_path: Path) -> None:
    nowhere = f"{host}/ml/gone@{Digest.of(b'gone')}"
    forbidden = f"secret.example/ml/base@{Digest.of(b'secret')}"
    model = publish(host, tmp_path, "m", nowhere, forbidden, "hf://acme/base@" + "a" * 40)

    def opener(where: Reference) -> Store:
        if where.registry != host:
            raise AccessDenied("only one registry is asked")
        return Access().open(where)

    tree = lineage(opener, model)
    notes = [note for _, _, note in names(tree)]
    assert notes[0] == ""
    assert "ml/gone" in notes[1]
    assert notes[2:] == ["only one registry is asked", "not in a registry"]
    with pytest.raises(NotFound):
        lineage(opener, nowhere)


def test_a_model_that_is_its_own_ancestor(tmp_path: Path) -> None:
    """No digest can be in what it names; a lying store can still say so."""
    packed = modelpack.pack(make_model(tmp_path / "m"))
    (tmp_path / "m" / "README.md").write_text(
        CARD.format(license="mit", bases=f'"r.example/m@{packed.digest}"', relation="x")
    )
    looping = modelpack.pack(tmp_path / "m")

    class Looping(MemoryStore):
        def resolve(self, name: str) -> Descriptor:
            return looping.descriptor

    def opener(_: Reference) -> Store:
        store = Looping()
        store._content, store._documents = looping.store._content, looping.store._documents  # type: ignore[attr-defined]
        return store

    tree = lineage(opener, "r.example/m:v1")
    assert names(tree) == [
        ("m", True, ""),
        ("m", True, ""),
        ("r.example/m", False, "seen before: it is its own ancestor"),
    ]


def test_wrong_content_is_an_error(host: str, tmp_path: Path) -> None:
    base = publish(host, tmp_path, "base")
    model = publish(host, tmp_path, "m", base)

    class Liar(MemoryStore):
        def resolve(self, name: str) -> Descriptor:
            raise DigestMismatch("other bytes came")

    def opener(where: Reference) -> Store:
        return Access().open(where) if where.repository == "ml/m" else Liar()

    with pytest.raises(DigestMismatch):
        lineage(opener, model)
