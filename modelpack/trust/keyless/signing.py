"""Signing keyless: a certificate from Fulcio for an identity token, an entry in Rekor, one bundle with both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from modelpack.errors import AccessDenied, BadSignature, DocumentError, InputError, ModelPackError, Unavailable
from modelpack.oci import JSONObject, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.envelope import IN_TOTO, MAX_STATEMENT, pae
from modelpack.trust.keyless import roots
from modelpack.trust.keyless.verification import Logged, silence
from modelpack.trust.keyless.words import HINT, shown

if TYPE_CHECKING:
    from sigstore.dsse import Statement
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken


def sign_keyless(
    statement: bytes, *, token: str, trust_config: bytes | None = None, audience: str = "sigstore", timeout: float = 120
) -> bytes:
    """Sign an in-toto statement, exactly these bytes; returns a Sigstore bundle (JSON), which has been verified.

    ``token`` is an OpenID Connect identity token (a JWT) for ``audience``. ``trust_config`` is a ClientTrustConfig (JSON): whom
    to ask and whom to trust; None is the public instance, as the ``sigstore`` package knows it. What is signed there is public
    for ever, with the account's name. ``timeout`` (seconds) is for everything together.

    Raises InputError (token or trust config are not usable, the package is missing), DocumentError (statement or trust config),
    AccessDenied (the token is refused), Unavailable, BadSignature (what the services gave does not verify).
    """
    identity = _identity(token, audience)
    config = _config(trust_config)
    exact = _statement(statement)
    raw = _within(timeout, lambda: _sign(exact, identity, config), token)
    _verify(raw, statement, _root(trust_config))
    return raw


def _identity(token: str, audience: str) -> IdentityToken:
    try:
        from sigstore.oidc import IdentityToken
    except ImportError:
        raise InputError("signing keyless needs the extra keyless", hint=HINT) from None
    silence()
    try:
        return IdentityToken(token, audience)
    except Exception:  # noqa: BLE001 - a token is never shown, nor is what a JWT reader says about it
        raise InputError(
            "this is not an identity token that can be used",
            hint=f"it has to be a JWT for the audience {shown(audience)}, and not be expired",
        ) from None


def _config(trust_config: bytes | None) -> ClientTrustConfig:
    try:
        config = roots.public_config() if trust_config is None else roots.read_config(trust_config)
        # Both are read only when they are asked for.
        _ = config.trusted_root, config.signing_config
    except DocumentError:
        raise
    except Exception as error:  # noqa: BLE001 - pydantic's, sigstore's and plain ValueErrors
        raise InputError(f"the trust config is not usable: {shown(error)}") from None
    return config


def _statement(statement: bytes) -> Statement:
    """The package's class with its bytes but not its checks: it insists on names of subjects, which cosign never writes."""
    from sigstore import dsse

    class Exact(dsse.Statement):
        def __init__(self, contents: bytes) -> None:
            self._contents = contents

    loads_object(statement, "statement", limit=MAX_STATEMENT)
    return Exact(statement)


def _sign(statement: Statement, identity: IdentityToken, config: ClientTrustConfig) -> bytes:
    from sigstore.sign import SigningContext

    with SigningContext.from_trust_config(config).signer(identity) as signer:
        return signer.sign_dsse(statement).to_json().encode()


def _within(seconds: float, work: Callable[[], bytes], token: str) -> bytes:
    """Do it in a thread: the package sets no time limits on its connections. Raises errors of our tree."""
    results: SimpleQueue[bytes | Exception] = SimpleQueue()

    def run() -> None:
        try:
            results.put(work())
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            results.put(error)

    threading.Thread(target=run, daemon=True, name="modelpack-keyless").start()
    try:
        result = results.get(timeout=seconds)
    except Empty:
        raise Unavailable(f"signing keyless took longer than {seconds:g} seconds") from None
    if isinstance(result, Exception):
        raise _explained(result, token) from None
    return result


def _explained(error: Exception, token: str) -> ModelPackError:
    said = shown(str(error).replace(token, "***"))
    match type(error).__name__:
        case "FulcioClientError":
            return _refused(error)
        case "ExpiredIdentity" | "ExpiredCertificate":
            return InputError("the identity token has expired")
        case "RekorClientError":
            return Unavailable(f"the transparency log does not take the entry: {said}")
        case "VerificationError":
            return BadSignature(f"the certificate that was issued does not verify: {said}")
    if isinstance(error, OSError):  # which all errors of requests are
        return Unavailable(f"a signing service does not answer: {said}")
    return Unavailable(f"a signing service gave an answer that makes no sense: {type(error).__name__}: {said}")


def _refused(error: Exception) -> ModelPackError:
    """Of an error of Fulcio only the status is of use: its text is lost on the way."""
    response = getattr(error.__cause__, "response", None)
    status = cast("int", getattr(response, "status_code", 0))
    if 400 <= status < 500:
        return AccessDenied(f"the certificate authority refuses the identity token (HTTP {status})")
    return Unavailable(
        f"the certificate authority issues no certificate: {f'HTTP {status}' if status else shown(error)}"
    )


def _root(trust_config: bytes | None) -> JSONObject:
    if trust_config is None:
        return roots.public_root()
    return Fields(loads_object(trust_config, "trust config"), "trust config").object("trustedRoot").value


def _verify(raw: bytes, statement: bytes, root: JSONObject) -> None:
    """A log that answers with another entry would leave a signature that nobody can verify."""
    if Logged.read(raw).verify(root) != pae(IN_TOTO, statement):
        raise BadSignature("the bundle that was made is not about this statement")
