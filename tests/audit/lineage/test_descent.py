"""Who was made from what: recalls by digest, commit, Hub model, repository and name."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.audit.facts import Ancestor
from modelpack.audit.lineage import Asked, Derived, Graph
from modelpack.audit.state import StoredEstate
from modelpack.errors import InputError, NotFound
from tests.audit.lineage.estates import COMMIT, HUB, OTHER, Estate, base, digest, estate, hub, loose, place


@pytest.fixture(name="here")
def _here() -> Iterator[Estate]:
    with estate() as found:
        yield found


def test_generations(here: Estate) -> None:
    here.add("root")
    here.add("child", base("root"))
    here.add("grandchild", base("child", "quantized"))
    here.add("stranger", base("other"))
    found = here.ask(str(digest("root")))
    assert not found.truncated
    first, second = found.found
    assert (first.subject.place, first.subject.tags, first.generation) == (place("child"), ("v1",), 1)
    assert (second.generation, second.parent, second.line) == (2, first, (first, second))
    assert [one.relation for one in second.way] == ["finetune", "quantized"]
    assert here.told(str(digest("child"))) == ["grandchild"]
    assert here.told(str(digest("grandchild"))) == []
    assert here.told(str(digest("other"))) == ["stranger"]


@pytest.mark.parametrize(
    "question", [place("root"), f"{place('root')}:v1", f"{place('root')}@{digest('root')}", f"oci://{place('root')}:v1"]
)
def test_by_reference(here: Estate, question: str) -> None:
    here.add("root")
    here.add("child", base("root"))
    assert here.told(question) == ["child"]


def test_a_tag_that_is_not_known(here: Estate) -> None:
    with pytest.raises(NotFound, match="is not in the state"):
        here.ask(f"{place('root')}:v1")
    assert list(StoredEstate(here.state).derived(f"{place('root')}:v1")) == []


def test_a_repository_as_a_whole(here: Estate) -> None:
    """Any version of it: those that were seen, and those that others name."""
    here.add("root")
    here.add("newer", where="root", tag="v2")
    here.add("a", base("newer"))
    here.add("b", loose("root", "v0"))
    here.add("c", loose("root"))
    here.add("d", Ancestor("base-model", "x", f"oci://{place('root')}@{digest('unseen')}", "", digest("unseen")))
    here.add("e", base("a"))
    here.add("f", loose("rooted"))
    assert sorted(here.told(place("root"))) == ["a", "b", "c", "d", "e"]


def test_a_commit_of_a_hub_model(here: Estate) -> None:
    here.add("pinned", hub(COMMIT))
    here.add("other", hub(OTHER))
    here.add("below", base("pinned"))
    here.add("unpinned", hub())
    here.add("elsewhere", hub(COMMIT, "https://huggingface.co/mirror/base"))
    here.add("below-unpinned", base("unpinned"))
    for question in (
        f"hf:org/base@{COMMIT}",
        f"https://huggingface.co/org/base/tree/{COMMIT}",
        f"hf://ORG/Base@{COMMIT}",
    ):
        assert here.told(question) == ["pinned", "below", "?unpinned", "?below-unpinned"]
    # The commit alone is the same content wherever it is; names without a version of all that have it are doubtful.
    assert here.told(COMMIT) == ["elsewhere", "pinned", "below", "?unpinned", "?below-unpinned"]


def test_a_hub_model(here: Estate) -> None:
    here.add("a", hub(COMMIT))
    here.add("b", hub())
    here.add("c", Ancestor("dataset", "org/base", "https://huggingface.co/datasets/org/base"))
    assert here.told("hf:org/base") == ["a", "b"]
    assert here.told("hf:datasets/org/base") == ["c"]
    assert here.told("ORG/base") == ["a", "b", "c"]
    assert here.told(HUB + "/") == ["a", "b"]


def test_a_name(here: Estate) -> None:
    here.add("a", Ancestor("base-model", "Our Base"))
    here.add("b", Ancestor("base-model", "x", "s3://bucket/base"))
    assert here.told("our base") == ["a"]
    assert here.told("s3://bucket/base") == ["b"]
    assert here.told("nobody") == []


def test_who_names_no_version_may_have_used_it(here: Estate) -> None:
    here.add("root")
    here.add("tagged", loose("root", "v1"))
    here.add("untagged", loose("root"))
    here.add("another", loose("root", "v9"))
    here.add("below", base("tagged"))
    here.add("deeper", loose("below"))
    found = here.ask(str(digest("root"))).found
    assert [(one.subject.place.rpartition("/")[2], one.certain, one.generation) for one in found] == [
        ("untagged", False, 1),
        ("tagged", False, 1),
        ("below", False, 2),
        ("deeper", False, 3),
    ]


def test_a_tag_that_has_moved_may_have_been_used_before(here: Estate) -> None:
    here.add("root")
    here.add("child", loose("root", "v1"))
    here.add("newer", where="root", tag="v1")
    assert here.told(str(digest("root"))) == ["?child"]
    assert here.told(str(digest("newer"))) == ["?child"]


def test_certain_ways_are_found_before_shorter_doubtful_ones(here: Estate) -> None:
    here.add("root")
    here.add("child", base("root"))
    here.add("both", loose("root"), base("child"))
    found = here.ask(str(digest("root"))).found
    assert [(one.subject.place, one.certain, one.generation) for one in found] == [
        (place("child"), True, 1),
        (place("both"), True, 2),
    ]


def test_doubtful_steps_from_what_is_certain(here: Estate) -> None:
    here.add("root")
    here.add("child", base("root"))
    here.add("maybe", loose("child"))
    here.add("below", base("maybe"))
    assert here.told(str(digest("root"))) == ["child", "?maybe", "?below"]


def test_depth(here: Estate) -> None:
    here.add("root")
    here.add("a", base("root"))
    here.add("b", base("a"))
    here.add("c", loose("b"))
    one = here.ask(str(digest("root")), depth=1)
    assert ([found.subject.place for found in one.found], one.truncated) == ([place("a")], True)
    two = here.ask(str(digest("root")), depth=2)
    assert (len(two.found), two.truncated) == (2, True)
    three = here.ask(str(digest("root")), depth=3)
    assert (len(three.found), three.truncated) == (3, False)


def test_limit(here: Estate) -> None:
    here.many((f"m{number}", "root") for number in range(50))
    found = here.ask(str(digest("root")), limit=20)
    assert (len(found.found), found.truncated) == (20, True)


def test_copies_of_one_manifest(here: Estate) -> None:
    """The same digest in two repositories is two artifacts, and what is below it is found once."""
    here.add("child", base("root"))
    here.add("child", base("root"), where="copy")
    here.add("below", base("child"))
    assert here.told(str(digest("root"))) == ["child", "copy", "below"]


def test_indexes(here: Estate) -> None:
    """Who uses an index uses what is in it; a recalled index recalls what it lists. Its other members are not concerned."""
    here.add("index", members=("member", "sibling"))
    here.add("member", base("root"), where="index", tag="")
    here.add("sibling", where="index", tag="")
    here.add("user", base("index"))
    here.add("sibling-user", base("sibling"))
    told = here.ask(str(digest("root"))).found
    assert [(one.subject.digest, one.said.relation) for one in told] == [
        (digest("member"), "finetune"),
        (digest("index"), "contains"),
        (digest("user"), "finetune"),
    ]
    assert sorted(here.told(str(digest("index")))) == ["index", "sibling-user", "user"]


def test_artifacts_that_could_not_be_read(here: Estate) -> None:
    here.add("a", unread="MP090")
    here.add("b", unread="MP033")
    here.add("c")
    assert Graph(here.state.rows).unread() == 1


def test_what_is_gone_still_leads_on(here: Estate) -> None:
    here.add("child", base("root"))
    here.add("below", base("child"))
    here.state.lose(place("child"), digest("child"))
    found = here.ask(str(digest("root"))).found
    assert [(one.subject.place, one.gone) for one in found] == [(place("child"), True), (place("below"), False)]
    listed = list(StoredEstate(here.state).derived(digest("root")))
    assert [(subject.place, len(way)) for subject, way in listed] == [(place("below"), 2)]


def test_cycles(here: Estate) -> None:
    here.add("a", base("b"), base("a"))
    here.add("b", base("c"))
    here.add("c", base("a"))
    assert here.told(str(digest("a"))) == ["a", "c", "b"]
    here.add("loop", loose("loop"))
    assert here.told(str(digest("loop"))) == ["?loop"]


def test_json(here: Estate) -> None:
    here.add("child", base("root"))
    here.add("below", base("child"))
    told = json.loads(json.dumps(here.ask(str(digest("root"))).to_json()))
    assert (told["asked"], told["truncated"]) == (str(digest("root")), False)
    first, second = told["derived"]
    assert (first["parent"], second["parent"]) == (None, 0)
    assert first["said"] == {
        "role": "base-model",
        "name": place("root"),
        "uri": f"oci://{place('root')}@{digest('root')}",
        "digest": str(digest("root")),
        "relation": "finetune",
    }
    assert second["subject"] == {"place": place("below"), "digest": str(digest("below")), "tags": ["v1"]}


def test_edges(here: Estate) -> None:
    here.add("b", base("root"), hub())
    here.add("a", hub(COMMIT))
    found = [(edge.subject.place, edge.said.uri) for edge in Graph(here.state.rows).edges()]
    assert found == [(place("a"), HUB), (place("b"), base("root").uri), (place("b"), HUB)]


@pytest.mark.parametrize(
    "text",
    ["", "x" * 2000, "hf:org/base@main", "sha256:zz", "oci:", f"https://huggingface.co/org/base/tree/{COMMIT[:10]}"],
)
def test_questions_that_mean_nothing(text: str) -> None:
    with pytest.raises(InputError):
        Asked.parse(text)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("a/b/c d", "name", "a/b/c d"),
        ("registry.example/UPPER", "name", "registry.example/UPPER"),
        ("oci:folder:v1", "place", "oci:folder"),
        ("localhost/a", "place", "localhost/a"),
        ("host:5000/a:b", "tag", "b"),
        ("host:5000/a", "place", "host:5000/a"),
        ("gpt2", "name", "gpt2"),
        ("hf:gpt2", "hub", "https://huggingface.co/gpt2"),
    ],
)
def test_questions(text: str, field: str, value: str) -> None:
    asked = Asked.parse(text)
    assert getattr(asked, field) == value
    assert not asked.is_pinned
    assert Asked.parse(COMMIT).is_pinned


NAMES = "abcdef"
LINKS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans()), max_size=14)


@given(LINKS, st.sampled_from(NAMES), st.integers(0, 3))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_against_plain_search(links: list[tuple[str, str, bool]], start: str, depth: int) -> None:
    """Certain is what can be reached over steps with a version; doubtful whatever else can be reached."""
    with estate() as here:
        for name in NAMES:
            said = [base(below) if pinned else loose(below) for above, below, pinned in links if above == name]
            here.add(name, *said)
        found = here.ask(str(digest(start)), depth=depth)
        exact = {(above, below) for above, below, pinned in links if pinned}
        every = {(above, below) for above, below, _ in links}
        certain = reached(exact, start, depth)
        names = {one.subject.place.rpartition("/")[2]: one for one in found.found}
        assert len(names) == len(found.found)
        assert {name: one.generation for name, one in names.items() if one.certain} == certain
        if not depth:
            assert names.keys() == reached(every, start, 0).keys()
            assert not found.truncated
        check_ways(list(names.values()), start)


def reached(links: set[tuple[str, str]], start: str, depth: int) -> dict[str, int]:
    """Who is made from ``start``, and over how many steps."""
    found: dict[str, int] = {}
    wave, step = {start}, 0
    while wave and (not depth or step < depth):
        step += 1
        wave = {above for above, below in links if below in wave and above not in found}
        found |= dict.fromkeys(wave, step)
    return found


def check_ways(found: list[Derived], start: str) -> None:
    """Each step of each way says that it was made from the one before it."""
    for one in found:
        before = place(start)
        assert len(one.line) == one.generation
        for step in one.line:
            assert step.said.uri.startswith(f"oci://{before}")
            before = step.subject.place
        assert before == one.subject.place
