"""Keys: every usual form is read, cosign's is written, and the scheme follows from the key."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from modelpack.errors import BadSignature, DocumentError, InputError
from modelpack.trust import KINDS, PrivateKey, PublicKey, Scheme
from modelpack.trust.keys import SIGNING, keyfile, secretbox
from tests.real.tools import run
from tests.trust.making import key

PEM, FORMATS = serialization.Encoding.PEM, serialization.PrivateFormat
P256 = ec.generate_private_key(ec.SECP256R1())


def pem(raw: PrivateKeyTypes, form: serialization.PrivateFormat, password: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return raw.private_bytes(PEM, form, lock)


@pytest.mark.parametrize("form", [FORMATS.PKCS8, FORMATS.TraditionalOpenSSL])
@pytest.mark.parametrize("password", [b"", b"pw"])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519"])
def test_every_usual_form_is_read(kind: str, form: serialization.PrivateFormat, password: bytes) -> None:
    raw: PrivateKeyTypes = P256
    if kind == "rsa":
        raw = rsa.generate_private_key(65537, 2048)
    elif kind == "ed25519":
        raw = ed25519.Ed25519PrivateKey.generate()
    if kind == "ed25519":  # has no older form
        form = FORMATS.PKCS8
    asked = []

    def ask() -> bytes:
        asked.append(1)
        return password

    loaded = PrivateKey.load(pem(raw, form, password), ask)
    assert loaded.public_key == PublicKey.of(raw.public_key())
    assert bool(asked) == bool(password)


@pytest.mark.parametrize("kind", [*KINDS, "ecdsa-p521"])
def test_signing_and_verifying(kind: str) -> None:
    signer = PrivateKey.of(ec.generate_private_key(ec.SECP521R1())) if kind == "ecdsa-p521" else key("one", kind)
    signature = signer.sign(b"message", SIGNING[kind])
    assert signer.public_key.kind == kind
    assert signer.public_key.accepts(signature, b"message")
    assert not signer.public_key.accepts(signature, b"messag")
    assert not signer.public_key.accepts(signature[:-1], b"message")
    assert not key("other").public_key.accepts(signature, b"message")


def test_the_scheme_follows_from_the_key() -> None:
    signer = key("rsa", "rsa")
    pss = signer.sign(b"m", Scheme.RSA_PSS_SHA256)
    assert not signer.public_key.accepts(pss, b"m")
    assert signer.public_key.accepts(pss, b"m", pss=True)
    signer.public_key.verify(pss, b"m", Scheme.RSA_PSS_SHA256)
    with pytest.raises(BadSignature):
        signer.public_key.verify(pss, b"m", Scheme.RSA_PSS_SHA512)
    with pytest.raises(BadSignature):
        signer.public_key.verify(pss, b"m", Scheme.ED25519)
    for scheme in (Scheme.ECDSA_SHA256, Scheme.ED25519):
        with pytest.raises(InputError, match="cannot sign with"):
            signer.sign(b"m", scheme)
    with pytest.raises(InputError, match="cannot sign with"):
        key().sign(b"m", Scheme.RSA_PKCS1_SHA256)


def test_p384_with_the_smaller_hash() -> None:
    """sigstore-js signs so; sigstore-go accepts both as well."""
    signer = key("p384", "ecdsa-p384")
    assert signer.public_key.accepts(signer.sign(b"m", Scheme.ECDSA_SHA256), b"m")
    assert not signer.public_key.accepts(signer.sign(b"m", Scheme.ECDSA_SHA512), b"m")


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a public key": (lambda: key().public_key.pem, "not a private key in PEM form"),
    "nothing": (lambda: b"", "not a private key in PEM form"),
    "too much": (lambda: b"x" * 70_000, "too many for a key"),
    "small RSA": (lambda: pem(rsa.generate_private_key(65537, 1024), FORMATS.PKCS8), "RSA with 1024 bits"),
    "Ed448": (lambda: pem(ed448.Ed448PrivateKey.generate(), FORMATS.PKCS8), "kind that is not supported"),
    "DSA": (lambda: pem(dsa.generate_private_key(2048), FORMATS.PKCS8), "kind that is not supported"),
    "another curve": (
        lambda: pem(ec.generate_private_key(ec.SECP256K1()), FORMATS.PKCS8),
        "kind that is not supported",
    ),
    "half a key": (
        lambda: pem(P256, FORMATS.PKCS8)[:80] + b"\n-----END PRIVATE KEY-----\n",
        "cannot be read as a private key",
    ),
    "no password": (lambda: pem(P256, FORMATS.PKCS8, b"pw"), "needs a password|cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_private_key(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(InputError, match=message):
        PrivateKey.load(make())


def test_a_wrong_password() -> None:
    with pytest.raises(InputError, match="cannot be read as a private key") as caught:
        PrivateKey.load(pem(P256, FORMATS.PKCS8, b"pw"), lambda: b"other")
    assert "password" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pem(P256, FORMATS.PKCS8), "is a private key"),
        (lambda: b"-----BEGIN CERTIFICATE-----", "is a certificate"),
        (lambda: b"x" * 70_000, "too many for a key"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key in PEM form"),
        (lambda: b"hello", "not a public key in PEM form"),
    ],
)
def test_what_is_no_public_key(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PublicKey.load(make())


def test_names_of_a_key() -> None:
    public = key().public_key
    der = base64.b64decode(b"".join(public.pem.splitlines()[1:-1]))
    assert der == public.der
    assert base64.b64decode(public.hint).hex() == public.fingerprint
    assert PublicKey.load(public.pem) == public
    assert public.pem == public.raw().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_kinds_that_are_not_made() -> None:
    with pytest.raises(InputError, match="cannot be made"):
        PrivateKey.generate("dsa")


# The first vector of NaCl's own tests (tests/secretbox.c), by D. J. Bernstein: key, nonce and the first bytes of both texts.
NACL_KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NACL_NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
NACL_PLAIN = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
)
NACL_BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)


def test_secretbox() -> None:
    assert secretbox.seal(NACL_KEY, NACL_NONCE, NACL_PLAIN) == NACL_BOX
    assert secretbox.open_(NACL_KEY, NACL_NONCE, NACL_BOX) == NACL_PLAIN
    for place in (0, 20, len(NACL_BOX) - 1):
        broken = bytearray(NACL_BOX)
        broken[place] ^= 1
        assert secretbox.open_(NACL_KEY, NACL_NONCE, bytes(broken)) is None


@pytest.mark.parametrize("size", [1 << 15, 1 << 16, 1 << 17])
def test_key_files_of_all_strengths(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "_DEFAULT", (size, 8, 1))
    data = key().to_keyfile(b"pw")
    assert PrivateKey.load(data, lambda: b"pw").public_key == key().public_key
    older = data.replace(b"SIGSTORE", b"COSIGN")
    assert PrivateKey.load(older, lambda: b"pw").public_key == key().public_key


def armoured(change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    """A key file whose document was changed."""
    data = key().to_keyfile(b"pw")
    document = json.loads(base64.b64decode(b"".join(data.splitlines()[1:-1])))
    change(document)
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return f"-----BEGIN {keyfile.LABEL}-----\n{body}\n-----END {keyfile.LABEL}-----\n".encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["kdf"].update(name="argon2"), "encrypted in a way"),
        (lambda d: d["cipher"].update(name="aes"), "encrypted in a way"),
        (lambda d: d["kdf"].update(params={"N": 1 << 30, "r": 8, "p": 1}), "scrypt parameters"),
        (lambda d: d["kdf"].update(params={"N": 2, "r": 8, "p": 1}), "scrypt parameters"),
        (lambda d: d["kdf"].update(salt="!"), "base64 is required"),
        (lambda d: d["cipher"].update(nonce="AAAA"), "24 bytes are required"),
    ],
)
def test_key_files_that_are_refused(change: Callable[[dict[str, dict[str, object]]], object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        PrivateKey.load(armoured(change), lambda: b"pw")


def test_key_files_that_are_broken() -> None:
    good = key().to_keyfile(b"pw")
    with pytest.raises(InputError, match="password for mine is wrong"):
        PrivateKey.load(good, lambda: b"other", name="mine")
    with pytest.raises(DocumentError, match="not a complete PEM file"):
        PrivateKey.load(good[:200], lambda: b"pw")
    with pytest.raises(DocumentError, match="not a complete PEM file"):
        PrivateKey.load(good.replace(b"ey", b"e!", 1), lambda: b"pw")


def test_cosign_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.key"
    mine.write_bytes(key().to_keyfile(b"pw"))
    shown = run("cosign", "public-key", "--key", mine, env={"COSIGN_PASSWORD": "pw"})
    assert shown.stdout.encode().strip() == key().public_key.pem.strip()
    run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": "theirs"})
    theirs = PrivateKey.load((tmp_path / "cosign.key").read_bytes(), lambda: b"theirs")
    assert theirs.public_key.pem == (tmp_path / "cosign.pub").read_bytes()


def test_openssl_verifies_what_we_sign(tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(b"message")
    (tmp_path / "signature").write_bytes(key().sign(b"message", Scheme.ECDSA_SHA256))
    (tmp_path / "key.pub").write_bytes(key().public_key.pem)
    done: subprocess.CompletedProcess[str] = run(
        "openssl", "dgst", "-sha256", "-verify", "key.pub", "-signature", "signature", "message", cwd=tmp_path
    )
    assert "Verified OK" in done.stdout


def test_no_secret_is_shown() -> None:
    assert repr(key()) == f"PrivateKey(public_key={key().public_key!r})"
