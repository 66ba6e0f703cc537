"""Text that hides nothing, and figures that add up."""

from __future__ import annotations

import json
import math
from datetime import datetime

import pytest

from modelpack.audit.facts import Cause, Sort, Unchecked
from modelpack.audit.reports import MEANINGS, Vouched, figures, signers, vouched
from modelpack.audit.reports.text import MAX_TEXT, encoded, host, repository, short, visible
from modelpack.oci import JSON
from tests.audit.reports.made import audited, digest, hostile, model, ordinary, signature


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("plain, with ümlauts and 漢字", "plain, with ümlauts and 漢字"),
        ("a\u202eb\u2066\u200b\ufeff\x1b[0m\r\n\0", "a\\u202eb\\u2066\\u200b\\ufeff\\x1b[0m\\r\\n\\x00"),
        ("e" + "\u0301" * 6 + "e\u0301", "e" + "\u0301" * 4 + "\\u0301\\u0301" + "e\u0301"),
        ("\ud800\u2028\U000e0041", "\\ud800\\u2028\\U000e0041"),
        ("x" * (MAX_TEXT + 1), "x" * (MAX_TEXT - 1) + "…"),
    ],
)
def test_nothing_is_invisible_or_endless(given: str, seen: str) -> None:
    assert visible(given) == seen


def test_places() -> None:
    assert (host("registry.example:5000/a/b"), repository("registry.example:5000/a/b")) == (
        "registry.example:5000",
        "a/b",
    )
    assert (host("registry.example"), repository("registry.example")) == ("registry.example", "")
    assert (host("oci:/models/x"), repository("oci:/models/x")) == ("oci:/models/x", "")
    assert short(None) == ""
    assert short(digest("x")) == str(digest("x"))[:19]


def test_whatever_rules_put_into_data_becomes_json() -> None:
    odd: dict[str, object] = {
        "a": math.nan,
        "b": "\ud800<",
        "c": (1, True, None, 2.5),
        "d": datetime(2026, 1, 1),
        "e": {1: []},
    }
    value: JSON = odd  # type: ignore[assignment]  # what users' rules do
    assert json.loads(encoded(value)) == {
        "a": "nan",
        "b": "\\ud800<",
        "c": [1, True, None, 2.5],
        "d": "2026-01-01 00:00:00",
        "e": {"1": []},
    }
    assert encoded("</script><!--") == b'"\\u003c/script\\u003e\\u003c!--"'


@pytest.mark.parametrize(
    ("signatures", "state"),
    [
        ((signature(),), Vouched.TRUSTED),
        ((signature(legacy=True, format="tag"),), Vouched.LEGACY),
        ((signature(legacy=True), signature()), Vouched.TRUSTED),
        ((signature(), signature("bad", Cause.OTHER_SUBJECT)), Vouched.TRUSTED),
        ((signature("untrusted", Cause.UNKNOWN_SIGNER),), Vouched.UNKNOWN),
        ((signature("untrusted", Cause.EXPIRED), signature("untrusted", Cause.UNKNOWN_SIGNER)), Vouched.EXPIRED),
        ((signature("bad", Cause.REVOKED),), Vouched.EXPIRED),
        ((signature("bad", Cause.OTHER_SUBJECT),), Vouched.WRONG),
        ((signature("bad", Cause.BROKEN),), Vouched.UNSIGNED),
        ((signature("unchecked", Cause.UNSUPPORTED),), Vouched.UNCHECKED),
        ((signature(kind="attestation"),), Vouched.UNSIGNED),
        ((), Vouched.UNSIGNED),
    ],
)
def test_the_states_of_signatures(signatures: tuple[object, ...], state: Vouched) -> None:
    assert vouched(model("a", "1", signatures=signatures)) is state
    assert set(MEANINGS) == set(Vouched)


def test_what_could_not_be_looked_at_is_not_unsigned() -> None:
    artifact = model("a", "1", signatures=(), unchecked=(Unchecked("signatures", "no answer", ("MP010",)),))
    assert vouched(artifact) is Vouched.UNCHECKED


def test_signers_are_those_who_are_trusted_and_vouch() -> None:
    three = (
        signature(signers=("b", "a")),
        signature("untrusted", signers=("c",)),
        signature(kind="attestation", signers=("d",)),
    )
    assert signers(model("a", "1", signatures=three)) == ("a", "b")


def test_the_rules_agree_with_the_states() -> None:
    by_rule = {
        "MP010": Vouched.UNSIGNED,
        "MP011": Vouched.UNKNOWN,
        "MP012": Vouched.EXPIRED,
        "MP013": Vouched.WRONG,
        "MP014": Vouched.LEGACY,
    }
    results = ordinary()
    for found in results.findings:
        if found.rule in by_rule and found.subject.digest:
            artifact = results.estate.artifact(found.subject.place, found.subject.digest)
            assert artifact
            assert vouched(artifact) is (Vouched.UNCHECKED if found.unchecked else by_rule[found.rule])


def test_figures() -> None:
    seen = figures(ordinary())
    assert (seen.models, seen.clean, sum(seen.signatures.values())) == (23, 13, 23)
    assert all(seen.signatures.values())
    assert sum(seen.rules.values()) == sum(ordinary().summary.severities.values())


def test_only_what_somebody_vouches_for_is_a_model() -> None:
    index = model("a", "1", sort=Sort.INDEX)
    variant = model("a", listed_by=(index.subject.digest,))
    other = model("a", "2", sort=Sort.OTHER)
    seen = figures(audited((index, variant, other), rules=()))
    assert (seen.models, seen.clean) == (1, 1)
    assert seen.bytes == 3 * index.layers[0].size


def test_what_was_not_checked_in_full_is_not_clean() -> None:
    partly = model("a", "1", unchecked=(Unchecked("a header", "no answer"),))
    assert figures(audited((partly,), rules=())).clean == 0
    assert figures(hostile()).clean == 0
