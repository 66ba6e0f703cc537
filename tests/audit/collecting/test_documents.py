"""What is attached to a model, plain or signed: what it is, whether it is right, whether somebody vouches for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelpack import LayoutStore, PolicyFile, SignedBy
from modelpack.attest import CYCLONEDX, PROVENANCE, SPDX, attach_document, cyclonedx, inventory, spdx
from modelpack.audit.collecting import Collecting, Watched, collect, documents, judge_again
from modelpack.audit.facts import Ancestor, Artifact, Cause
from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.trust import KeyIdentity, SignatureFormat, Target, attest, sign
from tests.audit.running.making import DAY, NOW, key, push, put

PLACE = "registry.example/ml/tiny"
TRUST = SignedBy(KeyIdentity(key().public_key, "owner", until=NOW + DAY))


class Model:
    """A model in a layout, and what is said of it."""

    def __init__(self, folder: Path) -> None:
        self.store = LayoutStore(folder / "layout")
        self.manifest = put(self.store, files={"README.md": b"---\nbase_model: org/base\n---\n"})
        self.descriptor = self.manifest.descriptor
        self.inventory = inventory(self.store, self.descriptor, reference=f"{PLACE}:v1")
        self.bom: dict[str, Any] = json.loads(cyclonedx(self.inventory, tool_version="1"))

    def attach(self, media_type: str, document: object) -> None:
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        attach_document(self.store, self.descriptor, media_type, raw)

    def attest(self, kind: str, predicate: dict[str, Any], subject: Descriptor | None = None) -> None:
        carrier = attest(self.store, subject or self.descriptor, key(), kind, predicate, now=NOW)
        if subject is not None:  # as if it had been made for this model
            document = self.store.document(carrier)
            assert isinstance(document, Manifest)
            moved = json.loads(document.raw) | {"subject": self.descriptor.to_json()}
            push(self.store, Manifest.parse(json.dumps(moved).encode()))

    def facts(self, trust: object = TRUST, **changes: Any) -> Artifact:
        how = Collecting(trust, NOW, **changes)  # type: ignore[arg-type]  # a policy of some kind
        return collect(Watched(self.store), self.descriptor, PLACE, how)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(tmp_path)


def test_a_plain_document_is_signed_if_an_attestation_says_the_same(model: Model) -> None:
    model.attach(CYCLONEDX, model.bom)
    (found,) = model.facts().documents
    assert (found.role, found.type, found.signed, found.subject_matches, found.problems) == (
        "sbom",
        CYCLONEDX,
        False,
        True,
        (),
    )
    assert found.licenses == ("MIT",)
    model.attest("https://cyclonedx.org/bom", model.bom)
    facts = model.facts()
    assert [(one.signed, one.contradictions) for one in facts.documents] == [(True, ()), (True, ())]
    assert len({one.content for one in facts.documents}) == 1
    other = model.bom | {"version": 2}
    model.attach(CYCLONEDX, other)
    assert sorted(one.signed for one in model.facts().documents) == [False, True, True]
    stranger = SignedBy(KeyIdentity(key("stranger").public_key, "s"))
    assert not any(one.signed for one in model.facts(stranger).documents)


def test_documents_that_are_wrong(model: Model) -> None:
    model.attach(CYCLONEDX, model.bom | {"version": 0})
    model.attach(SPDX, b"not json")
    model.attach("application/sarif+json", {"runs": []})
    elsewhere = inventory(model.store, put(model.store, fill=b"\x05").descriptor)
    model.attach(SPDX, spdx(elsewhere, tool_version="1"))
    found = {one.manifest: one for one in model.facts().documents}
    told = {(one.role, bool(one.problems), one.subject_matches) for one in found.values()}
    assert told == {("sbom", False, False), ("sbom", True, None), ("sbom", True, True), ("scan", False, None)}
    assert {"XC40"} == {one.code for document in found.values() for one in document.contradictions}


def provenance(*dependencies: dict[str, Any], builder: str = "https://ci.example/b") -> dict[str, Any]:
    """A predicate of SLSA 1."""
    return {
        "buildDefinition": {
            "buildType": "https://x/y",
            "externalParameters": {},
            "resolvedDependencies": [*dependencies],
        },
        "runDetails": {"builder": {"id": builder}},
    }


def test_provenance(model: Model) -> None:
    base = {"name": "base-model", "uri": "https://huggingface.co/org/base", "digest": {"gitCommit": "c" * 40}}
    stored = {"name": "base-model", "uri": f"oci://r.example/b@sha256:{'1' * 64}", "digest": {"sha256": "1" * 64},
              "annotations": {"relation": "finetune"}}  # fmt: skip
    odd = {"name": "base-model", "uri": "org/odd", "digest": {"sha256": "zz"}, "annotations": {"relation": 7}}
    data = {"name": "dataset", "uri": "https://huggingface.co/datasets/org/data"}
    model.attest(PROVENANCE, provenance(base, stored, odd, data, {"name": "source"}, {"name": "dataset", "uri": 7}))
    facts = model.facts()
    (found,) = facts.documents
    assert (found.role, found.builder, found.subject_matches, found.signed) == (
        "provenance",
        "https://ci.example/b",
        True,
        True,
    )
    made = {
        (one.source, one.role, one.name, one.commit, str(one.digest or "")[:12], one.relation)
        for one in facts.ancestors
    }
    assert ("README.md", "base-model", "org/base", "", "", "") in made
    assert ("provenance", "base-model", "org/base", "c" * 40, "", "") in made
    assert ("provenance", "dataset", "org/data", "", "", "") in made
    assert ("provenance", "base-model", "org/odd", "", "", "") in made
    assert [one[4:] for one in made if one[4]] == [("sha256:11111", "finetune")]


def test_provenance_of_something_else_and_of_an_older_kind(model: Model) -> None:
    model.attest(PROVENANCE, provenance(), subject=put(model.store, fill=b"\x06").descriptor)
    model.attest("https://slsa.dev/provenance/v0.2", {"builder": {"id": "https://old.example"}})
    found = sorted(model.facts().documents, key=lambda one: one.type)
    assert [(one.role, one.subject_matches, one.builder) for one in found] == [
        ("provenance", True, "https://old.example"),
        ("provenance", False, "https://ci.example/b"),
    ]
    causes = {one.cause for one in model.facts().signatures}
    assert causes == {Cause.NONE, Cause.OTHER_SUBJECT}


def test_ancestors_that_a_bill_of_materials_names(model: Model) -> None:
    ancestors = [
        {"type": "machine-learning-model", "name": "org/one", "purl": f"pkg:huggingface/org/one@{'a' * 40}"},
        {"type": "machine-learning-model", "name": "two", "version": f"sha256:{'2' * 64}",
         "purl": f"pkg:oci/two@sha256%3A{'2' * 64}?repository_url=r.example/two"},
        {"type": "machine-learning-model", "name": "three", "version": "b" * 40},
        {"type": "machine-learning-model", "purl": "pkg:generic/x"},
        {"type": "machine-learning-model"},
    ]  # fmt: skip
    bom = json.loads(json.dumps(model.bom))
    bom["metadata"]["component"]["pedigree"] = {"ancestors": ancestors}
    model.attach(CYCLONEDX, bom)
    model.attach(SPDX, b"{")
    found = {one.name: one for one in model.facts().ancestors if one.source == "bill of materials"}
    assert (found["org/one"].commit, found["org/one"].uri) == ("a" * 40, "https://huggingface.co/org/one")
    assert (found["two"].digest, found["two"].uri.partition("@")[0]) == (
        Digest("sha256", "2" * 64),
        "oci://r.example/two",
    )
    assert found["three"].commit == "b" * 40


def test_the_same_said_twice_counts_once() -> None:
    one = Ancestor("base-model", "org/base", source="README.md")
    from modelpack.audit.collecting.collect import _is_known

    assert _is_known(replace(one, name="ORG/base", source="provenance"), [one])
    assert not _is_known(replace(one, commit="c" * 40), [one])


def test_attachments_that_cannot_be_read_are_told(model: Model) -> None:
    model.attach(CYCLONEDX, model.bom)
    blobs = model.store.path / "blobs" / "sha256"
    carrier = model.store.document(model.store.referrers(model.descriptor)[0])
    assert isinstance(carrier, Manifest)
    (blobs / carrier.layers[0].digest.hex).unlink()
    facts = model.facts()
    assert facts.documents == ()
    assert facts.is_unknown("MP020")


def test_too_much_is_told(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 1)
    model.attach(CYCLONEDX, model.bom)
    model.attach(SPDX, spdx(model.inventory, tool_version="1"))
    facts = model.facts()
    assert len(facts.documents) == 1
    assert facts.is_unknown("MP022")


def test_a_document_of_an_index_or_of_no_model(model: Model, tmp_path: Path) -> None:
    image = push(
        model.store, Manifest.build(artifact_type="x/y", config=model.store.push_bytes(OCI_EMPTY, b"{}"), layers=())
    )
    attach_document(model.store, image.descriptor, CYCLONEDX, json.dumps(model.bom).encode())
    found = collect(Watched(model.store), image.descriptor, PLACE, Collecting(TRUST, NOW))
    assert [(one.role, one.subject_matches) for one in found.documents] == [("sbom", False)]


def test_keys_that_lapse_take_their_word_with_them(model: Model) -> None:
    sign(model.store, Target(model.descriptor), key(), now=NOW, reference="", formats=[SignatureFormat.BUNDLE])
    model.attest("https://cyclonedx.org/bom", model.bom)
    model.attach(CYCLONEDX, model.bom)
    facts = model.facts()
    assert all(one.signed for one in facts.documents)
    assert {one.status for one in facts.signatures} == {"verified"}
    later = judge_again(Watched(model.store), facts, model.descriptor, Collecting(TRUST, NOW + 2 * DAY))
    assert {(one.status, one.cause) for one in later.signatures} == {("bad", Cause.EXPIRED)}
    assert not any(one.signed for one in later.documents)
    back = judge_again(Watched(model.store), later, model.descriptor, Collecting(TRUST, NOW))
    assert back == facts


def test_a_trust_policy_says_it_for_each_place(model: Model) -> None:
    sign(model.store, Target(model.descriptor), key(), now=NOW, reference="", formats=[SignatureFormat.BUNDLE])
    rule = "version: 1\nidentities: {owner: {key: {file: k}}}\nrules: [{scope: '%s', require: {signed: {by: owner}}}]\n"
    for scope, status in (("registry.example/ml/*", "verified"), ("registry.example/other", "unchecked")):
        policy = PolicyFile.parse((rule % scope).encode(), lambda _: key().public_key.pem)
        assert [one.status for one in model.facts(policy).signatures] == [status]
    layouts = PolicyFile.parse((rule % "oci:*").encode(), lambda _: key().public_key.pem)
    how = Collecting(layouts, NOW)
    found = collect(Watched(model.store), model.descriptor, f"oci:{model.store.path}", how)
    assert [one.status for one in found.signatures] == ["verified"]
