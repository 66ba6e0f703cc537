"""cosign's encrypted key file: read in all its three strengths, written in the one that cosign writes.

PEM around JSON around secretbox around PKCS#8 (go-securesystemslib ``encrypted``; cosign ``pkg/cosign/keys.go``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from modelpack.errors import DocumentError, InputError
from modelpack.oci import JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.keys import secretbox

LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
LABELS = (LABEL, "ENCRYPTED COSIGN PRIVATE KEY")
_STRENGTHS = ((1 << 15, 8, 1), (1 << 16, 8, 1), (1 << 17, 8, 1))
"""scrypt's (N, r, p): what cosign wrote once, writes now, and can be told to write. Anything else is refused, as there:
with free parameters a file could ask for any amount of memory.
"""
_DEFAULT = _STRENGTHS[1]
_MEMORY = 256 << 20
_SALT, _NONCE = 32, 24


def is_keyfile(data: bytes) -> bool:
    """Whether this is a key file of cosign's kind."""
    return any(f"-----BEGIN {label}-----".encode() in data for label in LABELS)


def decrypt(data: bytes, password: bytes, name: str) -> bytes:
    """The PKCS#8 DER inside. Raises InputError (wrong password), DocumentError."""
    fields = Fields(loads_object(_unarmoured(data, name), name), name)
    kdf, cipher = fields.object("kdf"), fields.object("cipher")
    if (kdf.text("name"), cipher.text("name")) != ("scrypt", "nacl/secretbox"):
        fields.fail("", "encrypted in a way that is not known here")
    settings = kdf.object("params")
    strength = (settings.integer("N"), settings.integer("r"), settings.integer("p"))
    if strength not in _STRENGTHS:
        settings.fail("", "scrypt parameters that cosign does not use either")
    key = _key(password, _bytes(kdf, "salt"), strength)
    nonce = _bytes(cipher, "nonce")
    if len(nonce) != _NONCE:
        cipher.fail("nonce", f"{_NONCE} bytes are required")
    plaintext = secretbox.open_(key, nonce, _bytes(fields, "ciphertext"))
    if plaintext is None:
        raise InputError(f"the password for {name} is wrong", hint="or the file is damaged")
    return plaintext


def encrypt(der: bytes, password: bytes) -> bytes:
    """The file for a PKCS#8 key: what ``cosign sign --key`` reads."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    size, block, parallel = _DEFAULT
    settings: JSONObject = {"N": size, "r": block, "p": parallel}
    document: JSONObject = {
        "kdf": {"name": "scrypt", "params": settings, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(secretbox.seal(_key(password, salt, _DEFAULT), nonce, der)),
    }
    body = _text(dumps(document))
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""]).encode()


def _key(password: bytes, salt: bytes, strength: tuple[int, int, int]) -> bytes:
    size, block, parallel = strength
    return hashlib.scrypt(password, salt=salt, n=size, r=block, p=parallel, maxmem=_MEMORY, dklen=32)


def _unarmoured(data: bytes, name: str) -> bytes:
    for label in LABELS:
        begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
        start = data.find(begin)
        stop = data.find(end, start + len(begin))
        if start >= 0 and stop >= 0:
            try:
                return base64.b64decode(b"".join(data[start + len(begin) : stop].split()), validate=True)
            except binascii.Error:
                break
    raise DocumentError(name, "", "not a complete PEM file")


def _bytes(fields: Fields, key: str) -> bytes:
    try:
        return base64.b64decode(fields.text(key), validate=True)
    except (binascii.Error, ValueError):
        fields.fail(key, "base64 is required")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
