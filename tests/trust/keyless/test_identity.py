"""Who signed what: a private instance's bundles before the identities that are trusted."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError, UntrustedIdentity
from modelpack.trust.envelope import Bundle
from modelpack.trust.keyless import KeylessIdentity
from modelpack.trust.keyless.verification import Logged, Only
from modelpack.trust.seal import Circumstances, Form, Seal, Voucher
from tests.trust.keyless.authority import ALICE, ISSUER, SIGNED, STATEMENT, Instance, pae, seal_of
from tests.trust.keyless.certificates import Fulcio, der_text
from tests.trust.keyless.rekor import Document, Rekor, b64, dsse_body

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))
WORKFLOW = "https://github.com/acme/models/.github/workflows/release.yml@refs/tags/v1.2"
GITHUB = "https://token.actions.githubusercontent.com"


def check(document: Document | Seal, instance: Instance, identity: str = ALICE, issuer: str = ISSUER) -> Voucher:
    seal = document if isinstance(document, Seal) else seal_of(document)
    return KeylessIdentity("alice", identity, issuer, instance.trusted_root()).check(seal, NOW)


def entry_of(document: Document) -> Document:
    entry: Document = document["verificationMaterial"]["tlogEntries"][0]
    return entry


def test_a_good_one(instance: Instance) -> None:
    voucher = check(instance.sign(), instance)
    assert (voucher.identity, voucher.signer, voucher.time) == ("alice", f"{ALICE} ({ISSUER})", SIGNED)
    assert len(voucher.key) == 64


def test_as_the_reader_of_bundles_hands_it_on(instance: Instance) -> None:
    raw = json.dumps(instance.sign()).encode()
    assert (
        KeylessIdentity("alice", ALICE, ISSUER, instance.trusted_root()).check(Bundle.parse(raw).seal, NOW).time
        == SIGNED
    )


def test_two_certificates_of_one_account_are_one_signer(instance: Instance) -> None:
    bob = "bob@acme.example"
    vouchers = [check(instance.sign(), instance), check(instance.sign(b"{}"), instance)]
    other = check(instance.sign(claims=instance.claims(bob)), instance, bob)
    elsewhere = check(
        instance.sign(claims=instance.claims(issuer="https://b.example")), instance, issuer="https://b.example"
    )
    assert len({voucher.key for voucher in vouchers}) == 1
    assert len({vouchers[0].key, other.key, elsewhere.key}) == 3


def test_another_account(instance: Instance) -> None:
    with pytest.raises(
        UntrustedIdentity, match=r"signed by alice@acme.example \(https://acc.*\), not by bob@acme.example"
    ):
        check(instance.sign(), instance, "bob@acme.example")


def test_another_provider_that_claims_the_same_account(instance: Instance) -> None:
    with pytest.raises(UntrustedIdentity, match="not by"):
        check(instance.sign(claims=instance.claims(issuer="https://evil.example")), instance)


@pytest.mark.parametrize("part", ["alice", "lice@acme.example", "ALICE@acme.example", "alice@acme.example "])
def test_names_are_compared_as_a_whole(part: str, instance: Instance) -> None:
    with pytest.raises(UntrustedIdentity):
        check(instance.sign(), instance, part)


def test_an_altered_payload(instance: Instance) -> None:
    document = instance.sign()
    document["dsseEnvelope"]["payload"] = b64(STATEMENT.replace(b"89", b"98"))
    with pytest.raises(BadSignature, match="does not hold"):
        check(document, instance)


def test_what_is_verified_is_what_was_asked_about(instance: Instance) -> None:
    """A reader who took something else for the message, or for the signature, gets no voucher for it."""
    document = instance.sign()
    with pytest.raises(BadSignature, match="over something else"):
        check(seal_of(document, message=pae(b"{}")), instance)
    with pytest.raises(BadSignature, match="over something else"):
        check(seal_of(document, message=pae(STATEMENT, "text/plain")), instance)
    with pytest.raises(BadSignature, match="over something else"):
        check(replace(seal_of(document), signature=b"another"), instance)


def test_cve_2022_36056_a_log_entry_of_another_signature(instance: Instance) -> None:
    mine, other = instance.sign(), instance.sign(b'{"other":1}')
    mine["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    with pytest.raises(BadSignature, match="does not match bundle"):
        check(mine, instance)


def test_cve_2026_22703_a_log_entry_of_the_same_payload_by_another_key(instance: Instance) -> None:
    mine, other = instance.sign(), instance.sign(claims=instance.claims("mallory@evil.example"))
    mine["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    with pytest.raises(BadSignature, match="signatures do not match"):
        check(mine, instance)


def test_cve_2026_22703_a_promise_of_another_entry(instance: Instance) -> None:
    """Time and promise of an entry from when the certificate was valid, with the proof for a later one."""
    early, late = instance.sign(), instance.sign(claims=instance.claims(), at=SIGNED + timedelta(days=30))
    with pytest.raises(BadSignature):
        check(late, instance)
    for key in ("integratedTime", "inclusionPromise", "logIndex"):
        entry_of(late)[key] = entry_of(early)[key]
    with pytest.raises(BadSignature, match="inclusion promise"):
        check(late, instance)


def test_cve_2026_24122_an_authority_that_had_expired(instance: Instance) -> None:
    old = Instance(Fulcio.make(SIGNED - timedelta(days=366), years=1), instance.rekor)
    with pytest.raises(BadSignature, match="chain"):
        check(old.sign(), old)


def test_cve_2024_55655_a_time_that_nobody_promised(instance: Instance) -> None:
    document = instance.sign()
    del entry_of(document)["inclusionPromise"]
    with pytest.raises(BadSignature, match="inclusion promise or signed timestamp"):
        check(document, instance)


def test_a_certificate_that_had_expired_when_it_was_logged(instance: Instance) -> None:
    with pytest.raises(BadSignature, match="chain"):
        check(instance.sign(at=SIGNED + timedelta(minutes=11)), instance)


def test_a_certificate_from_after_it_was_logged(instance: Instance) -> None:
    with pytest.raises(BadSignature):
        check(instance.sign(at=SIGNED - timedelta(minutes=11)), instance)


def test_another_root(instance: Instance) -> None:
    other = Instance.make()
    with pytest.raises(BadSignature, match="does not hold"):
        check(instance.sign(), other)
    with pytest.raises(BadSignature, match="log entry"):
        check(instance.sign(), Instance(instance.fulcio, other.rekor))
    with pytest.raises(BadSignature, match="chain"):
        check(instance.sign(), Instance(replace(other.fulcio, log=instance.fulcio.log), instance.rekor))
    with pytest.raises(BadSignature, match="SCT"):
        check(instance.sign(), Instance(replace(instance.fulcio, log=other.fulcio.log), instance.rekor))


@pytest.mark.parametrize("count", [0, 2])
def test_the_certificate_log_has_its_say_once(count: int, instance: Instance) -> None:
    with pytest.raises(BadSignature, match="certificate timestamp"):
        check(instance.sign(claims=replace(instance.claims(), timestamps=count)), instance)


def test_a_certificate_for_something_else(instance: Instance) -> None:
    claims = replace(instance.claims(), usage=ExtendedKeyUsageOID.SERVER_AUTH)
    with pytest.raises(BadSignature, match="code signing"):
        check(instance.sign(claims=claims), instance)


def test_without_a_log_entry(instance: Instance) -> None:
    document = instance.sign()
    document["verificationMaterial"]["tlogEntries"] = []
    with pytest.raises(UntrustedIdentity, match="no transparency log has it"):
        check(document, instance)
    with pytest.raises(UntrustedIdentity, match="not in a transparency log"):  # whatever the reader believed
        check(replace(seal_of(document), logged=True), instance)


def test_with_two_log_entries(instance: Instance) -> None:
    document = instance.sign()
    document["verificationMaterial"]["tlogEntries"] *= 2
    with pytest.raises(DocumentError, match="exactly one is allowed, not 2"):
        check(document, instance)


@pytest.mark.parametrize("count", [0, 2])
def test_one_signature(count: int, instance: Instance) -> None:
    document = instance.sign()
    seal = seal_of(document)
    document["dsseEnvelope"]["signatures"] *= count
    raw = json.dumps(document).encode()
    with pytest.raises(DocumentError, match=f"exactly one is allowed, not {count}"):
        check(replace(seal, raw=raw), instance)


def test_a_signed_blob(instance: Instance) -> None:
    document = instance.sign()
    seal = seal_of(document)
    document["messageSignature"] = {"signature": document.pop("dsseEnvelope")["signatures"][0]["sig"]}
    with pytest.raises(DocumentError, match="this signs a blob"):
        check(replace(seal, raw=json.dumps(document).encode()), instance)


def test_a_key(instance: Instance) -> None:
    document = instance.sign()
    document["verificationMaterial"] = {"publicKey": {"hint": "abc"}, "tlogEntries": []}
    with pytest.raises(UntrustedIdentity, match="no transparency log has it"):
        check(document, instance)
    with pytest.raises(UntrustedIdentity, match="signed with a key"):
        check(replace(seal_of(document), logged=True), instance)


@pytest.mark.parametrize("form", [Form.SIMPLE, Form.NOTARY])
def test_other_forms(form: Form, instance: Instance) -> None:
    with pytest.raises(UntrustedIdentity, match=f"form {form} is never keyless"):
        check(replace(seal_of(instance.sign()), form=form), instance)


def test_a_kind_of_entry_that_is_not_known(instance: Instance) -> None:
    document = instance.sign()
    entry_of(document)["kindVersion"] = {"kind": "intoto", "version": "0.0.2"}
    with pytest.raises(CannotVerify, match=r"of a kind that is not known here: intoto 0\.0\.2"):
        check(document, instance)


def test_an_older_bundle(instance: Instance) -> None:
    """Version 0.1 and 0.2 hold a chain of which the first counts."""
    document = instance.sign()
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    leaf = document["verificationMaterial"].pop("certificate")
    document["verificationMaterial"]["x509CertificateChain"] = {"certificates": [leaf]}
    assert check(document, instance).time == SIGNED
    chain = [{"rawBytes": b64(certificate)} for certificate in reversed(instance.fulcio.chain)]
    document["verificationMaterial"]["x509CertificateChain"] = {"certificates": chain}
    with pytest.raises(BadSignature):
        check(document, instance)


def test_a_workflow_by_an_expression(instance: Instance) -> None:
    document = instance.sign(claims=instance.claims(WORKFLOW, GITHUB))
    root = instance.trusted_root()
    pattern = r"https://github\.com/acme/models/\.github/workflows/release\.yml@refs/tags/v[0-9.]+"
    voucher = KeylessIdentity("ci", "", GITHUB, root, identity_regexp=pattern).check(seal_of(document), NOW)
    assert voucher == KeylessIdentity("ci", WORKFLOW, GITHUB, root).check(seal_of(document), NOW)
    assert voucher.signer == f"{WORKFLOW} ({GITHUB})"
    either = KeylessIdentity("ci", WORKFLOW, "", root, issuer_regexp=r"https://(accounts|token)\.actions\..*")
    assert either.check(seal_of(document), NOW).key == voucher.key
    for wrong in (pattern.removesuffix("+"), pattern[1:], "x" + pattern, r"https://github\.com/acme/"):
        with pytest.raises(UntrustedIdentity, match="not by"):
            KeylessIdentity("ci", "", GITHUB, root, identity_regexp=wrong).check(seal_of(document), NOW)


@pytest.mark.parametrize(
    ("identity", "issuer", "patterns", "problem"),
    [
        ("", ISSUER, {}, "the identity of alice is missing"),
        (ALICE, "", {}, "the issuer of alice is missing"),
        (ALICE, ISSUER, {"identity_regexp": "a"}, "the identity of alice is given twice"),
        (ALICE, ISSUER, {"issuer_regexp": "a"}, "the issuer of alice is given twice"),
        ("", ISSUER, {"identity_regexp": "("}, "the identity of alice is not a regular expression"),
    ],
)
def test_identities_that_make_no_sense(identity: str, issuer: str, patterns: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        KeylessIdentity("alice", identity, issuer, None, **patterns)


@pytest.mark.parametrize("root", [b"", b"{", b"[]", b"{}", b'{"mediaType": "application/json"}', b"[" * 100])
def test_roots_that_are_none(root: bytes) -> None:
    with pytest.raises(DocumentError, match="trusted root"):
        KeylessIdentity("alice", ALICE, ISSUER, root)


def test_the_older_extension_alone(instance: Instance) -> None:
    assert check(instance.sign(claims=replace(instance.claims(), issuer_der=b"")), instance).time == SIGNED
    assert check(instance.sign(claims=replace(instance.claims(), raw_issuer="")), instance).time == SIGNED


@pytest.mark.parametrize(
    "change",
    [
        {"raw_issuer": "https://evil.example"},
        {"raw_issuer": "", "issuer_der": b""},
        {"issuer_der": b"\x0c\x05abc"},
        {"issuer_der": der_text(0x16, ISSUER.encode())},
        {"names": (x509.RFC822Name(ALICE), x509.RFC822Name("bob@acme.example"))},
        {"names": (x509.DNSName("acme.example"),)},
        {"names": (x509.OtherName(x509.ObjectIdentifier("1.2.3"), der_text(0x0C, ALICE.encode())),)},
        {"names": (x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), der_text(0x04, ALICE.encode())),)},
    ],
)
def test_certificates_that_name_nobody_or_two(change: Document, instance: Instance) -> None:
    with pytest.raises(BadSignature, match="does not name one account"):
        check(instance.sign(claims=replace(instance.claims(), **change)), instance)


def test_a_user_name_without_a_mail_address(instance: Instance) -> None:
    name = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), der_text(0x0C, b"alice!acme"))
    document = instance.sign(claims=replace(instance.claims(), names=(name,)))
    assert check(document, instance, "alice!acme").signer == f"alice!acme ({ISSUER})"
    with pytest.raises(UntrustedIdentity, match="signed by alice!acme"):
        check(document, instance)


def test_words_of_others_cannot_paint(instance: Instance) -> None:
    evil = "https://evil.example/\x1b[2K\r" + "x" * 3000
    with pytest.raises(UntrustedIdentity) as caught:
        check(instance.sign(claims=instance.claims(evil)), instance)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_nothing_is_asked_and_nothing_is_left(
    instance: Instance,
    connections: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    check(instance.sign(), instance)
    with pytest.raises(BadSignature, match="does not hold"):
        KeylessIdentity("alice", ALICE, ISSUER).check(seal_of(instance.sign(at=datetime.now(UTC))), NOW)
    assert connections == []
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_log_with_many_entries(instance: Instance) -> None:
    """Proofs of every shape: left and right, complete and incomplete trees."""
    rekor = Rekor("rekor.test")
    crowded = Instance(instance.fulcio, rekor)
    for size in range(9):
        del rekor.leaves[size:]
        rekor.leaves.extend(bytes([index]) * 32 for index in range(size - len(rekor.leaves)))
        assert check(crowded.sign(), crowded).time == SIGNED


def test_the_certificate_that_is_verified_is_the_one_that_was_judged(instance: Instance) -> None:
    mine, other = (Logged.read(json.dumps(instance.sign()).encode()) for _ in range(2))
    Only(mine.certificate).verify(mine.certificate)
    with pytest.raises(BadSignature, match="another certificate"):
        Only(mine.certificate).verify(other.certificate)


def test_a_body_that_is_no_entry(instance: Instance) -> None:
    document = instance.sign()
    certificate = x509.load_der_x509_certificate(Bundle.parse(json.dumps(document).encode()).seal.certificates[0])
    body = json.loads(dsse_body(STATEMENT, b"x", certificate))
    changes: tuple[Document, ...] = ({"spec": {}}, {"spec": {"payloadHash": None}})
    for change in changes:
        other = copy.deepcopy(document)
        other["verificationMaterial"]["tlogEntries"] = [
            instance.rekor.append(json.dumps({**body, **change}).encode(), SIGNED)
        ]
        with pytest.raises(BadSignature):
            check(other, instance)
