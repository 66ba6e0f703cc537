"""The signed envelope around a time stamp (CMS SignedData, RFC 5652; RFC 3161 says what is in it), read and verified.

Nothing here knows whom to trust: the result names the certificate whose key made the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from modelpack.errors import BadSignature, CannotVerify, DocumentError
from modelpack.trust.x509.certificates import HASHES, MAX_CHAIN, Certificate, parse_chain

MAX_TOKEN = 1 << 20
"""Bytes of a time stamp with its certificates."""

DOCUMENT = "timestamp"
_TST_INFO = "tst_info"
# asn1crypto has no types, so that its objects are ``Any`` here.
_ODD = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises about bytes that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token's signature covers, and by whom. ``others`` are the further certificates in it, in any order.

    ``content`` is the DER of a TSTInfo; nothing but the signature over it has been verified.
    """

    content: bytes = field(repr=False)
    signer: Certificate
    others: tuple[Certificate, ...] = field(repr=False)


@contextmanager
def reading() -> Iterator[None]:
    """Turn what asn1crypto raises about malformed bytes into a DocumentError."""
    try:
        yield
    except _ODD as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DocumentError(DOCUMENT, "", f"not readable ({reason!a})") from None


def asn1() -> tuple[Any, Any]:
    """asn1crypto's modules ``cms`` and ``tsp``. Raises CannotVerify if the package is not there."""
    try:
        from asn1crypto import cms, tsp
    except ImportError:
        raise CannotVerify(
            "time stamps cannot be verified here: asn1crypto is not installed",
            hint="pip install 'modelpack-toolkit[tsa]'",
        ) from None
    return cms, tsp


def token_in(response: bytes) -> bytes:
    """The token inside a TimeStampResp. Raises DocumentError, BadSignature (a refusal), CannotVerify."""
    _, tsp = asn1()
    _check_size(response)
    with reading():
        parsed = tsp.TimeStampResp.load(response, strict=True)
        status = parsed["status"]["status"].native
        token: bytes = parsed["time_stamp_token"].dump()
    if status not in ("granted", "granted_with_mods"):
        raise BadSignature(f"the timestamp is a refusal ({status})")
    return token


def open_token(token: bytes) -> Signed:
    """Read a TimeStampToken and verify its signature with the certificate that it names.

    Raises DocumentError, BadSignature, CannotVerify.
    """
    cms, _ = asn1()
    _check_size(token)
    with reading():
        info = cms.ContentInfo.load(token, strict=True)
        if info["content_type"].native != "signed_data":
            raise ValueError("no signed data")
        signed = info["content"]
        content, encapsulated = signed["encap_content_info"]["content"], signed["encap_content_info"]["content_type"]
        if encapsulated.native != _TST_INFO:
            raise ValueError("something else than a time is signed")
        data = bytes(content)
        (one,) = signed["signer_infos"]
        ders = [choice.chosen.dump() for choice in signed["certificates"]]
        certificates = parse_chain(ders[: MAX_CHAIN + 1], DOCUMENT)
        signer = _named(one["sid"], certificates)
        _check_signature(one, data, signer)
    return Signed(data, signer, tuple(other for other in certificates if other != signer))


def _check_size(data: bytes) -> None:
    if len(data) > MAX_TOKEN:
        raise DocumentError(DOCUMENT, "", f"{len(data)} bytes are more than the {MAX_TOKEN} allowed")


def _named(sid: Any, certificates: tuple[Certificate, ...]) -> Certificate:
    """The certificate that a signer identifier means (RFC 5652, section 5.3)."""
    for certificate in certificates:
        if sid.name == "issuer_and_serial_number":
            named = sid.chosen["issuer"].dump() == certificate.issuer
            if named and sid.chosen["serial_number"].native == certificate.serial:
                return certificate
        elif sid.chosen.native == _key_identifier(certificate):
            return certificate
    raise ValueError("the certificate of its signer is not in it")


def _key_identifier(certificate: Certificate) -> bytes:
    from cryptography import x509

    try:
        found = certificate.raw().extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return b""
    return found.value.digest


def _check_signature(info: Any, data: bytes, signer: Certificate) -> None:
    digest = info["digest_algorithm"]["algorithm"].native
    if digest not in HASHES:
        raise BadSignature(f"the timestamp uses {str(digest)[:20]!a}, which is not safe")
    attributes = _attributes(info)
    if attributes["content_type"].native != _TST_INFO:
        raise BadSignature("the timestamp's signature is about something else than a time")
    if attributes["message_digest"].native != hashlib.new(digest, data).digest():
        raise BadSignature("the timestamp was altered: its time is not what was signed")
    _check_certificate_named(attributes["signing_certificate_v2"], signer)
    # Signed as a SET OF, carried as [0] IMPLICIT (RFC 5652, section 5.4).
    message = b"\x31" + info["signed_attrs"].dump()[1:]
    if not _holds(info, digest, signer, message):
        raise BadSignature("the timestamp's signature does not match")


def _attributes(info: Any) -> dict[str, Any]:
    """The signed attributes that count, each of which must be there once with one value."""
    found: dict[str, Any] = {}
    for attribute in info["signed_attrs"]:
        name = attribute["type"].native
        if name in found:
            raise ValueError(f"the attribute {name} stands twice in it")
        found[name] = attribute["values"]
    if "signing_certificate_v2" not in found:
        raise BadSignature("the timestamp does not say, in what it signs, which certificate made it (RFC 5816)")
    result = {}
    for name in ("content_type", "message_digest", "signing_certificate_v2"):
        (result[name],) = found[name]
    return result


def _check_certificate_named(value: Any, signer: Certificate) -> None:
    """RFC 5035, section 3: the first entry is the signer's certificate."""
    first = value["certs"][0]
    digest = first["hash_algorithm"]["algorithm"].native
    if digest not in HASHES or first["cert_hash"].native != hashlib.new(digest, signer.der).digest():
        raise BadSignature("the timestamp was signed for another certificate than the one in it")


def _holds(info: Any, digest: str, signer: Certificate, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    algorithm, signature = info["signature_algorithm"], info["signature"].native
    used = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    kind = algorithm.signature_algo
    # "RSA" alone names no hash: then it is the one of the digest. Where the algorithm names one, it must be the same.
    if algorithm["algorithm"].native != "rsassa_pkcs1v15" and algorithm.hash_algo != digest:
        raise BadSignature("the timestamp mixes two hashes")
    key = signer.key.raw()
    try:
        match key:
            case rsa.RSAPublicKey() if kind == "rsassa_pkcs1v15":
                key.verify(signature, message, padding.PKCS1v15(), used)
            case rsa.RSAPublicKey() if kind == "rsassa_pss":
                key.verify(signature, message, padding.PSS(padding.MGF1(used), padding.PSS.AUTO), used)
            case ec.EllipticCurvePublicKey() if kind == "ecdsa":
                key.verify(signature, message, ec.ECDSA(used))
            case _:
                return False
    except InvalidSignature:
        return False
    return True
