"""push, pull, copy: models on their way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import (
    Command,
    ExcludeOption,
    FormatOption,
    IncludeOption,
    KindOption,
    ProgressOption,
    QuietOption,
    ReferenceArgument,
    StoreOption,
    connects,
    existing_store,
    local_store,
)
from modelpack_cli.output import Format, as_json, counted, note, path, result, size
from modelpack_cli.progress import Progress, watch
from modelpack_cli.trust import Trust, trusts

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.store import Copied
    from modelpack.unpack import Unpacked

AttachmentsOption = Annotated[
    bool,
    typer.Option(
        "--attachments/--no-attachments",
        show_default=False,
        help="Signatures and all else that is attached; they follow.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command)(connects(push))
    app.command(cls=Command)(connects(trusts(pull)))
    app.command(cls=Command)(connects(trusts(copy)))


def push(
    access: Access,
    reference: Annotated[
        str,
        typer.Argument(metavar="REFERENCE", help="A model in the local store, by the reference it was packed with."),
    ],
    target: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="Where to, if not to the reference itself.")
    ] = None,
    attachments: AttachmentsOption = True,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
    store: StoreOption = None,
) -> None:
    """Send a packed model to its registry.

    What is there already is not sent again. Signatures follow the model.

    \b
    modelpack push registry.example/ml/minilm:v1
    modelpack push registry.example/ml/minilm:v1 other.example/ml/minilm:v1
    """
    import modelpack

    source = existing_store(store)
    with watch("push", progress, quiet=quiet) as observe:
        copied = modelpack.push(
            (source, reference), target or reference, attachments=attachments, access=access.watched(observe)
        )
    _report(copied, target or reference, output, quiet=quiet)


def pull(
    access: Access,
    trust: Trust,
    reference: ReferenceArgument,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The folder to make or update. Without it: into the local store."
        ),
    ] = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    kind: KindOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Use a folder that has other files in it, and replace those that are in the way."),
    ] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
    store: StoreOption = None,
) -> None:
    """Get a model's files, each hashed before it has its name.

    With --key or --policy the signatures are verified first, and exactly what was verified is fetched. A second run goes on
    where the first one stopped; a newer version replaces an older one in one step.

    \b
    modelpack pull registry.example/ml/minilm:v1 -o ./model --key signer.pub
    modelpack pull registry.example/ml/minilm:v1 -o ./model
    modelpack pull registry.example/ml/minilm:v1 -o ./model --include '*.safetensors' --include config.json
    """
    import modelpack

    if destination is None:
        if include or exclude or kind or force:
            raise modelpack.InputError("--include, --exclude, --kind and --force go with --output DIR")
        with watch("pull", progress, quiet=quiet) as observe:
            copied = modelpack.fetch(reference, local_store(store), policy=trust.policy, access=access.watched(observe))
        _report(copied, reference, output, quiet=quiet)
        return
    with watch("pull", progress, quiet=quiet) as observe:
        chosen = access.watched(observe)
        policy = trust.policy or modelpack.InsecureAcceptAnything()
        verified = modelpack.verify(reference, policy=policy, access=chosen)
        pulled = modelpack.unpack(
            verified,
            destination,
            include=include or (),
            exclude=exclude or (),
            kinds=kind or (),
            force=force,
            access=chosen,
        )
    _report_folder(pulled, output, verified=verified.is_vouched_for, quiet=quiet)


def copy(
    access: Access,
    trust: Trust,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="registry.example/ml/minilm:v1 or oci:PATH:tag.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="registry.example/ml/minilm:v1 or oci:PATH:tag.")],
    attachments: AttachmentsOption = True,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
) -> None:
    """Copy a model and its signatures between registries and layouts.

    It arrives byte for byte. With --key or --policy the signatures are verified first, and exactly what was verified is copied.

    \b
    modelpack copy registry.example/ml/minilm:v1 oci:./layout:v1
    modelpack copy oci:./layout:v1 other.example/ml/minilm:v1
    """
    import modelpack

    with watch("copy", progress, quiet=quiet) as observe:
        copied = modelpack.copy(
            source, target, policy=trust.policy, attachments=attachments, access=access.watched(observe)
        )
    _report(copied, target, output, quiet=quiet)


def _report(copied: Copied, target: str, output: Format, *, quiet: bool) -> None:
    digest = str(copied.descriptor.digest)
    if output is Format.JSON:
        sent, mounted, existing = copied.sent, copied.mounted, copied.existing
        moved = {"sent": sent, "mounted": mounted, "existing": existing, "attachments": copied.attachments}
        as_json({"reference": target, "digest": digest, **moved})
        return
    if not quiet:
        there = copied.existing + copied.mounted
        note(f"{target}: {size(copied.sent)} moved" + (f", {size(there)} were there already" if there else ""))
        if copied.attachments:
            note(f"{counted(copied.attachments, 'attachment')} came along")
    result(digest)


def _report_folder(pulled: Unpacked, output: Format, *, verified: bool, quiet: bool) -> None:
    digest = str(pulled.digest)
    if output is Format.JSON:
        files, unchanged = list(pulled.files), pulled.unchanged
        place = {"path": str(pulled.path), "digest": digest, "verified": verified}
        as_json({**place, "files": files, "unchanged": unchanged})
        return
    if not quiet:
        state = "is up to date" if pulled.unchanged else f"has {counted(len(pulled.files), 'file')}"
        note(f"{pulled.path} {state} ({digest[:19]})")
        if not verified:
            note("the digests match; nobody vouched for the model (no signature was checked)")
    path(pulled.path)
