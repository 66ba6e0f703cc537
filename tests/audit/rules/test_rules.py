"""Each rule on facts: where it speaks, where it is silent, and that no other speaks with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from modelpack.audit.facts import (
    Ancestor,
    Artifact,
    Before,
    BlobProblem,
    BlobState,
    Cause,
    SignatureFact,
    Sort,
    Stated,
    Unchecked,
    Weights,
)
from modelpack.audit.findings import Subject
from modelpack.audit.policy import LicenseRules, Settings
from modelpack.audit.rules.checks.content import CODES as OUR_CODES
from modelpack.audit.rules.checks.content import RULE_OF, UNCHECKED
from modelpack.audit.rules.checks.signatures import MOST
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.scan import CODES
from modelpack.trust.found import MAX_CARRIERS
from tests.audit.rules.artifacts import (
    BASE,
    BOM,
    LAYER,
    NOW,
    PLACE,
    PROVENANCE,
    SIGNATURE,
    STATED,
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


def manifest_rules() -> dict[str, tuple[Artifact, set[str]]]:
    member = digest("member")
    return {
        "schema": (clean(format_problems=(problem("schema"),)), {"MP001"}),
        "sizes": (clean(size_problems=(problem("size"),)), {"MP002"}),
        "diffIds": (clean(contradictions=(problem("XC05"), problem("XC06"))), {"MP002"}),
        "missing": (clean(blobs=(BlobProblem(digest("x"), BlobState.MISSING),)), {"MP003"}),
        "corrupt": (clean(blobs=(BlobProblem(digest("x"), BlobState.CORRUPT, "other bytes"),)), {"MP003"}),
        "broken": (
            Artifact(Subject(PLACE, digest("x"), ("v1",)), Sort.BROKEN, format_problems=(problem("json"),)),
            {"MP004"},
        ),
        "no reason": (Artifact(Subject(PLACE, digest("x"), ("v1",)), Sort.BROKEN), {"MP004"}),
        "unreadable place": (
            Artifact(Subject(PLACE), Sort.BROKEN, unchecked=(Unchecked("tags", "no answer"),)),
            {"MP009"},
        ),
        "member gone": (
            clean(sort=Sort.INDEX, members=(member,), blobs=(BlobProblem(member, BlobState.MISSING),)),
            {"MP005"},
        ),
        "cnai": (clean(artifact_type="application/vnd.cnai.model.manifest.v1+json"), {"MP006"}),
        "docker": (clean(artifact_type="application/vnd.docker.ai.model.config.v0.1+json"), {"MP006"}),
        "cnai layer": (
            clean(layers=(replace(LAYER, media_type="application/vnd.cnai.model.weight.v1.raw"),)),
            {"MP006"},
        ),
        "old layer": (
            clean(layers=(replace(LAYER, media_type="application/vnd.cncf.model.weight.v1.gguf"),)),
            {"MP006"},
        ),
        "silent": (clean(stated=Stated()), {"MP007"}),
        "silent, unknown": (
            clean(stated=Stated(), unchecked=(Unchecked("configuration", "403", ("MP007",)),)),
            {"MP009"},
        ),
        "unchecked": (clean(unchecked=(Unchecked("headers", "no ranges"),)), {"MP009"}),
        "paths": (clean(path_problems=(problem("path", "../x"),)), {"MP111"}),
    }


MANIFESTS = manifest_rules()


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests(name: str) -> None:
    artifact, rules = MANIFESTS[name]
    assert fired(artifact) == rules


def test_a_clean_model_is_clean() -> None:
    assert fired(clean()) == set()
    assert fired(clean(sort=Sort.INDEX, documents=(), media_type=OCI_INDEX, stated=Stated(), licenses=())) == set()


def test_attachments_and_images_are_left_alone() -> None:
    bare = {
        "signatures": (),
        "documents": (),
        "licenses": (),
        "ancestors": (Ancestor("base-model", "x"),),
        "stated": Stated(),
        "subject": Subject(PLACE, digest("x")),
        "artifact_type": "application/vnd.example",
        "format_problems": (problem("schema"),),
        "before": Before(moved_tags=(("v1", digest("old")),)),
    }
    strict = Settings(
        now=NOW, max_age=timedelta(1), formats=("gguf",), licenses=LicenseRules(("MIT",)), builders=("x",)
    )
    for sort in (Sort.ATTACHMENT, Sort.OTHER):
        assert fired(clean(sort=sort, **bare), strict) == set()


ANNOTATIONS = {
    "org.cncf.ai.security.signing.framework": ("sigstore", "notation"),
    "org.cncf.ai.security.sbom.format": ("cyclonedx", "spdx"),
    "org.cncf.ai.packaging.format": ("other", "modelpack"),
}


@pytest.mark.parametrize("key", ANNOTATIONS)
def test_a_claim_needs_evidence(key: str) -> None:
    shown, not_shown = ANNOTATIONS[key]
    assert fired(clean(annotations={key: shown})) == set()
    kind = {"artifact_type": "application/vnd.cnai.model.manifest.v1+json"} if "packaging" in key else {}
    assert "MP110" in fired(clean(annotations={key: not_shown}, **kind))
    assert "MP110" in fired(clean(annotations={key: "nonsense"})) or "packaging" in key


def test_claims_of_provenance_and_of_nothing() -> None:
    claim = {"org.cncf.ai.security.provenance.type": "slsa-v1.0", "org.cncf.ai.lifecycle.status": "validated", "x": "y"}
    assert fired(clean(annotations=claim)) == set()
    assert fired(clean(annotations=claim, documents=(BOM,))) == {"MP030", "MP110"}
    unknown = (Unchecked("attachments", "403", ("MP010", "MP020", "MP030")),)
    claims = {**claim, "org.cncf.ai.security.sbom.format": "spdx", "org.cncf.ai.security.signing.framework": "notation"}
    assert fired(clean(annotations=claims, documents=(), unchecked=unknown)) == {"MP009"}


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


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_of_the_scanner_has_one_rule(code: str) -> None:
    rules = {RULE_OF[code]} | ({"MP050"} if code.startswith("SCAN-PICKLE-") else set())
    assert fired(clean(findings=(problem(code),))) == rules
    unchecked = {hit.unchecked for hit in hits(clean(findings=(problem(code),)))[RULE_OF[code]]}
    if code != "SCAN-SHARDS":
        assert unchecked == {CODES[code].unchecked}
    assert (code in UNCHECKED) == CODES[code].unchecked


def test_no_code_is_forgotten_or_doubled() -> None:
    ours = [f"SCAN-{code}" for codes in OUR_CODES.values() for code in codes.split()]
    assert sorted(ours) == sorted(CODES)
    assert fired(clean(findings=(problem("SCAN-OF-TOMORROW"),))) == {"MP058"}


@pytest.mark.parametrize(
    "path", ["a.pt", "x/model.PTH", "optimizer.bin", "pytorch_model-00001-of-00002.bin", "data.pkl", "x.joblib"]
)
def test_pickles_by_name(path: str) -> None:
    (hit,) = hits(clean(layers=(LAYER, replace(LAYER, path=path))))["MP050"]
    assert hit.place == path


def test_pickles_by_content() -> None:
    assert fired(clean(layers=(LAYER, replace(LAYER, path="openvino_model.bin")))) == set()
    assert fired(clean(weights=Weights(("pt",)), stated=replace(STATED, precision="", param_size=""))) == {"MP050"}
    said = hits(clean(layers=(replace(LAYER, path="x.pkl"),), findings=(problem("SCAN-PICKLE-SYSTEM", "x.pkl"),)))
    assert [hit.message for hit in said["MP050"]] == ["the file is a pickle"]


def test_a_file_that_is_gone_is_told_once() -> None:
    gone = (BlobProblem(LAYER.digest, BlobState.MISSING),)
    unread = (problem("SCAN-UNREADABLE", LAYER.path),)
    assert fired(clean(blobs=gone, findings=unread)) == {"MP003"}
    assert fired(clean(findings=unread)) == {"MP059"}
    assert fired(clean(blobs=gone, findings=(problem("SCAN-UNREADABLE", "other"),))) == {"MP003", "MP059"}


def test_pickles_inside() -> None:
    found = (problem("SCAN-PICKLE-SYSTEM", "a: b.dat: byte 1"), problem("SCAN-PICKLE-CALL", "a: b.dat: byte 2"))
    said = hits(clean(layers=(replace(LAYER, path="a: b.dat"),), findings=found))
    assert [hit.place for hit in said["MP050"]] == ["a: b.dat"]
    assert [hit.place for hit in hits(clean(findings=found))["MP050"]] == ["a: b.dat: byte 1", "a: b.dat: byte 2"]


def test_shards() -> None:
    assert fired(clean(shard_problems=("a is in no shard",))) == {"MP061"}
    said = hits(
        clean(shard_problems=("a is in no shard",), contradictions=(problem("XC09", message="a is in no shard"),))
    )
    assert [hit.message for hit in said["MP061"]] == ["a is in no shard"]


WEIGHTS = {
    "precision": (clean(contradictions=(problem("XC02"),)), {"MP070"}),
    "size": (clean(stated=replace(STATED, param_size="7B")), {"MP071"}),
    "format": (clean(contradictions=(problem("XC04"),)), {"MP072"}),
    "family": (clean(contradictions=(problem("XC07"),)), {"MP072"}),
    "quantization": (clean(contradictions=(problem("XC10"),)), {"MP073"}),
    "packed": (
        clean(stated=replace(STATED, quantization="gptq", param_size="7B"), contradictions=(problem("XC02"),)),
        {"MP074"},
    ),
    "packed, says the header": (
        clean(weights=Weights(("safetensors",), 5, {"I32": 5}, "awq", 1), contradictions=(problem("XC02"),)),
        {"MP074"},
    ),
    "gguf": (
        clean(
            stated=replace(STATED, quantization="Q4_K_M", format="gguf", precision=""),
            weights=Weights(("gguf",), 22_700_000, {}, "Q4_K_M", 1),
        ),
        set(),
    ),
    "gguf of another size": (
        clean(
            stated=replace(STATED, quantization="Q4_K_M", format="gguf", precision="", param_size="7B"),
            weights=Weights(("gguf",), 22_700_000, {}, "Q4_K_M", 1),
        ),
        {"MP071"},
    ),
    "headers that tell nothing": (clean(weights=Weights(("onnx",), 0, {}, "", 1)), {"MP074"}),
    "headers unread": (clean(weights=Weights(("safetensors",), 5, {}, "", 1, 1)), {"MP074"}),
    "headers unread, but enough": (clean(weights=Weights(("safetensors",), 22_700_000, {}, "", 1, 1)), set()),
    "no header read": (clean(weights=Weights((), 0, {}, "", 0, 1)), {"MP074"}),
    "no headers": (clean(weights=Weights()), set()),
    "one of the variants": (
        clean(weights=Weights(("onnx", "safetensors"), 45_400_000, {}, "", 2, 0, (22_700_000, 45_400_000))),
        set(),
    ),
    "a size in words": (clean(stated=replace(STATED, param_size="large")), set()),
    "no claims": (clean(stated=replace(STATED, param_size="", precision="", quantization="gptq")), set()),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str) -> None:
    artifact, rules = WEIGHTS[name]
    assert fired(artifact) == rules


@pytest.mark.parametrize(
    ("claim", "tolerance", "fits"), [("23.5M", 0.05, True), ("24M", 0.05, False), ("24M", 0.1, True)]
)
def test_the_tolerance_of_sizes(claim: str, tolerance: float, fits: bool) -> None:
    settings = Settings(now=NOW, parameter_tolerance=tolerance)
    assert (fired(clean(stated=replace(STATED, param_size=claim)), settings) == set()) is fits


def test_formats() -> None:
    assert fired(clean(), Settings(now=NOW, formats=("gguf",))) == {"MP075"}
    assert fired(clean(), Settings(now=NOW, formats=("safetensors", "gguf"))) == set()


@pytest.mark.parametrize(
    ("tag", "rule"), [("latest", "MP080"), ("v1.2", "MP081"), ("1.2.3-rc1", "MP081"), ("step-7", "MP080")]
)
def test_tags_that_moved(tag: str, rule: str) -> None:
    moved = clean(before=Before(moved_tags=((tag, digest("old")),)))
    assert fired(moved) == {rule}
    assert fired(moved, Settings(now=NOW, version_tags="latest")) == {"MP081" if tag == "latest" else "MP080"}


def test_signatures_that_vanished() -> None:
    assert fired(clean(before=Before(lost_signatures=("release",)))) == {"MP084"}


def test_housekeeping() -> None:
    year = Settings(now=NOW, max_age=timedelta(365))
    assert fired(clean(), year) == set()
    assert fired(clean(created=NOW - timedelta(400)), year) == {"MP100"}
    assert fired(clean(created=None, stated=replace(STATED, created=NOW - timedelta(400))), year) == {"MP100"}
    assert fired(clean(created=None), year) == set()
    assert fired(clean(subject=Subject(PLACE, digest("model")))) == {"MP101"}
    assert fired(clean(subject=Subject(PLACE, digest("model")), listed_by=(digest("i"),))) == set()
    lost = Artifact(Subject(PLACE, digest("x")), Sort.ATTACHMENT, refers_to=digest("gone"), orphan=True)
    assert fired(lost) == {"MP102"}
    assert "something" in hits(replace(lost, refers_to=None))["MP102"][0].message
