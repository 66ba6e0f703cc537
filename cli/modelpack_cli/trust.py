"""Whom to trust, as options say it; and keys and passwords from wherever people keep them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from modelpack_cli import environment
from modelpack_cli.options import TRUST, Guard, gathered

if TYPE_CHECKING:
    from modelpack import PolicyFile, PrivateKey, PublicKey
    from modelpack.trust import Identity, Policy

MAX_CONTENT = 1 << 20
"""Bytes of a key, a chain of certificates, a trusted root, a ``prov.yaml``; their readers have bounds of their own."""

Body = TypeVar("Body", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Trust:
    """What the options say; ``policy`` is None if they say nothing."""

    policy: Policy | PolicyFile | None
    insecure: bool = False
    again: Callable[[], Trust] | None = None
    """Reads files and variables anew, for who runs on while they change; None where that cannot be (standard input)."""

    def now(self) -> Trust:
        """The same options, as their files say it now. Raises InputError, DocumentError."""
        return self.again() if self.again else self


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=TRUST, **settings)


_PARAMETERS: dict[str, tuple[Any, Any]] = {
    "key": (
        Annotated[
            list[str] | None,
            _option(
                "--key",
                metavar="FILE",
                help="A public key that must have signed; of several, one. env://NAME works too.",
            ),
        ],
        None,
    ),
    "policy": (
        Annotated[
            Path | None,
            _option(
                "--policy",
                metavar="FILE",
                envvar="MODELPACK_POLICY",
                show_envvar=True,
                help="A policy file: who must have signed and attested what, by repository.",
            ),
        ],
        None,
    ),
    "certificate_root": (
        Annotated[
            list[Path] | None,
            _option(
                "--certificate-root",
                metavar="PEM",
                help="Certificates below this root count, in Sigstore's and Notary's formats, if they have the subject.",
            ),
        ],
        None,
    ),
    "certificate_subject": (
        Annotated[
            str | None,
            _option(
                "--certificate-subject", metavar="DN", help="Whose: 'C=US, ST=WA, O=acme, CN=signer', or a part of it."
            ),
        ],
        None,
    ),
    "identity": (
        Annotated[
            str | None,
            _option(
                "--identity", metavar="NAME", help="An account that must have signed keyless: an address, a workflow."
            ),
        ],
        None,
    ),
    "issuer": (
        Annotated[str | None, _option("--issuer", metavar="URL", help="Its identity provider; goes with --identity.")],
        None,
    ),
    "trusted_root": (
        Annotated[
            Path | None,
            _option(
                "--trusted-root", metavar="JSON", help="A private Sigstore instance's, instead of the public one's."
            ),
        ],
        None,
    ),
    "insecure_skip_verify": (
        Annotated[
            bool,
            _option("--insecure-skip-verify", help="Trust nobody and take it all the same: digests are still checked."),
        ],
        False,
    ),
}


def trusts(command: Body, guard: Guard | None = None) -> Body:
    """Give a command the options that say whom to trust; it receives them as one argument ``trust``."""
    return gathered(command, "trust", _PARAMETERS, _readable_again, guard)


def from_variables(trust: Trust) -> Trust:
    """The same, or, where the options say nothing, what the variables of a container do: ours, or cosign's as KitOps has them.

    Raises InputError.
    """
    import modelpack

    text, place = environment.variable("MODELPACK_PUBLIC_KEY"), environment.variable("COSIGN_KEY")
    account, issuer = environment.variable("COSIGN_CERT_IDENTITY"), environment.variable("COSIGN_CERT_OIDC_ISSUER")
    skip = environment.variable("MODELPACK_INSECURE_SKIP_VERIFY")
    if trust.policy is not None:
        return trust
    trusted: list[PublicKey | Identity] = []
    if text:
        trusted.append(modelpack.PublicKey.load(text.encode(), "MODELPACK_PUBLIC_KEY"))
    if place:
        trusted.append(public_key(place))
    if account or issuer:
        trusted.append(_keyless(account or "", issuer or "", None))
    if skip not in (None, "", "0", "1"):
        raise modelpack.InputError("MODELPACK_INSECURE_SKIP_VERIFY is neither 0 nor 1")
    if skip != "1":
        return replace(trust, policy=modelpack.SignedBy(*trusted) if trusted else None)
    if trusted:
        raise modelpack.InputError("MODELPACK_INSECURE_SKIP_VERIFY contradicts the variables that say whom to trust")
    return Trust(modelpack.InsecureAcceptAnything(), insecure=True)


def _readable_again(**chosen: Any) -> Trust:
    trust = _trust(**chosen)
    return trust if "-" in (chosen["key"] or ()) else replace(trust, again=lambda: _trust(**chosen))


def audited(command: Body) -> Body:
    """The same for an audit, whose ``--policy`` is another one: here the policy file is ``--trust``."""
    chosen = {name: option for name, option in _PARAMETERS.items() if name not in ("policy", "insecure_skip_verify")}
    file = _option("--trust", metavar="FILE", help="A trust policy: who must have signed what, by repository.")

    def build(**options: Any) -> Trust:
        return _trust(**options, insecure_skip_verify=False)

    return gathered(command, "trust", {**chosen, "policy": (Annotated[Path | None, file], None)}, build)


def _trust(
    *,
    key: list[str] | None,
    policy: Path | None,
    certificate_root: list[Path] | None,
    certificate_subject: str | None,
    identity: str | None,
    issuer: str | None,
    trusted_root: Path | None,
    insecure_skip_verify: bool,
) -> Trust:
    import modelpack

    trusted: list[PublicKey | Identity] = list(map(public_key, key or ()))
    if certificate_root or certificate_subject:
        trusted += _certificates(certificate_root or [], certificate_subject or "")
    if identity or issuer or trusted_root:
        trusted.append(_keyless(identity or "", issuer or "", trusted_root))
    if insecure_skip_verify:
        if trusted:
            raise modelpack.InputError("--insecure-skip-verify contradicts the options that say whom to trust")
        return Trust(modelpack.InsecureAcceptAnything(), insecure=True)
    if trusted and policy and environment.variable("MODELPACK_POLICY") != str(policy):
        raise modelpack.InputError(
            "--policy cannot be combined with --key and the like", hint="name them in the policy"
        )
    if trusted:  # what is typed here and now goes before what the environment says
        return Trust(modelpack.SignedBy(*trusted))
    return Trust(modelpack.PolicyFile.load(policy) if policy else None)


def _certificates(roots: list[Path], subject: str) -> list[Identity]:
    """The same name below the same roots, in each of the formats that have certificates."""
    from modelpack.trust import CertificateIdentity, NotaryIdentity, load_roots

    known = tuple(root for path in roots for root in load_roots(content(str(path)), str(path)))
    return [
        CertificateIdentity("the certificate", known, subject=subject),
        NotaryIdentity.pinned("the certificate (Notary)", known, subject),
    ]


def _keyless(identity: str, issuer: str, trusted_root: Path | None) -> Identity:
    from modelpack import InputError
    from modelpack.trust import KeylessIdentity

    if not (identity and issuer):
        raise InputError("--identity and --issuer go together", hint="an account is known only to its provider")
    root = content(str(trusted_root)) if trusted_root else None
    return KeylessIdentity(identity, identity, issuer, root)


def public_key(place: str) -> PublicKey:
    """A public key from a file, ``env://NAME`` or ``-``. Raises InputError."""
    from modelpack import PublicKey

    return PublicKey.load(content(place), place)


def private_key(place: str, password_file: str | None) -> PrivateKey:
    """A private key from a file, ``env://NAME`` or ``-``, with its password if it has one. Raises InputError, DocumentError."""
    from modelpack import PrivateKey

    return PrivateKey.load(content(place), lambda: password(place, password_file), name=place)


def content(place: str) -> bytes:
    """What is in a small file, in a variable (``env://NAME``, as cosign writes it) or on standard input (``-``).

    Raises InputError.
    """
    from modelpack import InputError
    from modelpack.trust import read_file

    if place == "-":
        data = sys.stdin.buffer.read(MAX_CONTENT + 1)
        if len(data) > MAX_CONTENT:
            raise InputError(f"standard input is longer than the {MAX_CONTENT} bytes allowed")
        return data
    if place.startswith("env://"):
        value = environment.variable(place.removeprefix("env://"))
        if value is None:
            raise InputError(f"the variable {place.removeprefix('env://')} is not set")
        return value.encode()
    return read_file(Path(place), MAX_CONTENT)


def password(place: str, file: str | None, *, confirm: bool = False) -> bytes:
    """A key's password: from a file, the environment, or the terminal. Raises InputError."""
    from modelpack import InputError

    if file is not None:
        return content(file).removesuffix(b"\n").removesuffix(b"\r")
    known = environment.key_password()
    if known is not None:
        return known.encode()
    if not sys.stdin.isatty():
        hint = "set MODELPACK_KEY_PASSWORD (or COSIGN_PASSWORD), or use --password-file"
        raise InputError(f"{place} needs a password, and there is no terminal to ask on", hint=hint)
    typed: str = typer.prompt(
        f"Password for {place}", hide_input=True, err=True, default="", show_default=False, confirmation_prompt=confirm
    )
    return typed.encode()
