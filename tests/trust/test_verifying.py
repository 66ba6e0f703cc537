"""Evidence against a policy: what is returned, and the error that says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelpack.errors import (
    BadSignature,
    CannotVerify,
    ModelPackError,
    NoSignature,
    PolicyViolation,
    UntrustedIdentity,
    VerificationError,
)
from modelpack.trust import (
    AnyOf,
    Attested,
    Evidence,
    InsecureAcceptAnything,
    KeyIdentity,
    Policy,
    SignatureFormat,
    SignedBy,
    verify,
)
from modelpack.trust.verifying import refusal
from tests.trust.making import HERE, Model, attached, check, key, sealed

OWNER, OTHER = KeyIdentity(key().public_key, "owner"), KeyIdentity(key("other").public_key, "other")
LISTED = SignatureFormat.OMS


def test_a_policy_that_is_satisfied() -> None:
    model = Model.make().signed()
    done = check(model, SignedBy(OWNER))
    assert (done.store, done.descriptor, done.reference) == (model.store, model.target.descriptor, "here")
    assert done.is_vouched_for
    assert len(done.evidence.signatures) == 3
    assert verify(model.store, model.target, SignedBy(OWNER), HERE).reference == str(model.target.descriptor.digest)


def test_who_accepts_anything_is_told_that_nobody_vouches() -> None:
    model = Model.make().signed()
    assert not check(model, InsecureAcceptAnything()).is_vouched_for
    assert check(model, InsecureAcceptAnything()).evidence.signatures == ()
    either = AnyOf(SignedBy(OTHER), InsecureAcceptAnything())
    assert not check(model, either).is_vouched_for
    assert check(model.signed(key("other")), either).is_vouched_for


CASES: list[tuple[Callable[[], Model], Policy, type[ModelPackError], str]] = [
    (Model.make, SignedBy(OWNER), NoSignature, "here is not signed: a signature by owner is required"),
    (
        lambda: Model.make().signed(key("other")),
        SignedBy(OWNER),
        UntrustedIdentity,
        "here is signed, but not by anybody trusted: a signature by owner is required; not made with owner",
    ),
    (
        lambda: Model.make().signed(key(), LISTED),
        SignedBy(OWNER),
        PolicyViolation,
        "here does not satisfy the policy: a signature by owner is required",
    ),
    (
        lambda: attached(Model.make(), b"{"),
        SignedBy(OWNER),
        BadSignature,
        "here has no good signature: a signature by owner is required; bundle: not JSON",
    ),
    (
        lambda: Model.make().signed(),
        Attested("https://example.com/x", OWNER),
        PolicyViolation,
        "an attestation of the type https://example.com/x by owner is required",
    ),
    (
        lambda: attached(Model.make(), sealed(b"{}", kind="text/plain")),
        SignedBy(OWNER),
        BadSignature,
        "envelope: payloadType: application/vnd.in-toto\\+json is required",
    ),
]


@pytest.mark.parametrize(("make", "policy", "error", "message"), CASES)
def test_refusals(make: Callable[[], Model], policy: Policy, error: type[ModelPackError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        check(make(), policy)
    assert type(caught.value) is error
    assert isinstance(caught.value, VerificationError | PolicyViolation)
    assert isinstance(caught.value.evidence, Evidence)
    if isinstance(caught.value, PolicyViolation):
        assert caught.value.findings


def test_a_bad_signature_beside_a_good_one_does_no_harm() -> None:
    model = attached(Model.make().signed(), b"{", sealed(b"{}"))
    assert check(model, SignedBy(OWNER)).is_vouched_for


def test_a_refusal_without_evidence_of_why() -> None:
    evidence = Evidence(Model.make().target.descriptor, skipped=7)
    error = refusal("here", ("a signature is required",), evidence)
    assert isinstance(error, CannotVerify)
    assert "7 signatures more are attached than are looked at" in str(error)
