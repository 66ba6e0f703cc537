"""Whether an audit trusts the same people as the last one: then it need not judge again."""

from __future__ import annotations

from modelpack.audit.running.trusted import trust_fingerprint
from modelpack.trust import SignedBy
from modelpack.trust.notary import NotaryIdentity
from modelpack.trust.x509 import load_crls
from tests.trust.making import key
from tests.trust.x509.making import crl, leaf, root

TOP = root()
EMPTY, FULL = crl(TOP), crl(TOP, leaf(parent=TOP))


def notary(*lists: bytes) -> SignedBy:
    """Whoever the root vouches for, except those on some lists."""
    return SignedBy(NotaryIdentity.pinned("acme", (TOP.certificate,), "C=US, ST=WA, O=acme", crls=load_crls(lists)))


def test_the_same_policy_is_the_same() -> None:
    assert trust_fingerprint(SignedBy(key().public_key)) == trust_fingerprint(SignedBy(key().public_key))
    assert trust_fingerprint(notary(EMPTY)) == trust_fingerprint(notary(EMPTY))
    assert trust_fingerprint(None) == trust_fingerprint(None)


def test_another_key_or_list_is_another() -> None:
    assert trust_fingerprint(SignedBy(key().public_key)) != trust_fingerprint(SignedBy(key("other").public_key))
    assert trust_fingerprint(notary(EMPTY)) != trust_fingerprint(notary(FULL))
    assert trust_fingerprint(notary()) != trust_fingerprint(notary(EMPTY))


def test_what_cannot_be_told_to_be_the_same_is_another_each_time() -> None:
    class Own:
        pass

    one = Own()
    assert trust_fingerprint(one) != trust_fingerprint(one)
