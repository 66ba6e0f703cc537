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
    Sort,
    Stated,
    Unchecked,
    Weights,
)
from modelpack.audit.findings import Subject
from modelpack.audit.policy import LicenseRules, Settings
from modelpack.audit.rules.checks.content import CODES as OUR_CODES
from modelpack.audit.rules.checks.content import RULE_OF, UNCHECKED
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.scan import CODES
from tests.audit.rules.artifacts import (
    BOM,
    LAYER,
    NOW,
    PLACE,
    STATED,
    clean,
    digest,
    fired,
    hits,
    problem,
)


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
        "silent, without an artifact type": (
            clean(stated=Stated(), artifact_type="application/vnd.cncf.model.config.v1+json"),
            {"MP006", "MP007"},
        ),
        "silent, another tool's": (clean(stated=Stated(), artifact_type="application/vnd.docker.ai"), {"MP006"}),
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
