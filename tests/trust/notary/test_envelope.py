"""What an envelope may say, in both forms: each of these is soundly signed by somebody who is trusted."""

from __future__ import annotations

import base64
import builtins
import hashlib
import json
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from modelpack.errors import BadSignature, CannotVerify, DocumentError, UntrustedIdentity
from modelpack.oci import Descriptor
from modelpack.trust.notary import COSE, JWS, MAX_ENVELOPE, parse_envelope, read
from modelpack.trust.notary.envelope import MAX_PAYLOAD
from modelpack.trust.seal import Circumstances, Form
from tests.trust.notary.making import (
    ABSENT,
    FORMS,
    HOUR,
    ISSUING,
    PREFIX,
    SIGNER,
    TARGET,
    cose,
    critical,
    encode,
    identity,
    judge,
    jws,
    make,
    target,
    time,
)
from tests.trust.x509.making import LEAF, NOW, leaf

EVERY_FORM = pytest.mark.parametrize("form", FORMS)


@EVERY_FORM
def test_a_sound_envelope(form: str) -> None:
    raw = make(form, payload=target(annotations={"run": "7"}))
    seal, claimed = read(form, raw)
    assert seal.form is Form.NOTARY
    assert seal.certificates == SIGNER.ders
    assert (seal.raw, seal.media_type) == (raw, form)
    assert claimed == Descriptor(TARGET.media_type, TARGET.digest, TARGET.size, {"run": "7"})
    found = parse_envelope(form, raw)
    assert (found.algorithm, found.agent, found.expiry) == ("ES256", "tests", None)
    assert found.signing_time == NOW - HOUR
    voucher = judge(raw, form)
    assert voucher.time is None, "the signer's own word for the time is not believed"
    assert voucher.signer == "C=US, ST=WA, O=acme, CN=signer"


@EVERY_FORM
@pytest.mark.parametrize("kind", ["p384", "p521", "rsa2048", "rsa3072", "rsa4096"])
def test_kinds_of_keys(form: str, kind: str) -> None:
    assert judge(make(form, signer=leaf(LEAF, ISSUING, kind=kind)), form)


@EVERY_FORM
def test_unknown_crit_header_is_refused(form: str) -> None:
    for name in ("b64", "exp", "org.example.must", "5"):
        raw = make(form, protected={**critical(form, name), name: "x"})
        with pytest.raises(CannotVerify, match="critical header that is not known here"):
            judge(raw, form)


@EVERY_FORM
def test_critical_header_that_is_absent_is_refused(form: str) -> None:
    with pytest.raises(BadSignature, match="calls a header critical that it does not have"):
        judge(make(form, protected=critical(form, PREFIX + "expiry")), form)


@EVERY_FORM
def test_critical_header_twice_is_refused(form: str) -> None:
    with pytest.raises(BadSignature, match="one header critical twice"):
        judge(make(form, protected=critical(form, PREFIX + "signingScheme")), form)


@EVERY_FORM
@pytest.mark.parametrize("name", ["verificationPlugin", "verificationPluginMinVersion"])
@pytest.mark.parametrize("crit", [True, False])
def test_plugin_headers_are_refused(form: str, name: str, crit: bool) -> None:
    protected = {PREFIX + name: "com.example.plugin", **critical(form, *([PREFIX + name] if crit else []))}
    with pytest.raises(CannotVerify, match="a plugin of notation"):
        judge(make(form, protected=protected), form)


@EVERY_FORM
def test_headers_that_must_be_critical(form: str) -> None:
    key = next(iter(critical(form)))
    expiry = {PREFIX + "expiry": time(form, NOW + HOUR)}
    for protected in (expiry, {key: [PREFIX + "expiry"], **expiry}):
        with pytest.raises(BadSignature, match="must be critical, and is not"):
            judge(make(form, protected=protected), form)


def test_no_critical_headers_at_all() -> None:
    for value in ([], ABSENT):
        with pytest.raises(BadSignature, match="must be critical"):
            judge(jws(protected={"crit": value}))


@EVERY_FORM
def test_expiry(form: str) -> None:
    protected = {**critical(form, PREFIX + "expiry"), PREFIX + "expiry": time(form, NOW)}
    raw = make(form, protected=protected)
    assert judge(raw, form, now=NOW - HOUR / 60)
    with pytest.raises(BadSignature, match="the signature expired"):
        judge(raw, form)


@EVERY_FORM
def test_expired_before_it_was_made(form: str) -> None:
    protected = {**critical(form, PREFIX + "expiry"), PREFIX + "expiry": time(form, NOW - HOUR)}
    with pytest.raises(BadSignature, match="expired before it was made"):
        judge(make(form, protected=protected), form, now=NOW - 2 * HOUR)


@EVERY_FORM
@pytest.mark.parametrize("algorithm", ["ES384", "PS256", "RS256", "HS256", "none", "EdDSA", ""])
def test_alg_must_be_the_one_of_the_leaf_key(form: str, algorithm: str) -> None:
    numbers = {"ES384": -35, "PS256": -37, "RS256": -257, "HS256": 5, "none": 0, "EdDSA": -8, "": "ES256"}
    protected = {"alg": algorithm} if form == JWS else {1: numbers[algorithm]}
    with pytest.raises(BadSignature, match="its certificate's key signs with ES256"):
        judge(make(form, protected=protected), form)


@EVERY_FORM
def test_keys_that_notary_does_not_know(form: str) -> None:
    """Their certificates would do elsewhere."""
    ders = list(leaf(LEAF, ISSUING, kind="ed25519").ders)
    header: dict[Any, Any] = {"x5c": [base64.b64encode(der).decode() for der in ders]} if form == JWS else {33: ders}
    with pytest.raises(BadSignature, match="no signatures by keys of the kind ed25519"):
        judge(make(form, header=header), form)


@EVERY_FORM
def test_payload_type_confusion(form: str) -> None:
    key = "cty" if form == JWS else 3
    for value in ("application/vnd.in-toto+json", ABSENT):
        with pytest.raises(DocumentError):
            read(form, make(form, protected={key: value}))


@EVERY_FORM
def test_schemes(form: str) -> None:
    with pytest.raises(CannotVerify, match=r"signing scheme 'notary\.x510' is not known"):
        judge(make(form, protected={PREFIX + "signingScheme": "notary.x510"}), form)
    with pytest.raises(DocumentError):
        judge(make(form, protected={PREFIX + "signingScheme": ABSENT}), form)
    for changes in (
        {PREFIX + "signingTime": ABSENT},
        {PREFIX + "authenticSigningTime": time(form, NOW), **critical(form, PREFIX + "authenticSigningTime")},
    ):
        with pytest.raises(BadSignature, match="time is not of the kind"):
            judge(make(form, protected=changes), form)


@EVERY_FORM
def test_times_that_are_none(form: str) -> None:
    values: list[Any] = [1, None, "2030-06-15", [], True]
    values += ["2030-13-15T11:00:00Z", "2030-06-15T11:00:00", "2030-06-15 11:00:00Z", "0001-01-01T00:00:00+23:00"]
    for value in values:
        with pytest.raises(DocumentError):
            read(form, make(form, protected={PREFIX + "signingTime": value}))


@pytest.mark.parametrize(
    "text", ["2030-06-15T11:00:00Z", "2030-06-15T03:00:00-08:00", "2030-06-15T11:00:00.000000000+00:00"]
)
def test_times_with_offsets_and_fractions(text: str) -> None:
    assert parse_envelope(JWS, jws(protected={PREFIX + "signingTime": text})).signing_time == NOW - HOUR


@EVERY_FORM
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b'{"targetArtifact":null}',
        b'{"targetArtifact":{"mediaType":"a","digest":"sha256:0","size":1}}',
        target(size=-1),
        target(size=1.5),
        target(digest="md5:" + "0" * 32),
        target(mediaType=7),
        target(annotations={"a": 1}),
        target(DIGEST="sha256:" + "0" * 64),
        target()[:-1] + b',"TargetArtifact":{}}',
        target()[:-1] + b',"targetArtifact":{}}',
        target() + b" " * MAX_PAYLOAD,
    ],
)
def test_payloads_that_two_readers_could_read_differently(form: str, payload: bytes) -> None:
    with pytest.raises(DocumentError):
        read(form, make(form, payload=payload))


@EVERY_FORM
def test_a_chain_of_ten_at_most(form: str) -> None:
    ders = list(SIGNER.ders) * 4
    header: dict[Any, Any] = {"x5c": [base64.b64encode(der).decode() for der in ders]} if form == JWS else {33: ders}
    with pytest.raises(DocumentError, match="12 certificates; 1 to 10 are allowed"):
        judge(make(form, header=header), form)
    empty: dict[Any, Any] = {"x5c" if form == JWS else 33: []}
    with pytest.raises(DocumentError, match="0 certificates"):
        judge(make(form, header=empty), form)


@EVERY_FORM
def test_altered(form: str) -> None:
    raw = make(form)
    digest = TARGET.digest.hex
    if form == JWS:
        document = json.loads(raw)
        document["payload"] = json.loads(jws(payload=target(size=1)))["payload"]
        altered = json.dumps(document).encode()
        short = jws(signature=b"1" * 63)
        wrong = jws(signature=b"1" * 64)
        with pytest.raises(BadSignature, match="has 64 bytes, not 63"):
            judge(short)
        with pytest.raises(BadSignature, match="does not match"):
            judge(wrong)
    else:
        altered = raw.replace(digest.encode(), hashlib.sha256(b"other").hexdigest().encode())
    assert altered != raw
    with pytest.raises(BadSignature, match="does not match"):
        judge(altered, form)


def test_unknown_types_of_envelopes() -> None:
    with pytest.raises(DocumentError, match="no type of envelope"):
        read("application/json", jws())
    with pytest.raises(DocumentError):
        read(COSE, jws())
    with pytest.raises(DocumentError):
        read(JWS, cose())


@EVERY_FORM
def test_endless_envelopes(form: str) -> None:
    with pytest.raises(DocumentError, match="more than the"):
        read(form, b"{" + b" " * MAX_ENVELOPE)


@pytest.mark.parametrize(
    "top",
    [
        {"signatures": []},
        {"payload": ABSENT},
        {"payload": ""},
        {"payload": "e30="},
        {"payload": "e30 "},
        {"payload": "e30\n"},
        {"payload": "e3 0"},
        {"payload": "e31"},
        {"payload": "e"},
        {"protected": "W10"},
        {"protected": "bm8"},
        {"protected": 1},
        {"header": []},
        {"header": {"x5c": "MIIB"}},
        {"header": {"x5c": ["MII-"]}},
        {"header": {"x5c": ["MIIB\n"]}},
        {"header": {"x5c": ["MQ"]}},
        {"header": {"x5c": ["MR=="]}},
        {"header": {"x5c": ["ü"]}},
        {"header": {"x5c": [], "X5C": []}},
        {"header": {"x5c": [], PREFIX + "timestampSignature": "*"}},
        {"header": {"x5c": [], PREFIX + "signingAgent": 1}},
        {"signature": "ab*d"},
    ],
)
def test_base64_and_members_are_strict(top: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        read(JWS, jws(top=top))


def test_duplicate_members_are_refused() -> None:
    for raw in (
        jws().replace(b'"payload"', b'"payload": "e30", "payload"'),
        jws(protected=b'{"alg":"none","alg":"ES256"}'),
        jws(protected={"ALG": "none"}),
        jws(protected={"\u017figningScheme": 1, "signingscheme": 2}),
    ):
        with pytest.raises(DocumentError, match="twice"):
            read(JWS, raw)


def test_the_seal_and_its_envelope_must_agree() -> None:
    seal, _ = read(JWS, jws())
    for changed in (
        replace(seal, message=b"x"),
        replace(seal, signature=b"x"),
        replace(seal, certificates=()),
        replace(seal, raw=jws()),
    ):
        with pytest.raises(BadSignature, match="are not the same"):
            identity().check(changed, Circumstances(NOW))
    with pytest.raises(UntrustedIdentity, match="not a Notary signature"):
        identity().check(replace(seal, form=Form.DSSE), Circumstances(NOW))


PROTECTED = cbor2.loads(cose()).value[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        cose()[:-1],
        cose() + b"\0",
        cose()[1:],
        cose(tag=98),
        encode(cbor2.CBORTag(18, [b"", {}, b""])),
        encode(cbor2.CBORTag(18, {})),
        encode(cbor2.CBORTag(18, [[], {}, target(), b""])),
        encode(cbor2.CBORTag(18, [b"", {}, None, b""])),
        encode(cbor2.CBORTag(18, [PROTECTED, {}, target(), None])),
        cose(header=[]),
        cose(header={33: "x"}),
        cose(header={33: ["x"]}),
        cose(header={PREFIX + "timestampSignature": "x"}),
        cose(header={PREFIX + "signingAgent": b"x"}),
        cose(header={33: ABSENT}),
        cose(header={b"x": 1}),
        cose(header={"x": cbor2.CBORTag(35, "(a+)+")}),
        cose(header={"x": cbor2.CBORTag(28, [])}),
        cose(protected=b"\xa0"),
        cose(protected=b"\xa2\x01\x26\x01\x26"),
        cose(protected=PROTECTED.replace(b"\x01\x26", b"\x01\x38\x06")),
        cose(protected=b"\xbf" + PROTECTED[1:] + b"\xff"),
        cose(protected={2: "x"}),
        cose(protected={2: [b"x"]}),
        cose(protected={2: ABSENT}),
        cose(protected=encode({True: 1})),
        cose(protected=encode([])),
        b"\x81" * 100_000,
    ],
)
def test_cbor_is_strict(raw: bytes) -> None:
    with pytest.raises(DocumentError):
        read(COSE, raw)


def test_one_certificate_may_stand_without_a_list() -> None:
    """RFC 9360; a chain of one is incomplete here, but it is read."""
    assert read(COSE, cose(header={33: SIGNER.der}))[0].certificates == (SIGNER.der,)


def test_without_cbor2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = cose()
    original = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "cbor2":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CannotVerify, match="cbor2 is not installed") as caught:
        read(COSE, raw)
    assert caught.value.hint == "pip install 'modelpack-toolkit[cose]'"
