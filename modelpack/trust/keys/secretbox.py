"""NaCl's secretbox (XSalsa20-Poly1305), which cosign encrypts its key files with.

``cryptography`` has Poly1305 but no Salsa20. The cipher is a few lines, and what it works on are a few hundred bytes.
Source: D. J. Bernstein, "Extending the Salsa20 nonce" and "The Salsa20 family of stream ciphers".
"""

from __future__ import annotations

import struct

TAG = 16
"""Bytes of the authenticator, which stands before the ciphertext."""

_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_MASK = 0xFFFFFFFF
_QUARTERS = (
    # columns, then rows
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """Encrypt with a key of 32 bytes and a nonce of 24 that is used only once."""
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    pad, ciphertext = _crypt(key, nonce, plaintext)
    return Poly1305.generate_tag(pad, ciphertext) + ciphertext


def open_(key: bytes, nonce: bytes, sealed: bytes) -> bytes | None:
    """Decrypt; None if key, nonce or bytes are not the right ones."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    tag, ciphertext = sealed[:TAG], sealed[TAG:]
    pad, plaintext = _crypt(key, nonce, ciphertext)
    try:
        Poly1305.verify_tag(pad, ciphertext, tag)
    except InvalidSignature:
        return None
    return plaintext


def _crypt(key: bytes, nonce: bytes, text: bytes) -> tuple[bytes, bytes]:
    """The one-time key of the authenticator, and the text with the key stream that follows it."""
    inner = _hsalsa20(struct.unpack("<8I", key), struct.unpack("<4I", nonce[:16]))
    rest = struct.unpack("<2I", nonce[16:])
    blocks = (len(text) + 32 + 63) // 64
    stream = b"".join(_salsa20(inner, (*rest, count & _MASK, count >> 32)) for count in range(blocks))
    crypted = int.from_bytes(text, "little") ^ int.from_bytes(stream[32 : 32 + len(text)], "little")
    return stream[:32], crypted.to_bytes(len(text), "little")


def _hsalsa20(key: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
    mixed = _mix(_state(key, block))
    return tuple(mixed[place] for place in (0, 5, 10, 15, 6, 7, 8, 9))


def _salsa20(key: tuple[int, ...], block: tuple[int, ...]) -> bytes:
    state = _state(key, block)
    return struct.pack("<16I", *((one + other) & _MASK for one, other in zip(state, _mix(state), strict=True)))


def _state(key: tuple[int, ...], block: tuple[int, ...]) -> list[int]:
    return [_SIGMA[0], *key[:4], _SIGMA[1], *block, _SIGMA[2], *key[4:], _SIGMA[3]]


def _mix(state: list[int]) -> list[int]:
    """Twenty rounds."""
    x = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            for target, one, other, turn in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                word = (x[one] + x[other]) & _MASK
                x[target] ^= ((word << turn) | (word >> (32 - turn))) & _MASK
    return x
