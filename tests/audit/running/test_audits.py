"""Audits one after the other: what they ask, what they notice, and what they do not ask again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack import SignedBy
from modelpack.audit.facts import Sort
from modelpack.errors import InputError, InvalidReference, Unavailable
from modelpack.trust import KeyIdentity
from tests.audit.running.making import DAY, NOW, QUICK, audit, fill, key, push, put, run, said
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import connect

TRUST = SignedBy(KeyIdentity(key().public_key, "owner"))
Counted = Callable[[FaultyRegistry], int]


@pytest.fixture(params=[True, False], ids=["api", "tags"])
def faulty(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """A registry that lists referrers, and one that does not."""
    with FaultyRegistry(Features(referrers=request.param)) as registry:
        yield registry


def test_the_second_audit_asks_for_tags_only(faulty: FaultyRegistry, tmp_path: Path) -> None:
    api = faulty._endpoints.features.referrers  # the fixture's choice
    fill(faulty, 3, 2)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), access=QUICK)
    first, results = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert results.summary.artifacts["model"] == 6
    assert len(said(first, "MP010")) == 5
    assert results.summary.collected == sum(results.summary.artifacts.values())
    before = len(faulty.requests)
    second, results = run(faulty.host, tmp_path / "state", trust=TRUST)
    asked = faulty.requests[before:]
    assert results.summary.collected == 0
    assert results.summary.requests == len(asked)
    assert [one.key for one in second] == [one.key for one in first]
    heads = [one for one in asked if one.method == "HEAD"]
    assert len(heads) == results.summary.tags == 6 + (1 if api else 2)  # cosign's tag, and the fallback's
    others = [one for one in asked if one.method != "HEAD"]
    # A catalog and a list for each repository; then whether there is an API, and if so one request for each model.
    assert len(others) == 1 + 3 + (1 + 6 if api else 1)


def test_what_changes_is_noticed(faulty: FaultyRegistry, tmp_path: Path) -> None:
    made = fill(faulty, 2, 2)
    place = f"{faulty.host}/ml/r0"
    modelpack.sign(f"{place}:v1", key(), formats=["bundle"], access=QUICK)
    first, _ = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert ("MP010", "ml/r0:v0") in said(first)
    assert ("MP010", "ml/r0:v1") not in said(first)
    modelpack.sign(f"{place}:v0", key(), formats=["bundle"], access=QUICK)
    with connect(faulty, "ml/r1") as store:
        new = put(store, fill=b"\x07")
        store.tag(new.descriptor, "v0")
        store.tag(new.descriptor, "new")
        store.delete(made["ml/r1:v1"])
    second, results = run(faulty.host, tmp_path / "state", trust=TRUST, now=NOW + DAY / 2)
    assert ("MP010", "ml/r0:v0") not in said(second)
    assert said(second, "MP080") == {("MP080", "ml/r1:new")}
    assert said(second, "MP082") == {("MP082", "ml/r1")}
    assert said(second, "MP083") == {("MP083", "ml/r1:v1")}
    assert said(second, "MP101") == {("MP101", "ml/r1")}  # what v0 led to is still there
    # The new model, the one with the new signature, and the carrier where lists of referrers are tags.
    assert results.summary.collected >= 2
    third, _ = run(faulty.host, tmp_path / "state", trust=TRUST, now=NOW + DAY / 2)
    assert said(third, "MP080", "MP082", "MP083") == set()


def test_a_signature_that_vanishes(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), formats=["tag"], access=QUICK)
    run(faulty.host, tmp_path / "state", trust=TRUST)
    tags = faulty.repository("ml/r0").tags
    for name in [name for name in tags if name.endswith(".sig")]:
        del tags[name]
    found, _ = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert said(found, "MP010", "MP084") == {("MP010", "ml/r0:v0"), ("MP084", "ml/r0:v0")}


def test_verdicts_grow_old(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), access=QUICK)
    lapsing = SignedBy(KeyIdentity(key().public_key, "owner", until=NOW + DAY / 2))
    found, _ = run(faulty.host, tmp_path / "state", trust=lapsing)
    assert said(found, "MP010", "MP011", "MP012") == set()
    found, results = run(faulty.host, tmp_path / "state", trust=lapsing, now=NOW + DAY * 0.9)
    assert said(found, "MP012") == set()  # nobody looked
    found, results = run(faulty.host, tmp_path / "state", trust=lapsing, now=NOW + DAY * 1.1)
    assert said(found, "MP012") == {("MP012", "ml/r0:v0")}
    models = results.summary.artifacts["model"]
    assert (models, results.summary.collected <= 2) == (1, True)  # judged again; only carriers are read anew


def test_other_trust_judges_again(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), access=QUICK)
    stranger = SignedBy(KeyIdentity(key("stranger").public_key, "stranger"))
    for trust, rules in ((TRUST, set()), (stranger, {"MP011"}), (TRUST, set()), (None, {"MP011"})):
        found, results = run(faulty.host, tmp_path / "state", trust=trust)
        assert {one.rule for one in found if one.rule in ("MP010", "MP011")} == rules
        assert results.complete == (trust is not None)  # nobody is trusted: then nothing can be said of a signature


def test_lost_blobs_are_found_when_verdicts_grow_old(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    run(faulty.host, tmp_path / "state")
    blobs = faulty.repository("ml/r0").blobs
    del blobs[max(blobs, key=lambda digest: len(blobs[digest]))]
    found, _ = run(faulty.host, tmp_path / "state", now=NOW + 2 * DAY)
    assert said(found, "MP003") == {("MP003", "ml/r0:v0")}


def test_an_unreadable_repository_is_a_finding_and_not_the_end(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 3, 1)
    faulty.on("GET", "/ml/r1/tags/list", effects.status(403), times=None)
    faulty.on("HEAD", "/ml/r2/manifests/v0", effects.status(500), times=None)
    found, results = run(faulty.host, tmp_path / "state")
    unread = [one for one in found if one.rule == "MP009"]
    assert [(one.subject.place.partition("/")[2], one.subject.tags) for one in unread] == [
        ("ml/r1", ()),
        ("ml/r2", ("v0",)),
    ]
    assert all(one.unchecked for one in unread)
    assert "403" in unread[0].message
    assert not results.complete
    assert results.summary.artifacts == {"model": 1}


def test_a_manifest_that_cannot_be_read_is_a_finding(faulty: FaultyRegistry) -> None:
    made = fill(faulty, 1, 2)
    faulty.on("GET", f"/manifests/{made['ml/r0:v0'].digest}", effects.status(500), times=None)
    found, results = run(faulty.host)
    assert said(found, "MP009") == {("MP009", "ml/r0:v0")}
    assert results.summary.artifacts == {"model": 1}


def test_a_registry_without_a_list_of_repositories(faulty: FaultyRegistry) -> None:
    fill(faulty, 1, 1)
    faulty.on("GET", "/_catalog", effects.status(404), times=None)
    found, results = run([faulty.host, f"{faulty.host}/ml/r0"])
    assert len([one for one in found if one.rule == "MP009"]) == 1
    assert "--targets FILE" in next(one.message for one in found if one.rule == "MP009")
    assert (results.complete, results.summary.artifacts) == (False, {"model": 1})
    faulty.on("GET", "/_catalog", effects.status(401), times=None)


@pytest.mark.parametrize(
    ("target", "models"),
    [("", 4), ("/ml/", 3), ("/ml/*", 3), ("/ml", 3), ("/ml/r0", 1), ("/ml/r0:v0", 1), ("/other/", 1), ("/none", 0)],
)
def test_targets(faulty: FaultyRegistry, target: str, models: int) -> None:
    fill(faulty, 3, 1)
    with connect(faulty, "other/r") as store:
        put(store, "v0")
    found, results = run(faulty.host + target)
    assert results.summary.artifacts.get("model", 0) == models
    assert bool(said(found, "MP009")) == (not models)


def test_targets_that_overlap_are_audited_once(faulty: FaultyRegistry) -> None:
    made = fill(faulty, 1, 2)
    pinned = f"{faulty.host}/ml/r0@{made['ml/r0:v1'].digest}"
    found, results = run([f"{faulty.host}/ml/", f"{faulty.host}/ml/r0", pinned])
    assert results.summary.artifacts == {"model": 2}
    found, results = run([pinned])
    assert {one.subject.tags for one in found} == {()}
    assert results.summary.artifacts == {"model": 1}


@pytest.mark.parametrize("targets", [[], ["minilm"], ["https://registry.example"], ["registry.example/UPPER/"], [""]])
def test_what_is_no_target(targets: list[str]) -> None:
    with pytest.raises((InputError, InvalidReference)):
        audit(targets)


def test_one_artifact_is_never_believed_to_be_unchanged(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    target = f"{faulty.host}/ml/r0:v0"
    found, _ = run(target, tmp_path / "state", trust=TRUST)
    assert "MP010" in {one.rule for one in found}
    modelpack.sign(target, key(), formats=["tag"], access=QUICK)
    found, _ = run(target, tmp_path / "state", trust=TRUST)
    assert "MP010" not in {one.rule for one in found}


def test_an_audit_that_is_cut_off_is_gone_on_with(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 6, 2)
    whole, _ = run(faulty.host)
    with audit(faulty.host, tmp_path / "state", jobs=1) as running:
        for number, _finding in enumerate(running):
            if number == 20:
                break
    before = len(faulty.requests)
    rest, results = run(faulty.host, tmp_path / "state", jobs=1)
    assert [one.key for one in rest] == [one.key for one in whole]
    assert 0 < results.summary.collected < 12
    assert results.summary.kept > 0
    assert not [one for one in faulty.requests[before:] if "/ml/r0/" in one.path and one.method == "HEAD"]
    _, results = run(faulty.host, tmp_path / "other", jobs=1)
    assert results.summary.collected == 12


def test_a_new_beginning_if_wanted(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 2, 1)
    with audit(faulty.host, tmp_path / "state") as running:
        next(iter(running))
    before = len(faulty.requests)
    run(faulty.host, tmp_path / "state", resume=False)
    assert len([one for one in faulty.requests[before:] if one.path.endswith("/tags/list")]) == 2


def test_two_audits_with_one_state(faulty: FaultyRegistry, tmp_path: Path) -> None:
    with audit(faulty.host, tmp_path / "state"), pytest.raises(Unavailable, match="another audit is using"):
        audit(faulty.host, tmp_path / "state")


def test_a_repository_that_is_gone(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 2, 1)
    run([f"{faulty.host}/ml/r0", f"{faulty.host}/ml/r1"], tmp_path / "state")
    run(f"{faulty.host}/ml/", tmp_path / "state")
    repositories = faulty._endpoints.repositories  # registries have no way to remove one
    del repositories["ml/r1"]
    found, _ = run(f"{faulty.host}/ml/", tmp_path / "state")
    assert said(found, "MP082", "MP083") == {("MP082", "ml/r1"), ("MP083", "ml/r1:v0")}
    del repositories["ml/r0"]
    found, results = run(f"{faulty.host}/ml/r0", tmp_path / "state")
    assert said(found, "MP009", "MP082", "MP083") == {("MP009", "ml/r0"), ("MP082", "ml/r0"), ("MP083", "ml/r0:v0")}
    assert results.summary.artifacts == {}


def test_results_are_kept_for_who_wants_them_again(faulty: FaultyRegistry) -> None:
    fill(faulty, 1, 1)
    with audit(faulty.host) as running:
        assert not running.results().complete  # not begun
        first = list(running)
        asked = len(faulty.requests)
        assert list(running) == list(running.results().findings) == first
        assert len(faulty.requests) == asked
        assert [one.sort for one in running.results().estate.artifacts()] == [Sort.MODEL]
        assert running.results().finished == NOW
        assert running.results().summary.to_json()["repositories"] == 1
    running.close()  # a second time


def test_attachments_whose_model_is_gone(faulty: FaultyRegistry, tmp_path: Path) -> None:
    made = fill(faulty, 1, 1)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), formats=["tag"], access=QUICK)
    found, _ = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert said(found, "MP102") == set()
    with connect(faulty, "ml/r0") as store:
        store.delete(made["ml/r0:v0"])
    found, _ = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert len(said(found, "MP102")) == 1


def test_members_of_an_index(faulty: FaultyRegistry, tmp_path: Path) -> None:
    from modelpack.oci import Index

    with connect(faulty, "ml/r0") as store:
        one, two = put(store, fill=b"\x01"), put(store, "two", fill=b"\x02")
        gone = put(store, fill=b"\x03")
        index = Index.build((one.descriptor, two.descriptor, gone.descriptor))
        push(store, index, "v0")  # type: ignore[arg-type]  # as a manifest
        store.delete(gone.descriptor)
    modelpack.sign(f"{faulty.host}/ml/r0:v0", key(), access=QUICK)
    found, results = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert (results.summary.artifacts["model"], results.summary.artifacts["index"]) == (2, 1)
    assert said(found, "MP010") == {("MP010", "ml/r0:two")}  # who vouches for the index vouches for the other
    assert said(found, "MP005") == {("MP005", "ml/r0:v0")}
    found, results = run(faulty.host, tmp_path / "state", trust=TRUST)
    assert results.summary.collected == 0
    assert said(found, "MP010", "MP005") == {("MP010", "ml/r0:two"), ("MP005", "ml/r0:v0")}
    found, results = run(faulty.host, tmp_path / "state", trust=TRUST, now=NOW + 2 * DAY)
    assert said(found, "MP010", "MP005") == {("MP010", "ml/r0:two"), ("MP005", "ml/r0:v0")}


def test_what_could_not_be_asked_is_asked_again(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 1, 1)
    broken = faulty.on("GET", "/blobs/", effects.status(503), times=None)
    found, results = run(faulty.host, tmp_path / "state")
    assert (said(found, "MP009"), results.complete) == ({("MP009", "ml/r0:v0")}, False)
    broken.times = 0
    found, results = run(faulty.host, tmp_path / "state")
    assert (said(found, "MP009"), results.complete, results.summary.collected) == (set(), True, 1)
    assert run(faulty.host, tmp_path / "state")[1].summary.collected == 0


def test_a_catalog_that_breaks_off(faulty: FaultyRegistry) -> None:
    fill(faulty, 2, 1)
    link = effects.header("Link", '</v2/_catalog?last=x>; rel="next"')
    faulty.on("GET", "/_catalog", link)
    faulty.on("GET", "/_catalog", effects.status(500), times=None)
    found, results = run(f"{faulty.host}/ml")
    assert results.summary.artifacts == {"model": 2}
    assert [(one.rule, str(one.subject).partition("/")[2]) for one in found if one.unchecked] == [("MP009", "ml")]


def test_a_catalog_that_is_not_for_everybody(faulty: FaultyRegistry) -> None:
    fill(faulty, 1, 1)
    faulty.on("GET", "/_catalog", effects.status(403), times=None)
    found, _ = run(faulty.host)
    assert ["does not list its repositories to you" in one.message for one in found] == [True]


def test_a_repository_with_many_tags(faulty: FaultyRegistry) -> None:
    with connect(faulty, "ml/r0") as store:
        one = put(store)
        for number in range(40):
            store.tag(one.descriptor, f"v{number:02}")
    _, results = run(f"{faulty.host}/ml/r0")
    assert (results.summary.tags, results.summary.artifacts) == (40, {"model": 1})


def test_an_audit_that_is_gone_on_with_under_other_trust_judges_again(faulty: FaultyRegistry, tmp_path: Path) -> None:
    fill(faulty, 3, 1)
    for number in range(3):
        modelpack.sign(f"{faulty.host}/ml/r{number}:v0", key(), formats=["bundle"], access=QUICK)
    with audit(faulty.host, tmp_path / "state", jobs=1, trust=TRUST) as running:
        next(iter(running))
    found, _ = run(faulty.host, tmp_path / "state", trust=SignedBy(KeyIdentity(key("other").public_key, "other")))
    assert len(said(found, "MP011")) == 3
