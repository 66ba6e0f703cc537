"""verify, tree: who vouches for a model, and what is attached to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.commands.trust.signing import LocalOption
from modelpack_cli.options import (
    Command,
    FormatOption,
    ProgressOption,
    QuietOption,
    ReferenceArgument,
    StoreOption,
    connects,
    existing_store,
)
from modelpack_cli.output import Format, as_json, counted, note, path, result, table
from modelpack_cli.progress import Progress, watch
from modelpack_cli.trust import Trust, trusts

if TYPE_CHECKING:
    from modelpack import Access, Evidence
    from modelpack.attesting import Agreement
    from modelpack.trusting import Branch


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command)(connects(trusts(verify)))
    app.command(cls=Command)(connects(trusts(tree)))


def verify(
    access: Access,
    trust: Trust,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE", help="registry.example/ml/minilm:v1, …@sha256:…, oci:PATH:tag; a folder with --bundle."
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Verify the files in a folder, offline, with their model.sig (OpenSSF)."
        ),
    ] = None,
    ignore_unsigned: Annotated[
        bool, typer.Option("--ignore-unsigned", help="With --bundle: files that are not signed do not matter.")
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Compare manifest, configuration, headers and all attached documents; contradictions fail."
        ),
    ] = False,
    local: LocalOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
    store: StoreOption = None,
) -> None:
    """Find out who vouches for a model.

    The exit code is 1 if those who must do not. The tag is resolved once, and the digest that is printed is
    what was verified. No weights are read, unless it is files on disk that are verified.

    \b
    modelpack verify registry.example/ml/minilm:v1 --key signer.pub
    modelpack verify registry.example/ml/minilm:v1 --policy policy.yaml
    modelpack verify ./model --bundle ./model/model.sig --key signer.pub
    """
    import modelpack

    if trust.policy is None or trust.insecure:
        raise modelpack.InputError("say whom to trust", hint="--key signer.pub or --policy policy.yaml")
    if bundle is not None:
        if isinstance(trust.policy, modelpack.PolicyFile):
            raise modelpack.InputError("a policy file speaks of repositories; --bundle goes with --key")
        with watch("verify", progress, quiet=quiet) as observe:
            evidence = modelpack.verify_files(
                reference,
                bundle,
                policy=trust.policy,
                ignore_unsigned=ignore_unsigned,
                jobs=access.jobs,
                observe=observe,
            )
        _show(evidence, reference, output, verified=True)
        if output is Format.TABLE:
            path(Path(reference))
        return
    chosen = existing_store(store) if local else None
    try:
        verified = modelpack.verify(reference, policy=trust.policy, local=chosen, access=access)
    except (modelpack.VerificationError, modelpack.PolicyViolation) as error:
        if isinstance(error.evidence, modelpack.Evidence):
            _show(error.evidence, reference, output, verified=False)
        raise
    agreement = modelpack.agreement(verified, access=access) if deep else None
    _show(verified.evidence, reference, output, verified=True, agreement=agreement)
    if agreement and (agreement.contradictions or agreement.problems):
        count = len(agreement.contradictions) + len(agreement.problems)
        told = tuple(f"{one.code} {one.place}: {one.message}" for one in agreement.contradictions)
        message = f"{reference}: {counted(count, 'contradiction')} in what is said about it"
        raise modelpack.PolicyViolation(
            message, findings=(*told, *agreement.problems), hint="docs/sbom.md explains the codes"
        )
    if output is Format.TABLE:
        result(str(verified.descriptor.digest))


def tree(
    access: Access,
    trust: Trust,
    reference: ReferenceArgument,
    local: LocalOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Show what is attached to a model, and who signed it.

    Signatures, attestations, documents, and what is attached to those. With --key or --policy, each signature has its verdict;
    without, all that is told is what is there.

    \b
    modelpack tree registry.example/ml/minilm:v1
    modelpack tree registry.example/ml/minilm:v1 --key signer.pub
    """
    import modelpack

    chosen = existing_store(store) if local else None
    root = modelpack.tree(reference, policy=trust.policy, local=chosen, access=access)
    if output is Format.JSON:
        as_json({"reference": reference, **root.to_json()})
        return
    result(f"{reference}  {root.descriptor.digest}")
    _branches(root, "")
    if not quiet:
        note(f"{counted(len(root.branches), 'attachment')}" + ("" if trust.policy else "; nothing was verified"))


def _branches(root: Branch, indent: str) -> None:
    for number, branch in enumerate(root.branches, 1):
        last = number == len(root.branches)
        result(f"{indent}{'└── ' if last else '├── '}{branch.title}  {str(branch.descriptor.digest)[:19]}")
        inside = indent + ("    " if last else "│   ")
        for one in branch.signatures:
            said = f"{one.signer}: " if one.signer else ""
            reason = f" ({one.reason})" if one.reason else ""
            result(f"{inside}  {said}{one.kind} {one.status}{reason}")
        _branches(branch, inside)


def _show(
    evidence: Evidence, reference: str, output: Format, *, verified: bool, agreement: Agreement | None = None
) -> None:
    if output is Format.JSON:
        told = {"reference": reference, "verified": verified, **evidence.to_json()}
        as_json(told | ({"documents": agreement.to_json()} if agreement else {}))
        return
    rows = [
        (
            str(one.status),
            str(one.kind),
            one.format or "-",
            one.signer or "-",
            _time(one.vouchers[0].time if one.vouchers else None),
            " ".join(filter(None, (one.predicate_type if one.kind == "attestation" else "", one.reason))),
        )
        for one in evidence.signatures
    ]
    if rows:
        table(("VERDICT", "WHAT", "FORMAT", "SIGNER", "TIME", "ABOUT"), rows)
    if agreement:
        _show_agreement(agreement)
    if evidence.skipped:
        note(f"{counted(evidence.skipped, 'signature')} more were not looked at")


def _show_agreement(agreement: Agreement) -> None:
    for number, name in enumerate(agreement.documents):
        note(f"document {number}: {name}")
    if agreement.contradictions:
        table(("CODE", "WHERE", "WHAT"), [(one.code, one.place, one.message) for one in agreement.contradictions])
    for problem in agreement.problems:
        result(problem)
    if not (agreement.contradictions or agreement.problems):
        note(f"{counted(len(agreement.documents), 'document')}, manifest, configuration and headers agree")


def _time(time: object) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "-"
