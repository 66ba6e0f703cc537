"""Identities as a policy file describes them."""

from __future__ import annotations

from collections.abc import Callable

from modelpack.oci.fields import Fields
from modelpack.trust.envelope import only
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keys import PublicKey
from modelpack.trust.policy.moments import moment
from modelpack.trust.seal import Identity

_KINDS = ("key", "certificate", "keyless", "notary")


def identity(name: str, fields: Fields, read: Callable[[str], bytes]) -> Identity:
    """One entry of ``identities``. Raises DocumentError, InputError; ``read`` gives the files that it names."""
    only(fields, *_KINDS)
    if len(fields.value) != 1:
        fields.fail("", f"exactly one of {', '.join(_KINDS)} is required")
    kind = next(iter(fields.value))
    if kind == "key":
        return _key(name, fields.object("key"), read)
    raise AssertionError(kind)


def _key(name: str, fields: Fields, read: Callable[[str], bytes]) -> Identity:
    only(fields, "file", "pem", "until", "rsaPss")
    key = PublicKey.load(content(fields, "file", "pem", read), fields.text("file", "") or f"{fields.path}.pem")
    return KeyIdentity(key, name, moment(fields, "until"), fields.flag("rsaPss") or False)


def content(fields: Fields, file: str, inline: str, read: Callable[[str], bytes]) -> bytes:
    """What a file says, or what stands in the policy itself. Raises DocumentError unless exactly one of both is given."""
    if (file in fields.value) == (inline in fields.value):
        fields.fail("", f"exactly one of {file} and {inline} is required")
    return read(fields.text(file)) if file in fields.value else fields.text(inline).encode()
