"""Rules on facts of nonsense: they judge, and do not fail."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelpack.audit.facts import (
    Ancestor,
    Artifact,
    Before,
    BlobProblem,
    BlobState,
    Cause,
    Document,
    Layer,
    Problem,
    SignatureFact,
    Sort,
    Stated,
    Unchecked,
    Weights,
)
from modelpack.audit.findings import Subject
from modelpack.audit.policy import Exemption, LicenseRules, Revocation, Settings
from modelpack.audit.rules import EstateRule, Hit, default
from modelpack.oci import Digest
from modelpack.scan import CODES
from tests.audit.rules.artifacts import NOW, Listed, digest

DIGESTS = st.sampled_from([digest(name) for name in "abcde"])
TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["MIT OR", "(" * 40, "7B", "1e9B", "9" * 12 + "Q", "*", "[a-", "\x00\u2028", "a: b", "gptq", "../x"]
    ),
)
ROLES = st.sampled_from(["base-model", "dataset"])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
CODE = st.sampled_from([*CODES, *(f"XC{number:02}" for number in range(90)), "?"])
RULE = st.sampled_from([rule.id for rule in default()])


def some(each: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(each, max_size=2).map(tuple)


PROBLEM = st.builds(Problem, CODE, TEXT, TEXT)
KNOWN: dict[type, st.SearchStrategy[object]] = {
    Problem: PROBLEM,
    Layer: st.builds(
        Layer, DIGESTS, st.integers(0, 9), TEXT, TEXT, TEXT, st.sampled_from(["raw", "tar"]), st.none() | DIGESTS
    ),
    BlobProblem: st.builds(BlobProblem, DIGESTS, st.sampled_from(BlobState), TEXT),
    Unchecked: st.builds(Unchecked, TEXT, TEXT, some(RULE)),
    SignatureFact: st.builds(
        SignatureFact,
        DIGESTS,
        st.sampled_from(["signature", "model", "attestation"]),
        st.sampled_from(["bundle", "tag", "jws", ""]),
        st.sampled_from(["verified", "untrusted", "unchecked", "bad"]),
        st.sampled_from(Cause),
        TEXT,
        some(TEXT),
        TEXT,
        st.none() | TIMES,
        st.booleans(),
    ),
    Document: st.builds(
        Document,
        DIGESTS,
        TEXT,
        st.sampled_from(["sbom", "provenance", "scan", "vsa", "other"]),
        st.booleans(),
        st.sampled_from([None, True, False]),
        some(TEXT),
        some(PROBLEM),
        TEXT,
    ),
    Ancestor: st.builds(
        Ancestor, st.sampled_from(["base-model", "dataset"]), TEXT, TEXT, TEXT, st.none() | DIGESTS, TEXT, some(TEXT)
    ),
}
STATED = st.builds(Stated, *[TEXT] * 8, some(TEXT), st.none() | TIMES)
WEIGHTS = st.builds(
    Weights,
    some(TEXT),
    st.integers(0, 1 << 62),
    st.just(MappingProxyType({})),
    TEXT,
    st.integers(0, 3),
    st.integers(0, 3),
    some(st.integers(1, 1 << 62)),
)
BEFORE = st.builds(Before, some(st.tuples(TEXT, DIGESTS)), some(TEXT))
ARTIFACTS = st.builds(
    Artifact,
    subject=st.builds(Subject, TEXT, st.none() | DIGESTS, some(TEXT)),
    sort=st.sampled_from(Sort),
    artifact_type=TEXT,
    refers_to=st.none() | DIGESTS,
    annotations=st.dictionaries(TEXT | st.just("org.cncf.ai.security.sbom.format"), TEXT, max_size=2),
    layers=some(KNOWN[Layer]),
    config=st.none() | KNOWN[Layer],
    members=some(DIGESTS),
    listed_by=some(DIGESTS),
    stated=STATED,
    weights=WEIGHTS,
    licenses=some(TEXT),
    format_problems=some(PROBLEM),
    size_problems=some(PROBLEM),
    path_problems=some(PROBLEM),
    blobs=some(KNOWN[BlobProblem]),
    signatures=some(KNOWN[SignatureFact]),
    documents=some(KNOWN[Document]),
    ancestors=some(KNOWN[Ancestor]),
    contradictions=some(PROBLEM),
    findings=some(PROBLEM),
    shard_problems=some(TEXT),
    templates=st.dictionaries(TEXT, TEXT, max_size=2),
    attachments=st.integers(0, 400),
    created=st.none() | TIMES,
    orphan=st.booleans(),
    unchecked=some(KNOWN[Unchecked]),
    before=BEFORE,
)
SETTINGS = st.builds(
    Settings,
    now=st.just(NOW),
    licenses=st.builds(LicenseRules, some(TEXT), some(TEXT)),
    builders=some(TEXT),
    formats=some(TEXT),
    max_age=st.none() | st.just(timedelta(1)),
    revoked=some(st.builds(Revocation, TEXT | st.just(str(digest("a"))), TEXT)),
    exemptions=some(st.builds(Exemption, some(RULE), TEXT, TEXT, TIMES)),
)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(ARTIFACTS, SETTINGS)
@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=SLOW)
def test_rules_over_one_artifact(artifact: Artifact, chosen: Settings) -> None:
    said = {rule.id: list(rule.check(artifact, chosen)) for rule in default()}
    assert all(isinstance(hit, Hit) and hit.subject is None for hits in said.values() for hit in hits)
    states = [name for name in ("MP010", "MP011", "MP012", "MP013") if said[name]]
    vouched = any(one.status == "verified" and one.kind != "attestation" for one in artifact.signatures)
    asked = artifact.sort in (Sort.MODEL, Sort.INDEX) and (artifact.subject.tags or not artifact.listed_by)
    assert len(states) == (1 if asked and not vouched else 0)
    assert len(said["MP009"]) == len(artifact.unchecked)


@given(st.lists(ARTIFACTS, max_size=3), SETTINGS, st.lists(st.tuples(TEXT, DIGESTS), max_size=2))
@settings(deadline=None, max_examples=20, derandomize=True, suppress_health_check=SLOW)
def test_rules_over_all(artifacts: list[Artifact], chosen: Settings, places: list[tuple[str, Digest]]) -> None:
    subjects = tuple(Subject(place, one) for place, one in places)
    way = (Ancestor("base-model", "x"),) * 12
    estate = Listed(
        tuple(artifacts),
        gone=tuple((subject, "tag") for subject in subjects),
        descent={name: tuple((subject, way) for subject in subjects) for name in ("*", "7B", str(digest("a")))},
    )
    for rule in default():
        if isinstance(rule, EstateRule):
            assert all(hit.message and hit.subject is not None for hit in rule.check_estate(estate, chosen))


def test_all_facts_are_drawn() -> None:
    """A new fact is to be among these."""
    drawn = set(ARTIFACTS.wrapped_strategy.kwargs)  # type: ignore[attr-defined]
    assert {one.name for one in fields(Artifact)} - drawn == {"media_type", "size", "license_source", "family", "extra"}
