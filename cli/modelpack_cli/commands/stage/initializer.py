"""What KServe asks of a storage initializer (pairs of a URI and a folder), and the variables of KitOps' init container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli import environment
from modelpack_cli.commands.stage.following import both
from modelpack_cli.commands.stage.options import LogOption, TerminationLogOption
from modelpack_cli.commands.stage.staging import policy_of, told, watched
from modelpack_cli.operations import as_pid_one
from modelpack_cli.output import path
from modelpack_cli.progress import Progress
from modelpack_cli.trust import Trust, from_variables

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.trust import Verified
    from modelpack.unpack import Unpacked

NAME = "storage-initializer"
SCHEMES = ("modelpack://", "kit://")
_REFERENCE, _PATH, _FILTER = "MODELKIT_REF", "UNPACK_PATH", "UNPACK_FILTER"
_FLAGS = ("EXTRA_FLAGS", "KIT_UNPACK_FLAGS")
_KINDS = {"model": ("weight", "weight.config"), "docs": ("doc",), "code": ("code",), "datasets": ("dataset",)}


def is_meant(args: list[str]) -> bool:
    """Whether a command line is none of ours, but what KServe or KitOps give to their containers."""
    return args[0].startswith(SCHEMES) if args else environment.variable(_REFERENCE) is not None


def initialize(
    access: Access,
    trust: Trust,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URI FOLDER]...", help="modelpack://registry.example/ml/minilm:v1 /mnt/models"),
    ] = None,
    log: LogOption = "json",
    termination_log: TerminationLogOption = None,
) -> None:
    """Put verified models directly under folders, as KServe's storage initializer does; /mnt/models may be a mount point.

    Whom to trust is said by options, or by the variables MODELPACK_POLICY (a file), MODELPACK_PUBLIC_KEY (PEM text), COSIGN_KEY
    (a file, or env://NAME), or COSIGN_CERT_IDENTITY with COSIGN_CERT_OIDC_ISSUER. Without any it refuses, unless
    MODELPACK_INSECURE_SKIP_VERIFY is 1. Without arguments it takes MODELKIT_REF, UNPACK_PATH and UNPACK_FILTER, as KitOps does.
    """
    wanted = _pairs(pairs or [])
    with as_pid_one():
        for source, folder in wanted:
            with told(source, termination_log, None, log) as outcome:
                from modelpack.staging import deliver

                reference, policy = _reference(source), policy_of(from_variables(trust))
                with watched(log, Progress.AUTO, quiet=True) as observe:
                    observed = _equipped(access, reference).watched(both(observe, outcome.metrics.observe))
                    unpacked, verified = deliver(reference, folder, policy=policy, kinds=_kinds(), access=observed)
                outcome.facts = _facts(unpacked, verified, outcome.metrics.moved)
            path(folder)


def _pairs(texts: list[str]) -> list[tuple[str, Path]]:
    from modelpack import InputError

    if not texts:
        source, folder = environment.variable(_REFERENCE), environment.variable(_PATH)
        if not source or not folder:
            raise InputError(
                f"{NAME} takes pairs of a URI and a folder", hint=f"or the variables {_REFERENCE} and {_PATH}"
            )
        return [(source, Path(folder))]
    if len(texts) % 2:
        raise InputError(f"{texts[-1][:200]!a} has no folder", hint="give pairs of a URI and a folder")
    return [(source, Path(folder)) for source, folder in zip(texts[::2], texts[1::2], strict=True)]


def _reference(source: str) -> str:
    """The reference in a URI. Layouts (``oci:``) are left as they are; ``oci://`` is KServe's word for images."""
    for scheme in (*SCHEMES, "oci://"):
        if source.startswith(scheme):
            return source.removeprefix(scheme)
    return source


def _kinds() -> tuple[str, ...]:
    """Kinds of files by the names that ``kit unpack --filter`` gives to them."""
    from modelpack import InputError

    text = environment.variable(_FILTER) or ""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in _KINDS]:
        raise InputError(
            f"{_FILTER} has {unknown[0][:80]!a}", hint=f"kinds that can be chosen are: {', '.join(_KINDS)}"
        )
    return tuple(kind for name in names for kind in _KINDS[name])


def _equipped(access: Access, reference: str) -> Access:
    """With the certificate authorities, the account and the flags that variables give."""
    from modelpack import Credential, InputError, Reference, StaticCredentials

    http = access.http
    bundle = environment.certificate_bundle()
    if bundle is not None and http.tls.ca_file is None:
        http = replace(http, tls=replace(http.tls, ca_file=bundle))
    for flag in " ".join(environment.variable(name) or "" for name in _FLAGS).split():
        if flag == "--plain-http":
            http = replace(http, plain_http=True)
        elif flag == "--tls-verify=false":
            http = replace(http, tls=replace(http.tls, insecure_skip_verify=True))
        elif flag not in ("--overwrite", "-o"):
            raise InputError(
                f"{flag[:80]!a} is no flag of kit that is known here", hint="--plain-http and --tls-verify=false are"
            )
    user, password = environment.variable("KIT_USER"), environment.variable("KIT_PASSWORD")
    if user and password:  # for the registry of this model, and no other
        account = StaticCredentials({Reference.parse(reference).registry: Credential(user, password)})
        access = replace(access, credentials=account)
    return replace(access, http=http)


def _facts(unpacked: Unpacked, verified: Verified, moved: int) -> dict[str, Any]:
    from modelpack.stage import signers

    return {
        "result": "hit" if unpacked.unchanged else "miss",
        "digest": str(unpacked.digest),
        "bytes": sum((unpacked.path / file).stat().st_size for file in unpacked.files),
        "fetched": 0 if unpacked.unchanged else moved,
        "signer": ", ".join(signers(verified)),
    }
