"""Side by side with the real notation: each accepts what the other signed, and both refuse the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from modelpack.errors import BadSignature, UntrustedIdentity
from modelpack.trust.notary import NotaryIdentity, TrustPolicy, TrustStore, parse_envelope, sign
from modelpack.trust.seal import Circumstances, Voucher
from modelpack.trust.x509 import load_crls
from tests.real.registries import Registry
from tests.trust.notary.notation import Model, Notation, policy, stamping
from tests.trust.x509.making import AUTHORITY, DAY, LEAF, YEAR, Issued, around, crl, intermediate, issue, leaf, real_now
from tests.trust.x509.making import root as make_root
from tests.trust.x509.making import subject as make_subject
from tests.trust.x509.making import tsa as make_tsa

TODAY = real_now()
ROOT = make_root(profile=around(TODAY, AUTHORITY, YEAR))
ISSUING = intermediate(ROOT, profile=around(TODAY, AUTHORITY, YEAR))


def signer_of(kind: str = "p256", name: str = "signer", parent: Issued = ISSUING) -> Issued:
    return leaf(around(TODAY, LEAF), parent, kind=kind, name=name)


@pytest.fixture
def notation(tmp_path: Path) -> Notation:
    made = Notation(tmp_path / "config")
    made.trust(ROOT, document=policy())
    return made


class MakeModel(Protocol):
    def __call__(self, registry: Registry) -> Model: ...


@pytest.fixture
def make_model() -> Iterator[MakeModel]:
    with ExitStack() as stack:

        def make(registry: Registry) -> Model:
            model = Model(registry)
            stack.enter_context(model.store)
            return model

        yield make


@pytest.fixture
def model(crane_registry: Registry, make_model: MakeModel) -> Model:
    return make_model(crane_registry)


def judge(model: Model, notation: Notation, *, crls: tuple[bytes, ...] = ()) -> list[Voucher]:
    """What we say, by notation's own configuration, about everything that is attached."""
    document = TrustPolicy.parse((notation.home / "trustpolicy.json").read_bytes())
    identity = NotaryIdentity("acme", document, TrustStore(notation.truststore), load_crls(crls))
    found = []
    for seal, target in model.seals():
        assert target.plain() == model.descriptor
        found.append(identity.check(seal, Circumstances(real_now(), model.repository)))
    assert found
    return found


def sign_ours(model: Model, signer: Issued, **options: object) -> None:
    model.attach(sign(model.descriptor, signer.signer, signer.chain_pem, now=real_now(), **options))  # type: ignore[arg-type]


def test_notation_accepts_ours(registry: Registry, notation: Notation, make_model: MakeModel) -> None:
    model = make_model(registry)
    sign_ours(model, signer_of(), annotations={"run": "7 <&>"}, expiry=real_now() + DAY)
    notation.run("verify", "--insecure-registry", "-m", "run=7 <&>", model.pinned)
    assert not notation.accepts(model, "-m", "run=8")
    assert judge(model, notation)


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_we_accept_notations(registry: Registry, notation: Notation, make_model: MakeModel, form: str) -> None:
    model = make_model(registry)
    notation.key(signer := signer_of())
    notation.sign(model, "--signature-format", form, "--expiry", "24h", "-m", "run=7", "--force-referrers-tag=false")
    ((seal, target),) = model.seals()
    assert target.annotations == {"run": "7"}
    assert seal.certificates == signer.ders
    envelope = parse_envelope(seal.media_type, seal.raw)
    assert envelope.expiry is not None
    assert envelope.signing_time is not None
    assert envelope.expiry - envelope.signing_time == DAY
    assert envelope.agent.startswith("notation")
    (voucher,) = judge(model, notation)
    assert voucher.signer == "C=US, ST=WA, O=acme, CN=signer"
    assert voucher.key == signer.signer.public_key.fingerprint
    assert notation.accepts(model)


@pytest.mark.parametrize("kind", ["p384", "p521", "rsa2048", "rsa3072"])
def test_both_know_every_kind_of_key(model: Model, notation: Notation, kind: str) -> None:
    signer = signer_of(kind)
    sign_ours(model, signer)
    assert notation.accepts(model)
    notation.key(signer)
    notation.sign(model)
    notation.sign(model, "--signature-format", "cose")
    assert len(judge(model, notation)) == 3


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_notations_test_certificate(model: Model, tmp_path: Path, form: str) -> None:
    """A single self-signed certificate, as notation makes it for a first try."""
    notation = Notation(tmp_path / "config")
    notation.run("cert", "generate-test", "--default", "wabbit")
    identity = "x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=wabbit"
    notation.trust(document=policy(identity=identity, trustStores=["ca:wabbit"]))
    notation.sign(model, "--signature-format", form)
    assert notation.accepts(model)
    assert len(judge(model, notation)) == 1


def test_notation_shows_what_we_wrote(model: Model, notation: Notation) -> None:
    signer = signer_of()
    sign_ours(model, signer, agent="modelpack/1.0", expiry=real_now() + DAY)
    said = notation.run("inspect", "--insecure-registry", "--output", "json", model.pinned)
    (shown,) = json.loads(said.stdout)["Signatures"]
    assert shown["mediaType"] == "application/jose+json"
    assert shown["unsignedAttributes"]["signingAgent"] == "modelpack/1.0"
    assert len(shown["certificates"]) == 3
    assert shown["signedArtifact"]["digest"] == str(model.descriptor.digest)
    listed = notation.run("list", "--insecure-registry", model.pinned)
    assert str(model.store.referrers(model.descriptor)[0].digest) in listed.stdout


def test_both_refuse_another_root(model: Model, tmp_path: Path) -> None:
    notation = Notation(tmp_path / "config")
    notation.trust(make_root(profile=around(TODAY, AUTHORITY), number=5), document=policy())
    sign_ours(model, signer_of())
    assert not notation.accepts(model)
    with pytest.raises(UntrustedIdentity, match="leads to none of the trusted roots"):
        judge(model, notation)


def test_both_refuse_another_subject(model: Model, notation: Notation) -> None:
    sign_ours(model, signer_of(name="somebody"))
    assert not notation.accepts(model)
    with pytest.raises(UntrustedIdentity, match="CN=somebody, who is not among the trusted"):
        judge(model, notation)


def test_both_refuse_a_signature_about_another_model(
    model: Model, crane_registry: Registry, notation: Notation, make_model: MakeModel
) -> None:
    """Moved over to another manifest: the claim is what tells, since the signature itself is sound."""
    other = make_model(crane_registry)
    signer = signer_of()
    model.attach(sign(other.descriptor, signer.signer, signer.chain_pem, now=real_now()))
    assert not notation.accepts(model)
    ((_, target),) = model.seals()
    assert target.plain() == other.descriptor
    assert other.descriptor != model.descriptor


def test_both_refuse_what_expired(model: Model, notation: Notation) -> None:
    signer = signer_of()
    before = real_now() - timedelta(hours=2)
    model.attach(
        sign(model.descriptor, signer.signer, signer.chain_pem, now=before, expiry=before + timedelta(hours=1))
    )
    assert not notation.accepts(model)
    with pytest.raises(BadSignature, match="the signature expired"):
        judge(model, notation)
    notation.trust(document=policy(level="permissive"))
    assert notation.accepts(model)
    (voucher,) = judge(model, notation)
    assert any(remark.startswith("expiry is not enforced") for remark in voucher.remarks)


def test_both_refuse_an_expired_certificate(model: Model, notation: Notation) -> None:
    then = TODAY - 40 * DAY
    signer = leaf(around(then, LEAF), ISSUING)
    model.attach(sign(model.descriptor, signer.signer, signer.chain_pem, now=then))
    assert not notation.accepts(model)
    with pytest.raises(BadSignature, match="had expired"):
        judge(model, notation)


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_both_take_an_expired_certificate_with_a_timestamp(
    model: Model, notation: Notation, tmp_path: Path, form: str
) -> None:
    """notation signs and has it stamped; then the certificate expires, as far as we are told."""
    stamper = make_tsa(tmp_path / "tsa")
    top = stamper.stamper.chain[-1]
    (tmp_path / "tsa-root.pem").write_bytes(top.pem)
    # notation wants to know about the authority's revocation too, and these certificates name no place to ask at.
    notation.trust(top, kind="tsa", name="clock")
    notation.trust(document=policy(trustStores=["ca:acme", "tsa:clock"]))
    notation.key(signer_of())
    with stamping(stamper) as url:
        stamp = ["--timestamp-url", url, "--timestamp-root-cert", str(tmp_path / "tsa-root.pem")]
        notation.sign(model, "--signature-format", form, *stamp)
    assert notation.accepts(model)
    (voucher,) = judge(model, notation)
    assert voucher.time is not None
    assert abs(voucher.time - real_now()) < timedelta(minutes=2)
    ((seal, _),) = model.seals()
    identity = NotaryIdentity.pinned("acme", (ROOT.certificate,), "CN=signer", tsa_roots=(top.certificate,))
    later = identity.check(seal, Circumstances(real_now() + 100 * DAY))
    assert later.time == voucher.time


def test_notation_takes_our_timestamp(model: Model, notation: Notation, tmp_path: Path) -> None:
    from modelpack.trust.x509.cms import token_in

    stamper = make_tsa(tmp_path / "tsa")
    notation.trust(stamper.stamper.chain[-1], kind="tsa", name="clock")
    notation.trust(document=policy(trustStores=["ca:acme", "tsa:clock"]))
    sign_ours(model, signer_of())
    assert not notation.accepts(model)
    with pytest.raises(BadSignature, match="no timestamp, which the policy asks for"):
        judge(model, notation)
    sign_ours(model, signer_of(), stamp=lambda signature: token_in(stamper.respond(signature)))
    assert notation.accepts(model)


def test_a_policy_for_another_repository_does_not_apply(model: Model, notation: Notation) -> None:
    sign_ours(model, signer_of())
    notation.trust(document=policy(scope=model.repository))
    assert notation.accepts(model)
    assert judge(model, notation)
    notation.trust(document=policy(scope=f"{model.repository}-other"))
    assert not notation.accepts(model)
    with pytest.raises(UntrustedIdentity, match="no trust policy applies"):
        judge(model, notation)


def test_audit_lets_everybody_pass_and_says_so(model: Model, notation: Notation) -> None:
    notation.trust(document=policy(level="audit"))
    stranger = leaf(around(TODAY, LEAF), make_root(profile=around(TODAY, AUTHORITY), number=5))
    sign_ours(model, stranger)
    assert notation.accepts(model)
    (voucher,) = judge(model, notation)
    assert any(remark.startswith("authenticity is not enforced") for remark in voucher.remarks)


def test_our_revocation_list_is_one_for_notation_too(model: Model, notation: Notation) -> None:
    """We are given the lists; the certificates name no place, so that notation asks nobody."""
    signer = signer_of()
    sign_ours(model, signer)
    since, until = TODAY - DAY, TODAY + DAY
    with pytest.raises(BadSignature, match="was revoked"):
        judge(model, notation, crls=(crl(ISSUING, signer, issued=since, expires=until),))
    (voucher,) = judge(
        model, notation, crls=tuple(crl(issuer, issued=since, expires=until) for issuer in (ISSUING, ROOT))
    )
    assert voucher.remarks == ()


def test_both_refuse_altered_envelopes(model: Model, notation: Notation) -> None:
    signer = signer_of()
    envelope = json.loads(sign(model.descriptor, signer.signer, signer.chain_pem, now=real_now()))
    head, tail = envelope["signature"][:-6], envelope["signature"][-6:]
    envelope["signature"] = head + ("A" if tail[0] != "A" else "B") + tail[1:]
    model.attach(json.dumps(envelope).encode())
    assert not notation.accepts(model)
    with pytest.raises(BadSignature):
        judge(model, notation)


def test_names_with_special_characters(model: Model, notation: Notation) -> None:
    signer = issue(make_subject('Größe, "x"; #1 +y', O="acme, inc."), ISSUING, around(TODAY, LEAF), number=3)
    written = 'x509.subject: C=US, ST=WA, O=acme\\, inc., CN=Größe\\, \\"x\\"\\; \\#1 \\+y'
    notation.trust(document=policy(identity=written))
    sign_ours(model, signer)
    assert notation.accepts(model)
    assert judge(model, notation)
