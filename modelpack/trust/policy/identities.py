"""Identities as a policy file describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from modelpack.oci.fields import Fields
from modelpack.trust.envelope import only
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keyless import KeylessIdentity
from modelpack.trust.keys import PublicKey
from modelpack.trust.notary import NotaryIdentity
from modelpack.trust.policy.moments import moment
from modelpack.trust.seal import Identity
from modelpack.trust.x509 import Certificate, CertificateIdentity, load_certificates, load_crls, load_roots

Read: TypeAlias = Callable[[str], bytes]


def identity(name: str, fields: Fields, read: Callable[[str], bytes]) -> Identity:
    """One entry of ``identities``. Raises DocumentError, InputError; ``read`` gives the files that it names."""
    only(fields, *_BUILDERS)
    if len(fields.value) != 1:
        fields.fail("", f"exactly one of {', '.join(_BUILDERS)} is required")
    kind = next(iter(fields.value))
    return _BUILDERS[kind](name, fields.object(kind), read)


def _key(name: str, fields: Fields, read: Callable[[str], bytes]) -> Identity:
    only(fields, "file", "pem", "until", "rsaPss")
    key = PublicKey.load(content(fields, "file", "pem", read), fields.text("file", "") or f"{fields.path}.pem")
    return KeyIdentity(key, name, moment(fields, "until"), fields.flag("rsaPss") or False)


def _certificate(name: str, fields: Fields, read: Read) -> Identity:
    """A name in certificates below some roots, in Sigstore bundles and cosign's first layout."""
    only(fields, "roots", "intermediates", "subject", "san", "tsaRoots", "crls", "requireRevocation", "rsaPss")
    return CertificateIdentity(
        name,
        _certificates(fields, "roots", read),
        intermediates=tuple(
            one for path in fields.texts("intermediates") for one in load_certificates(read(path), path)
        ),
        subject=fields.text("subject", ""),
        san=fields.text("san", ""),
        tsa_roots=_certificates(fields, "tsaRoots", read),
        pss=fields.flag("rsaPss") or False,
        crls=load_crls(map(read, fields.texts("crls"))),
        require_revocation=fields.flag("requireRevocation") or False,
    )


def _keyless(name: str, fields: Fields, read: Read) -> Identity:
    """An account at an identity provider."""
    only(fields, "identity", "identityRegexp", "issuer", "issuerRegexp", "trustedRoot")
    return KeylessIdentity(
        name,
        fields.text("identity", ""),
        fields.text("issuer", ""),
        read(fields.text("trustedRoot")) if "trustedRoot" in fields.value else None,
        fields.text("identityRegexp", ""),
        fields.text("issuerRegexp", ""),
    )


def _notary(name: str, fields: Fields, read: Read) -> Identity:
    """A subject below some roots, in signatures of the Notary Project."""
    only(fields, "roots", "subject", "tsaRoots", "crls")
    return NotaryIdentity.pinned(
        name,
        _certificates(fields, "roots", read),
        fields.text("subject", ""),
        tsa_roots=_certificates(fields, "tsaRoots", read),
        crls=load_crls(map(read, fields.texts("crls"))),
    )


def _certificates(fields: Fields, key: str, read: Read) -> tuple[Certificate, ...]:
    return tuple(one for path in fields.texts(key) for one in load_roots(read(path), path))


_BUILDERS: dict[str, Callable[[str, Fields, Read], Identity]] = {
    "key": _key,
    "certificate": _certificate,
    "keyless": _keyless,
    "notary": _notary,
}


def content(fields: Fields, file: str, inline: str, read: Callable[[str], bytes]) -> bytes:
    """What a file says, or what stands in the policy itself. Raises DocumentError unless exactly one of both is given."""
    if (file in fields.value) == (inline in fields.value):
        fields.fail("", f"exactly one of {file} and {inline} is required")
    return read(fields.text(file)) if file in fields.value else fields.text(inline).encode()
