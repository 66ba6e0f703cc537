"""Rules about signatures, documents, descent and licences: where they speak, and that no other speaks with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelpack.audit.facts import (
    Ancestor,
    Cause,
    SignatureFact,
    Sort,
    Unchecked,
)
from modelpack.audit.findings import Subject
from modelpack.audit.policy import LicenseRules, Settings
from modelpack.audit.rules.checks.signatures import MOST
from modelpack.trust.found import MAX_CARRIERS
from tests.audit.rules.artifacts import (
    BASE,
    BOM,
    NOW,
    PLACE,
    PROVENANCE,
    SIGNATURE,
    clean,
    digest,
    fired,
    hits,
    problem,
)


def signed(
    status: str, cause: Cause = Cause.NONE, kind: str = "signature", **more: object
) -> tuple[SignatureFact, ...]:
    """One signature with a verdict."""
    return (replace(SIGNATURE, status=status, cause=cause, kind=kind, signers=(), **more),)  # type: ignore[arg-type]


SIGNATURES = {
    "none": ((), {"MP010"}),
    "only an attestation": (signed("verified", kind="attestation"), {"MP010"}),
    "unknown": (signed("untrusted", Cause.UNKNOWN_SIGNER), {"MP011"}),
    "unknown without a word": (signed("untrusted"), {"MP011"}),
    "nobody trusted": (signed("unchecked", Cause.UNKNOWN_SIGNER), {"MP011"}),
    "unsupported": (signed("unchecked", Cause.UNSUPPORTED), {"MP011"}),
    "unreadable": (signed("unchecked", Cause.UNREADABLE), {"MP011"}),
    "expired": (signed("bad", Cause.EXPIRED), {"MP012"}),
    "revoked": (signed("bad", Cause.REVOKED, reason="since May"), {"MP012"}),
    "other subject": (signed("bad", Cause.OTHER_SUBJECT), {"MP013"}),
    "other files": (signed("bad", Cause.OTHER_SUBJECT, "model"), {"MP013"}),
    "broken": (signed("bad", Cause.BROKEN), {"MP010", "MP016"}),
    "bad": (signed("bad"), {"MP010", "MP016"}),
    "a broken attestation": ((SIGNATURE, *signed("bad", Cause.BROKEN, "attestation")), {"MP016"}),
    "an attestation of another": ((SIGNATURE, *signed("bad", Cause.OTHER_SUBJECT, "attestation")), {"MP016"}),
    "a good one and another's": ((SIGNATURE, *signed("bad", Cause.OTHER_SUBJECT)), {"MP016"}),
    "a good one and an old one": ((SIGNATURE, *signed("bad", Cause.EXPIRED)), set()),
    "a good one and a stranger": ((SIGNATURE, *signed("untrusted", Cause.UNKNOWN_SIGNER)), set()),
    "expired and a stranger": (signed("bad", Cause.EXPIRED) + signed("untrusted", Cause.UNKNOWN_SIGNER), {"MP012"}),
    "expired and another's": (signed("bad", Cause.EXPIRED) + signed("bad", Cause.OTHER_SUBJECT), {"MP013"}),
    "old format": (signed("verified", format="tag", legacy=True), {"MP014"}),
    "both formats": ((SIGNATURE, *signed("verified", format="tag", legacy=True)), set()),
    "old format, unknown": (signed("untrusted", Cause.UNKNOWN_SIGNER, format="tag", legacy=True), {"MP011"}),
    "files": (signed("verified", kind="model"), {"MP015"}),
    "files and manifest": ((SIGNATURE, *signed("verified", kind="model")), set()),
}


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("sort", [Sort.MODEL, Sort.INDEX])
def test_signatures(name: str, sort: Sort) -> None:
    signatures, rules = SIGNATURES[name]
    assert fired(clean(signatures=signatures, sort=sort)) == rules


def test_a_signature_that_could_not_be_judged_is_neither_good_nor_bad() -> None:
    (hit,) = hits(clean(signatures=signed("unchecked", Cause.UNSUPPORTED, reason="needs cbor2")))["MP011"]
    assert hit.unchecked
    assert hit.message.endswith("could not be found out: needs cbor2")
    (hit,) = hits(clean(signatures=signed("untrusted", Cause.UNKNOWN_SIGNER)))["MP011"]
    assert not hit.unchecked


def test_what_could_not_be_asked_for_is_not_absent() -> None:
    unknown = (Unchecked("attachments", "403", ("MP010", "MP020", "MP030")),)
    said = hits(clean(signatures=(), documents=(), unchecked=unknown))
    assert set(said) == {"MP009", "MP011"}
    assert all(hit.unchecked for several in said.values() for hit in several)


def test_a_variant_is_vouched_for_by_its_index() -> None:
    listed = {"listed_by": (digest("index"),), "signatures": ()}
    assert fired(clean(subject=Subject(PLACE, digest("model")), **listed)) == set()
    assert fired(clean(**listed)) == {"MP010"}, "a tag leads to it"


def test_too_much_is_attached() -> None:
    assert MOST == MAX_CARRIERS
    assert fired(clean(attachments=MOST)) == set()
    (hit,) = hits(clean(attachments=MOST + 1))["MP017"]
    assert hit.unchecked


DOCUMENTS = {
    "no bom": ((PROVENANCE,), {"MP020"}),
    "invalid bom": ((replace(BOM, problems=("no name", "no version")), PROVENANCE), {"MP021"}),
    "wrong bom": ((replace(BOM, contradictions=(problem("XC21"),)), PROVENANCE), {"MP022"}),
    "another's bom": ((replace(BOM, subject_matches=False), PROVENANCE), {"MP022"}),
    "another's bom, by codes": ((replace(BOM, contradictions=(problem("XC20"),)), PROVENANCE), {"MP022"}),
    "plain bom": ((replace(BOM, signed=False), PROVENANCE), {"MP023"}),
    "plain and signed bom": ((replace(BOM, signed=False), BOM, PROVENANCE), set()),
    "licence in bom": ((replace(BOM, contradictions=(problem("XC25"),)), PROVENANCE), {"MP042"}),
    "invalid scan": ((BOM, PROVENANCE, replace(BOM, role="scan", problems=("x",))), {"MP024"}),
    "another's scan": ((BOM, PROVENANCE, replace(BOM, role="scan", subject_matches=False)), {"MP024"}),
    "wrong verdict": ((BOM, PROVENANCE, replace(BOM, role="vsa", contradictions=(problem("XC82"),))), {"MP024"}),
    "good statement": ((BOM, PROVENANCE, replace(BOM, role="other", subject_matches=None, signed=False)), set()),
    "no provenance": ((BOM,), {"MP030"}),
    "another's provenance": ((BOM, replace(PROVENANCE, subject_matches=False)), {"MP031"}),
    "another's provenance, by codes": ((BOM, replace(PROVENANCE, contradictions=(problem("XC60"),))), {"MP031"}),
    "invalid provenance": ((BOM, replace(PROVENANCE, problems=("x",))), {"MP034"}),
    "wrong provenance": ((BOM, replace(PROVENANCE, contradictions=(problem("XC64"),))), {"MP035"}),
    "plain provenance": ((BOM, replace(PROVENANCE, signed=False)), {"MP036"}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name: str) -> None:
    documents, rules = DOCUMENTS[name]
    assert fired(clean(documents=documents)) == rules


def test_an_invalid_document_says_its_first_problem_and_how_many_there_are() -> None:
    (hit,) = hits(clean(documents=(replace(BOM, problems=("no name", "no version")), PROVENANCE)))["MP021"]
    assert hit.message == "no name (and 1 more)"
    assert hit.data == {"problems": ["no name", "no version"]}


def test_builders() -> None:
    allowed = Settings(now=NOW, builders=("https://ci.example/*", "https://other.example/b?x=[1]"))
    assert fired(clean(), allowed) == set()
    elsewhere = replace(PROVENANCE, builder="https://laptop.example/me")
    assert fired(clean(documents=(BOM, elsewhere)), allowed) == {"MP032"}
    assert fired(clean(documents=(BOM, elsewhere))) == set()
    literal = replace(PROVENANCE, builder="https://other.example/b?x=[1]")
    assert fired(clean(documents=(BOM, literal)), allowed) == set()
    assert fired(clean(documents=(BOM, replace(literal, builder="https://other.example/b!x=1"))), allowed) == {"MP032"}
    (hit,) = hits(clean(documents=(BOM, replace(elsewhere, builder=""))), allowed)["MP032"]
    assert hit.message == "a builder without a name is not allowed"


def test_ancestors_are_pinned_by_whoever_knows() -> None:
    loose = replace(BASE, commit="", source="README.md")
    assert fired(clean(ancestors=(loose,))) == {"MP033"}
    assert fired(clean(ancestors=(loose, replace(BASE, name="Org/Base", source="provenance")))) == set()
    said = hits(clean(ancestors=(loose, loose, Ancestor("dataset", "", "https://data.example/x"), BASE)))["MP033"]
    assert [hit.message for hit in said] == [
        "the data set https://data.example/x is named without a digest or commit",
    ]


def test_many_that_are_not_pinned_are_one_finding_of_each_kind() -> None:
    sets = tuple(Ancestor("dataset", f"acme/{number:02}", source="README.md") for number in range(12))
    said = hits(clean(ancestors=(*sets, Ancestor("base-model", "b"), Ancestor("base-model", "a"))))["MP033"]
    assert [hit.message for hit in said] == [
        "2 base models are named without a digest or commit: a, b",
        f"12 data sets are named without a digest or commit: {', '.join(f'acme/{n:02}' for n in range(10))} and 2 more",
    ]
    assert said[1].place == "README.md"
    assert said[1].data == {"names": [f"acme/{number:02}" for number in range(12)]}


LICENSES = {
    ("Apache-2.0",): (set(), set(), set()),
    (): ({"MP040"}, {"MP040"}, {"MP040"}),
    ("Apache 2",): ({"MP040"}, {"MP040", "MP041"}, {"MP040"}),
    ("NOASSERTION",): ({"MP040"}, {"MP040", "MP041"}, {"MP040", "MP041"}),
    ("GPL-3.0-only",): (set(), {"MP041"}, {"MP041"}),
    ("GPL-3.0-only OR MIT",): (set(), set(), set()),
    ("GPL-3.0-only AND MIT",): (set(), {"MP041"}, {"MP041"}),
    ("MIT AND GPL-3.0-only OR Apache-2.0",): (set(), set(), set()),
    ("(MIT OR GPL-3.0-only) AND (GPL-3.0-only OR Apache-2.0)",): (set(), set(), set()),
    ("MIT", "GPL-3.0-only"): (set(), {"MP041"}, {"MP041"}),
    ("LicenseRef-llama3.1",): (set(), {"MP041"}, set()),
    ("GPL-3.0-only WITH Classpath-exception-2.0",): (set(), {"MP041"}, {"MP041"}),
}


@pytest.mark.parametrize("licenses", LICENSES)
def test_licences(licenses: tuple[str, ...]) -> None:
    without, allowing, denying = LICENSES[licenses]
    artifact = clean(licenses=licenses, ancestors=())
    assert fired(artifact) == without
    assert fired(artifact, Settings(now=NOW, licenses=LicenseRules(allowed=("apache-*", "MIT")))) == allowing
    assert fired(artifact, Settings(now=NOW, licenses=LicenseRules(denied=("GPL-*",)))) == denying


def test_an_exception_can_be_what_is_allowed() -> None:
    artifact = clean(licenses=("GPL-3.0-only WITH Classpath-exception-2.0",), ancestors=())
    rules = LicenseRules(allowed=("GPL-3.0-only WITH Classpath-exception-2.0",))
    assert fired(artifact, Settings(now=NOW, licenses=rules)) == set()


def test_a_licence_that_could_not_be_read_is_not_missing() -> None:
    assert fired(clean(licenses=(), unchecked=(Unchecked("README.md", "403", ("MP040",)),))) == {"MP009"}


def test_licences_that_differ() -> None:
    assert fired(clean(contradictions=(problem("XC08"),))) == {"MP042"}
    base = replace(BASE, licenses=("LicenseRef-llama3.1",))
    assert fired(clean(ancestors=(base,))) == {"MP042"}
    assert fired(clean(ancestors=(replace(base, licenses=("apache-2.0",)),))) == set()
    assert fired(clean(ancestors=(replace(base, licenses=("some words",)),))) == {"MP042"}
    assert fired(clean(ancestors=(replace(base, role="dataset"),))) == set()
    assert fired(clean(ancestors=(base,), licenses=())) == {"MP040"}
