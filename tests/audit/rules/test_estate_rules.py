"""Rules that look across artifacts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from modelpack.audit.facts import Ancestor
from modelpack.audit.findings import Subject
from modelpack.audit.policy import Exemption, Revocation, Settings
from tests.audit.rules.artifacts import BASE, NOW, PLACE, Listed, clean, digest, estate_hits

COMMIT = "f" * 40
CHILD, GRANDCHILD = (
    Subject("r.example/child", digest("child"), ("v1",)),
    Subject("r.example/grandchild", digest("grandchild")),
)


def test_nothing_is_said_of_an_estate_in_order() -> None:
    assert estate_hits(Listed((clean(),))) == {}


def test_what_is_gone() -> None:
    said = estate_hits(Listed(gone=((CHILD, "tag"), (GRANDCHILD, "digest"))))
    assert {rule: [hit.subject for hit in several] for rule, several in said.items()} == {
        "MP082": [GRANDCHILD],
        "MP083": [CHILD],
    }


def test_revoked_bases_are_found_through_others() -> None:
    steps = (Ancestor("base-model", "org/base", "", COMMIT), Ancestor("base-model", "", "", "", digest("child")))
    descent = {COMMIT: ((CHILD, steps[:1]), (GRANDCHILD, steps))}
    settings = Settings(now=NOW, revoked=(Revocation(COMMIT, "a backdoor"),))
    said = estate_hits(Listed(descent=descent), settings)
    assert set(said) == {"MP090"}
    direct, through = said["MP090"]
    assert (direct.subject, through.subject) == (CHILD, GRANDCHILD)
    assert direct.message == f"it was made from {COMMIT}, which is revoked: a backdoor"
    assert through.message.endswith(f"(through org/base, {digest('child')})")


def test_revocation_by_digest_says_it_of_the_model_itself_too() -> None:
    base = clean()
    revoked = Settings(now=NOW, revoked=(Revocation(str(base.subject.digest), "leaked"),))
    estate = Listed((base,), descent={str(base.subject.digest): ((CHILD, (BASE,)),)})
    said = estate_hits(estate, revoked)
    assert {rule: [hit.subject for hit in several] for rule, several in said.items()} == {
        "MP090": [CHILD],
        "MP091": [base.subject],
    }


def test_revocation_by_pattern_asks_for_each_name_once() -> None:
    models = (
        clean(ancestors=(replace(BASE, name="evil/one"), replace(BASE, name="Evil/Two"))),
        clean(subject=CHILD, ancestors=(replace(BASE, name="good/[x]"), replace(BASE, name=""))),
    )
    descent = dict.fromkeys(("evil/one", "Evil/Two", "good/[x]"), ((CHILD, (BASE,)),))
    patterns = (Revocation("evil/*", "all of them"), Revocation("good/[x]", "no pattern without a star"))
    said = estate_hits(Listed(models, descent=descent), Settings(now=NOW, revoked=patterns))
    assert [(hit.subject, hit.place) for hit in said["MP090"]] == [(CHILD, "evil/*"), (CHILD, "good/[x]")]


def test_templates_of_base_models() -> None:
    base = clean(subject=Subject("r.example/base", digest("base"), ("v1",)), templates={"chat_template.jinja": "aa"})
    pinned = (replace(BASE, commit="", digest=digest("base")),)
    same = clean(ancestors=pinned, templates={"tokenizer_config.json#chat_template": "aa"})
    other = clean(subject=CHILD, ancestors=pinned, templates={"chat_template.jinja": "bb"})
    none = clean(subject=GRANDCHILD, ancestors=pinned)
    unknown = clean(ancestors=(replace(BASE, digest=digest("elsewhere")), *pinned), templates={"x": "bb"})
    said = estate_hits(Listed((base, same, other, none)))
    assert [(hit.subject, hit.place) for hit in said["MP092"]] == [(CHILD, "chat_template.jinja")]
    assert estate_hits(Listed((replace(base, templates={}), other))) == {}
    assert set(estate_hits(Listed((base, unknown)))) == {"MP092"}


def test_the_same_file_in_two_packings() -> None:
    raw, tar = digest("raw"), digest("tar")
    copies = (
        (CHILD, "model.safetensors", raw, 100),
        (Subject(PLACE, digest("model")), "model.safetensors", raw, 100),
        (GRANDCHILD, "weights.tar", tar, 100),
    )
    said = estate_hits(Listed(twice=((raw, copies),)))
    assert [(hit.subject, hit.place) for hit in said["MP103"]] == [(GRANDCHILD, "weights.tar")]


def test_an_exemption_that_has_ended_is_told() -> None:
    ended = Exemption(("MP010", "MP020"), "r.example/*", "until the move", NOW - timedelta(1))
    settings = Settings(now=NOW, exemptions=(ended, replace(ended, expires=NOW + timedelta(1))))
    (hit,) = estate_hits(Listed(), settings)["MP120"]
    assert hit.subject == Subject("r.example/*")
    assert hit.message == "the exemption from MP010, MP020 ended on 2026-11-23: until the move"
