"""An account at an identity provider that is trusted to sign."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelpack.errors import BadSignature, InputError, UntrustedIdentity
from modelpack.oci import JSONObject
from modelpack.trust.keyless import roots
from modelpack.trust.keyless.names import Names, check_pattern, matches
from modelpack.trust.keyless.verification import Logged
from modelpack.trust.seal import Circumstances, Form, Seal, Voucher


@dataclass(frozen=True, slots=True)
class KeylessIdentity:
    """Trusts what ``identity`` signed who is known to ``issuer``, both exactly as they stand in the certificate.

    ``identity`` is a mail address, or a workflow (``https://github.com/acme/models/.github/workflows/release.yml@refs/tags/v1``);
    ``issuer`` the identity provider's address. Instead of either a regular expression may be given, which has to fit as a whole.
    ``trusted_root`` is a TrustedRoot (JSON) that says which certificate authorities, logs and clocks count; None is the public
    instance, as the ``sigstore`` package knows it. Nothing is asked over the network.

    Raises InputError for names that are missing and for expressions that are not allowed, DocumentError for a broken root.
    """

    name: str
    identity: str
    issuer: str
    trusted_root: bytes | None = field(default=None, repr=False)
    identity_regexp: str = ""
    issuer_regexp: str = ""

    def __post_init__(self) -> None:
        _check_names(self.identity, self.identity_regexp, f"the identity of {self.name}")
        _check_names(self.issuer, self.issuer_regexp, f"the issuer of {self.name}")
        if self.trusted_root is not None:
            roots.read_root(self.trusted_root)

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:  # noqa: ARG002 - an Identity is asked so; the log says when
        """Judge a seal (see :class:`modelpack.trust.seal.Identity`)."""
        if seal.form is not Form.DSSE:
            raise UntrustedIdentity(f"a signature of the form {seal.form} is never keyless here")
        if not seal.logged:
            raise UntrustedIdentity("not keyless: no transparency log has it")
        logged = Logged.read(seal.raw)
        names = Names.of(logged.certificate)
        if not self._fits(names):
            raise UntrustedIdentity(f"signed by {names}, not by {self._wanted()}")
        if logged.verify(self._root()) != seal.message or logged.signature != seal.signature:
            raise BadSignature("the signature is over something else than what is asked about")
        return Voucher(self.name, str(names), names.key, logged.time)

    def _fits(self, names: Names) -> bool:
        return _fits(names.identity, self.identity, self.identity_regexp) and _fits(
            names.issuer, self.issuer, self.issuer_regexp
        )

    def _wanted(self) -> str:
        return str(Names(self.identity or self.identity_regexp, self.issuer or self.issuer_regexp))

    def _root(self) -> JSONObject:
        return roots.public_root() if self.trusted_root is None else roots.read_root(self.trusted_root)


def _check_names(exact: str, pattern: str, what: str) -> None:
    if bool(exact) == bool(pattern):
        raise InputError(
            f"{what} is missing" if not exact else f"{what} is given twice: as it is, and as an expression"
        )
    if pattern:
        check_pattern(pattern, what)


def _fits(name: str, exact: str, pattern: str) -> bool:
    return name == exact if exact else matches(pattern, name)
