"""What a policy finds missing in evidence, said in sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelpack.errors import InputError
from modelpack.oci import JSON, Descriptor
from modelpack.trust import (
    AllOf,
    AnyOf,
    Attested,
    Evidence,
    Identity,
    InsecureAcceptAnything,
    KeyIdentity,
    Kind,
    Policy,
    Signature,
    SignedBy,
    Statement,
    Status,
    Voucher,
)
from tests.trust.making import NOW, Model, key

TARGET = Descriptor.of("application/vnd.oci.image.manifest.v1+json", b"{}")
A, B, C = (KeyIdentity(key(name).public_key, name.upper()) for name in ("a", "b", "c"))
TYPE = "https://example.com/score"


def vouch(identity: Identity, at: datetime | None = None, fingerprint: str = "") -> Voucher:
    return Voucher(identity.name, f"signer {identity.name}", fingerprint or identity.name, at)


def signature(*vouchers: Voucher, kind: Kind = Kind.SIGNATURE, status: Status = Status.VERIFIED) -> Signature:
    return Signature(TARGET, "bundle", kind, status, vouchers=vouchers)


def stated(*vouchers: Voucher, kind: str = TYPE, **predicate: JSON) -> Signature:
    statement = Statement.build(kind, predicate, TARGET.digest)
    return Signature(
        TARGET, "bundle", Kind.ATTESTATION, Status.VERIFIED, predicate_type=kind, statement=statement, vouchers=vouchers
    )


def findings(policy: Policy, *signatures: Signature) -> tuple[str, ...]:
    return policy.findings(Evidence(TARGET, signatures))


def test_one_of_several_is_enough() -> None:
    policy = SignedBy(A, B)
    assert findings(policy, signature(vouch(B))) == ()
    assert findings(policy) == ("a signature by one of A, B is required",)
    assert findings(SignedBy(A)) == ("a signature by A is required",)
    assert findings(policy, signature(vouch(C))) == findings(policy)
    assert policy.identities == (A, B)


@pytest.mark.parametrize("status", [Status.BAD, Status.UNCHECKED, Status.UNTRUSTED])
def test_only_what_is_verified_counts(status: Status) -> None:
    assert findings(SignedBy(A), signature(vouch(A), status=status)) != ()


def test_other_things_that_are_signed_do_not_count() -> None:
    assert findings(SignedBy(A), stated(vouch(A)), signature(vouch(A), kind=Kind.MODEL)) != ()
    assert findings(SignedBy(A, model_signatures=True), signature(vouch(A), kind=Kind.MODEL)) == ()
    assert findings(SignedBy(A, model_signatures=True), stated(vouch(A))) != ()


def test_a_threshold_counts_keys() -> None:
    policy = SignedBy(A, B, C, threshold=2)
    assert findings(policy, signature(vouch(A)), signature(vouch(B))) == ()
    assert findings(policy, signature(vouch(A), vouch(B))) == ()
    assert findings(policy, signature(vouch(A)), signature(vouch(A))) == ("a signature by 2 of A, B, C is required",)
    one_key = (vouch(A, fingerprint="same"), vouch(B, fingerprint="same"))
    assert findings(policy, signature(*one_key)) != ()
    assert findings(policy, *map(signature, one_key)) != ()


def test_one_key_under_two_names_is_one_signer() -> None:
    """With real signatures: both identities vouch, and it is still one key."""
    first, second = KeyIdentity(key().public_key, "first"), KeyIdentity(key().public_key, "second")
    evidence = Model.make().signed().evidence(first, second)
    assert all(len(one.vouchers) == 2 for one in evidence.signatures)
    assert SignedBy(first, second).findings(evidence) == ()
    assert SignedBy(first, second, threshold=2).findings(evidence) == ("a signature by 2 of first, second is required",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (SignedBy, "nobody is named"),
        (lambda: SignedBy(A, threshold=0), "0 of 1 identities cannot be required"),
        (lambda: SignedBy(A, threshold=2), "2 of 1 identities cannot be required"),
        (lambda: SignedBy(A, A, threshold=2), "2 of 1 identities cannot be required"),
        (lambda: SignedBy(A, after=datetime(2026, 1, 1)), "without a time zone"),
        (lambda: Attested(TYPE), "nobody is named"),
        (lambda: Attested("", A), "needs a type"),
        (lambda: Attested(TYPE, A, threshold=2), "2 of 1"),
        (lambda: Attested(TYPE, A, where={"": 1}), "a path and a value"),
        (lambda: Attested(TYPE, A, where={"a": ()}), "a path and a value"),
        (lambda: KeyIdentity(A.key, until=datetime(2026, 1, 1)), "without a time zone"),
        (AllOf, "would accept anything"),
        (AnyOf, "would accept anything"),
    ],
)
def test_what_cannot_be_required(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_keys_stand_for_identities() -> None:
    (identity,) = SignedBy(A.key).identities
    assert isinstance(identity, KeyIdentity)
    assert identity.name == f"key {A.key.fingerprint[:16]}"


def test_what_was_signed_before_does_not_count() -> None:
    policy = SignedBy(A, after=NOW)
    assert findings(policy, signature(vouch(A, NOW))) == ()
    for at in (NOW - timedelta(seconds=1), None):  # a time that nobody vouches for is none
        assert findings(policy, signature(vouch(A, at))) == (
            "a signature by A after 2026-11-24 by a trusted clock is required",
        )
    assert findings(SignedBy(A, B, after=NOW)) == (
        "a signature by one of A, B after 2026-11-24 by a trusted clock is required",
    )


def test_attestations() -> None:
    policy = Attested(TYPE, A)
    assert findings(policy, stated(vouch(A))) == ()
    assert findings(policy, stated(vouch(A), kind=TYPE + "/")) == (
        f"an attestation of the type {TYPE} by A is required",
    )
    assert findings(policy, stated(vouch(B))) != ()
    assert findings(policy, signature(vouch(A))) != ()
    assert findings(Attested(TYPE, A, after=NOW), stated(vouch(A))) != ()
    assert findings(Attested(TYPE, A, B, threshold=2), stated(vouch(A)), stated(vouch(B))) == ()


PREDICATE: dict[str, Any] = {"a": {"b": [1, {"c": True}], "": 0}, "n": None, "t": True, "i": 1, "f": 1.0, "s": "x"}


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ({"s": "x"}, True),
        ({"s": ("y", "x")}, True),
        ({"s": "X"}, False),
        ({"s": ["x"]}, False),
        ({"s.x": "x"}, False),
        ({"t": True}, True),
        ({"t": 1}, False),
        ({"i": 1}, True),
        ({"i": True}, False),
        ({"i": 1.0}, False),
        ({"f": 1.0}, True),
        ({"f": 1}, False),
        ({"n": None}, True),
        ({"absent": None}, False),
        ({"a.b": [1, {"c": True}]}, True),
        ({"a.b": [True, {"c": True}]}, False),
        ({"a.b": [1, {"c": 1}]}, False),
        ({"a.b": [1]}, False),
        ({"a.b.0": 1}, False),
        ({"a": {"b": [1, {"c": True}], "": 0}}, True),
        ({"a": {"b": [1, {"c": True}]}}, False),
        ({"a": {"b": [1, {"c": True}], "": False}}, False),
        ({"a.": 0}, True),
        ({"a..b": 0}, False),
        ({".": None}, False),
        ({"s": "x", "t": True}, True),
        ({"s": "x", "t": False}, False),
    ],
)
def test_conditions(where: dict[str, JSON | tuple[JSON, ...]], fits: bool) -> None:
    assert (findings(Attested(TYPE, A, where=where), stated(vouch(A), **PREDICATE)) == ()) == fits


def test_a_condition_that_does_not_hold_is_named() -> None:
    policy = Attested(TYPE, A, where={"s": "x", "a.b": ("y", 1)})
    assert findings(policy, stated(vouch(A), s="x", a={"b": "z"})) == (
        f"an attestation of the type {TYPE} by A whose a.b is 'y' or 1 is required",
    )
    assert findings(policy, stated(vouch(A)), stated(vouch(A), s="x", a={"b": 1})) == ()


def test_all_and_any() -> None:
    both, either = AllOf(SignedBy(A), SignedBy(B)), AnyOf(SignedBy(A), AllOf(SignedBy(B), SignedBy(C)))
    assert findings(both, signature(vouch(A))) == ("a signature by B is required",)
    assert findings(both, signature(vouch(A)), signature(vouch(B))) == ()
    assert findings(either, signature(vouch(A))) == ()
    assert findings(either, signature(vouch(B)), signature(vouch(C))) == ()
    assert findings(either) == (
        "a signature by A is required; or a signature by B is required and a signature by C is required",
    )
    assert both.identities == (A, B)
    assert either.identities == (A, B, C)
    assert findings(AnyOf(SignedBy(A), InsecureAcceptAnything())) == ()


def test_signatures_as_json() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    one = Signature(
        TARGET, "tag", Kind.SIGNATURE, Status.VERIFIED, "why", vouchers=(Voucher("A", "a", "k", at, ("r",)), vouch(B))
    )
    assert one.signer == "a, signer B"
    assert Evidence(TARGET, (one,), 3).to_json() == {
        "digest": str(TARGET.digest),
        "skipped": 3,
        "signatures": [
            {
                "manifest": str(TARGET.digest),
                "format": "tag",
                "kind": "signature",
                "predicateType": "",
                "status": "verified",
                "reason": "why",
                "signers": [
                    {"identity": "A", "signer": "a", "key": "k", "time": "2026-01-01T00:00:00Z", "remarks": ["r"]},
                    {"identity": "B", "signer": "signer B", "key": "B", "time": None, "remarks": []},
                ],
            }
        ],
    }
