"""Time stamps by a real authority (``openssl ts``), right and wrong ones. Its clock is the machine's, so the tests' is too."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from modelpack.errors import BadSignature, CannotVerify, DocumentError, ModelPackError, UntrustedIdentity
from modelpack.trust.x509 import Timestamp, verify_response, verify_token
from modelpack.trust.x509.cms import MAX_TOKEN, token_in
from tests.trust.x509.making import (
    AUTHORITY,
    DAY,
    LEAF,
    STAMPER,
    Tsa,
    around,
    crl,
    intermediate,
    issue,
    real_now,
    root,
    subject,
    tsa,
)

MESSAGE = b"the bytes of a signature"
ONE_SECOND_AND_A_HALF = timedelta(seconds=1, milliseconds=500, microseconds=100)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return tsa(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def response(authority: Tsa) -> bytes:
    return authority.respond(MESSAGE)


def verify(made: Tsa, response: bytes, message: bytes = MESSAGE) -> Timestamp:
    return verify_response(response, message, (made.stamper.chain[-1].certificate,), now=real_now())


def test_a_good_timestamp(authority: Tsa, response: bytes) -> None:
    found = verify(authority, response)
    assert abs(found.time - real_now()) < timedelta(minutes=1)
    assert found.accuracy == ONE_SECOND_AND_A_HALF
    assert found.period.end - found.period.begin == 2 * ONE_SECOND_AND_A_HALF
    assert found.path == authority.stamper.certificates
    top = authority.stamper.chain[-1].certificate
    assert verify_token(token_in(response), MESSAGE, (top,), now=real_now()) == found


@pytest.mark.parametrize("kind", ["p384", "rsa2048"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_keys_and_hashes(tmp_path: Path, kind: str, digest: str) -> None:
    made = tsa(tmp_path / "tsa", kind=kind)
    assert verify(made, made.respond(MESSAGE, digest=digest, signer_digest=digest, ess=digest))


def test_the_chain_may_have_an_intermediate_in_the_token(tmp_path: Path) -> None:
    now = real_now()
    top = root("tsa root", around(now, AUTHORITY))
    middle = intermediate(top, "tsa issuing", around(now, AUTHORITY))
    made = Tsa(tmp_path / "tsa", issue(subject("tsa"), middle, around(now, STAMPER), number=11))
    assert len(verify(made, made.respond(MESSAGE)).path) == 3


def test_the_imprint_of_something_else(authority: Tsa, response: bytes) -> None:
    with pytest.raises(BadSignature, match="about another signature"):
        verify(authority, response, MESSAGE + b"!")


def test_another_authority(tmp_path: Path, response: bytes) -> None:
    """Also one of the same name: the certificate in the token is no proof of anything."""
    other = root("tsa root", around(real_now(), AUTHORITY), number=99)
    with pytest.raises(UntrustedIdentity, match="leads to none of the trusted roots"):
        verify_response(response, MESSAGE, (other.certificate,), now=real_now())
    with pytest.raises(UntrustedIdentity):
        verify_response(response, MESSAGE, (), now=real_now())


@pytest.mark.parametrize("profile", [LEAF, STAMPER.with_(purposes_critical=False)])
def test_a_certificate_that_is_not_for_time_stamps(tmp_path: Path, profile: Any) -> None:
    """openssl refuses to stamp with it, so it stamps with a good one and another certificate takes its place."""
    made = tsa(tmp_path / "tsa")
    response = made.respond(MESSAGE, certs=False)
    wrong = issue(subject("tsa"), made.stamper.issuer, around(real_now(), profile), number=11)

    def swap(signed: Any) -> None:
        (one,) = signed["signer_infos"]
        one["sid"] = asn1_cms.SignerIdentifier(
            "issuer_and_serial_number",
            {
                "issuer": asn1_cms.Certificate.load(wrong.der).issuer,
                "serial_number": wrong.raw.serial_number,
            },
        )
        signed["certificates"] = [asn1_cms.CertificateChoices("certificate", asn1_cms.Certificate.load(wrong.der))]

    with pytest.raises(BadSignature, match="another certificate than the one in it"):
        verify(made, changed(response, swap))


def test_an_expired_authority(tmp_path: Path) -> None:
    """openssl does not look at the dates of its own certificate."""
    top = root("tsa root", around(real_now(), AUTHORITY))
    for end, message in ((real_now() - DAY, "had expired"), (None, "")):
        begin = real_now() - 2 * DAY if end else real_now() + DAY
        profile = STAMPER.with_(begin=begin, end=end or real_now() + 2 * DAY)
        made = Tsa(tmp_path / "tsa", issue(subject("tsa"), top, profile, number=11))
        with pytest.raises(BadSignature, match=message or "not valid yet"):
            verify(made, made.respond(MESSAGE))


def test_a_timestamp_from_the_future(authority: Tsa, response: bytes) -> None:
    top = authority.stamper.chain[-1].certificate
    with pytest.raises(BadSignature, match="lies in the future"):
        verify_response(response, MESSAGE, (top,), now=real_now() - timedelta(minutes=10))
    assert verify_response(response, MESSAGE, (top,), now=real_now() - timedelta(minutes=3))


def test_sha1_is_not_safe(authority: Tsa) -> None:
    with pytest.raises(BadSignature, match="about another signature"):
        verify(authority, authority.respond(MESSAGE, digest="sha1"))
    with pytest.raises(BadSignature, match="'sha1', which is not safe"):
        verify(authority, authority.respond(MESSAGE, signer_digest="sha1"))


def test_a_token_that_does_not_sign_its_certificate_well_enough(authority: Tsa) -> None:
    """signing-certificate (SHA-1) where signing-certificate-v2 is required."""
    with pytest.raises(BadSignature, match="which certificate made it"):
        verify(authority, authority.respond(MESSAGE, ess="sha1"))


def test_a_token_without_certificates(authority: Tsa) -> None:
    with pytest.raises(DocumentError, match=r"1 to 10 are allowed|not readable"):
        verify(authority, authority.respond(MESSAGE, certs=False))


def test_a_refusal(authority: Tsa) -> None:
    refusal = authority.answer(b"not a query")
    with pytest.raises(ModelPackError):
        verify(authority, refusal)
    stamped = tsp.TimeStampResp.load(authority.respond(MESSAGE))
    stamped["status"] = {"status": "rejection"}
    with pytest.raises(BadSignature, match="a refusal"):
        verify(authority, stamped.dump(force=True))


def changed(response: bytes, change: Callable[[Any], None]) -> bytes:
    """The response after a change to its SignedData."""
    parsed = tsp.TimeStampResp.load(response)
    signed = parsed["time_stamp_token"]["content"]
    signed.native  # noqa: B018  # parses all of it, or else the change is not written
    change(signed)
    for level in (signed, parsed["time_stamp_token"], parsed):
        level._contents = None
    return bytes(parsed.dump(force=True))


def attribute(name: str) -> Callable[[Any], Any]:
    return lambda signed: next(a for a in signed["signer_infos"][0]["signed_attrs"] if a["type"].native == name)


def set_type(signed: Any) -> None:
    signed["encap_content_info"]["content_type"] = "data"


def two_signers(signed: Any) -> None:
    one = signed["signer_infos"][0]
    signed["signer_infos"] = [one, one.copy()]


def no_attributes(signed: Any) -> None:
    signed["signer_infos"][0]["signed_attrs"] = []


def twice(signed: Any) -> None:
    one = signed["signer_infos"][0]
    one["signed_attrs"] = [*one["signed_attrs"], *one["signed_attrs"]]


def other_digest(signed: Any) -> None:
    attribute("message_digest")(signed)["values"] = [b"0" * 32]


def other_signature(signed: Any) -> None:
    signed["signer_infos"][0]["signature"] = b"0" * 70


def other_content_type(signed: Any) -> None:
    attribute("content_type")(signed)["values"] = ["data"]


def other_algorithm(signed: Any) -> None:
    signed["signer_infos"][0]["signature_algorithm"] = {"algorithm": "sha512_ecdsa"}


def other_kind(signed: Any) -> None:
    signed["signer_infos"][0]["signature_algorithm"] = {"algorithm": "sha256_rsa"}


def unknown_signer(signed: Any) -> None:
    signed["signer_infos"][0]["sid"] = asn1_cms.SignerIdentifier("subject_key_identifier", b"nobody")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_type, "something else than a time is signed|not readable"),
        (two_signers, "not readable"),
        (no_attributes, "which certificate made it"),
        (twice, "stands twice"),
        (other_digest, "its time is not what was signed"),
        (other_signature, "signature does not match"),
        (other_content_type, "about something else than a time"),
        (other_algorithm, "mixes two hashes"),
        (other_kind, "signature does not match"),
        (unknown_signer, "certificate of its signer is not in it"),
    ],
)
def test_tokens_that_were_tampered_with(
    authority: Tsa, response: bytes, change: Callable[[Any], None], message: str
) -> None:
    with pytest.raises((BadSignature, DocumentError), match=message):
        verify(authority, changed(response, change))


def resigned(made: Tsa, response: bytes, change: Callable[[Any], None]) -> bytes:
    """The response with another time in it (TSTInfo after a change), signed again by the authority itself."""

    def rewrite(signed: Any) -> None:
        info = tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"]))
        info.native  # noqa: B018  # parses all of it
        change(info)
        content = info.dump(force=True)
        signed["encap_content_info"]["content"] = core.ParsableOctetString(content, explicit=0)
        attribute("message_digest")(signed)["values"] = [hashlib.sha256(content).digest()]
        one = signed["signer_infos"][0]
        message = b"\x31" + one["signed_attrs"].dump(force=True)[1:]
        key, digest = made.stamper.key, hashes.SHA256()
        if isinstance(key, rsa.RSAPrivateKey):
            one["signature"] = key.sign(message, padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH), digest)
            parameters = {"hash_algorithm": {"algorithm": "sha256"}, "salt_length": 32}
            one["signature_algorithm"] = {"algorithm": "rsassa_pss", "parameters": parameters}
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            one["signature"] = key.sign(message, ec.ECDSA(digest))

    return changed(response, rewrite)


def set_extension(info: Any) -> None:
    info["extensions"] = [{"extn_id": "1.2.3", "critical": True, "extn_value": b"\x05\x00"}]


def set_version(info: Any) -> None:
    info["version"] = 2


def set_no_accuracy(info: Any) -> None:
    info["accuracy"] = None


def set_long_accuracy(info: Any) -> None:
    info["accuracy"] = {"seconds": 10**12}


def set_end_of_the_calendar(info: Any) -> None:
    info["gen_time"] = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_times_of_a_kind_that_is_not_known(authority: Tsa, response: bytes) -> None:
    for change in (set_extension, set_version):
        with pytest.raises((CannotVerify, DocumentError)):
            verify(authority, resigned(authority, response, change))
    with pytest.raises(CannotVerify, match="of a kind that is not known"):
        verify(authority, resigned(authority, response, set_extension))
    for change in (set_long_accuracy, set_end_of_the_calendar):
        with pytest.raises(DocumentError, match="not readable"):
            verify(authority, resigned(authority, response, change))
    assert verify(authority, resigned(authority, response, set_no_accuracy)).accuracy == timedelta()


def test_rsa_pss(tmp_path: Path) -> None:
    made = tsa(tmp_path / "tsa", kind="rsa2048")
    assert verify(made, resigned(made, made.respond(MESSAGE), lambda _: None))


def test_a_signer_that_is_named_by_its_key_identifier(tmp_path: Path) -> None:
    now = real_now()
    top = root("tsa root", around(now, AUTHORITY))
    identifier = x509.SubjectKeyIdentifier(b"this one")
    stamper = issue(subject("tsa"), top, around(now, STAMPER.with_(extra=((identifier, False),))), number=11)
    made = Tsa(tmp_path / "tsa", stamper)

    def name(signed: Any) -> None:
        signed["signer_infos"][0]["sid"] = asn1_cms.SignerIdentifier("subject_key_identifier", b"this one")

    assert verify(made, changed(made.respond(MESSAGE), name))


def test_what_is_signed_but_no_signed_data(authority: Tsa) -> None:
    digested = asn1_cms.ContentInfo({"content_type": "data", "content": b"x"})
    with pytest.raises(DocumentError, match="no signed data"):
        verify_token(digested.dump(), MESSAGE, (), now=real_now())


def test_the_tampering_itself_changes_nothing_else(authority: Tsa, response: bytes) -> None:
    assert verify(authority, changed(response, lambda _: None))


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"hello", b"\x30\x80" * 5000, b"0" * (MAX_TOKEN + 1)])
def test_garbage(data: bytes) -> None:
    for check in (verify_response, verify_token):
        with pytest.raises(DocumentError):
            check(data, MESSAGE, (), now=real_now())


def test_without_the_library_it_says_what_to_install(response: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("asn1crypto"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CannotVerify, match="asn1crypto is not installed") as caught:
        verify_response(response, MESSAGE, (), now=real_now())
    assert caught.value.hint == "pip install 'modelpack-toolkit[tsa]'"


def test_a_crl_is_no_timestamp(authority: Tsa) -> None:
    with pytest.raises(DocumentError):
        verify(authority, crl(root()))
