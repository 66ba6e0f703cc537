"""ls, tag, rm, prune: names in the local store and in registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import FormatOption, QuietOption, StoreOption, connects, local_store
from modelpack_cli.output import Format, as_json, note, result, size, table

if TYPE_CHECKING:
    from modelpack import Access

RemoteOption = Annotated[bool, typer.Option("--remote", "-r", help="In the registry instead of the local store.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connects(ls))
    app.command()(connects(tag))
    app.command()(connects(rm))
    app.command()(prune)


def ls(
    access: Access,
    where: Annotated[
        str | None, typer.Argument(help="A registry host, a repository, or oci:PATH. Without it: the local store.")
    ] = None,
    output: FormatOption = Format.TABLE,
    store: StoreOption = None,
) -> None:
    """List models: of the local store, of a layout, a repository's tags, or a registry's repositories.

    \b
    modelpack ls
    modelpack ls oci:./layout
    modelpack ls registry.example/ml/minilm
    modelpack ls registry.example
    """
    import modelpack

    if where is None or where.startswith("oci:"):
        layout = (
            local_store(store)
            if where is None
            else modelpack.LayoutStore(modelpack.Reference.parse(where).layout, create=False)
        )
        models = modelpack.list_models(layout)
        if output is Format.JSON:
            as_json([{"name": model.name, "digest": str(model.digest), "size": model.size} for model in models])
        else:
            rows = [(model.name or "-", str(model.digest)[:19], size(model.size)) for model in models]
            table(("NAME", "DIGEST", "SIZE"), rows, right=frozenset({"SIZE"}))
        return
    names = modelpack.list_names(where, access=access)
    if output is Format.JSON:
        as_json(list(names))
    else:
        for name in names:
            result(name)


def tag(
    access: Access,
    reference: Annotated[str, typer.Argument(help="A model.")],
    name: Annotated[str, typer.Argument(help="Its further name: a whole reference, with --remote a tag.")],
    remote: RemoteOption = False,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Give a model one more name.

    \b
    modelpack tag registry.example/ml/minilm:v1 registry.example/ml/minilm:latest
    modelpack tag --remote registry.example/ml/minilm:v1 latest
    """
    import modelpack

    if remote:
        digest = modelpack.tag(reference, name, access=access)
    else:
        local = local_store(store, create=False)
        descriptor = local.resolve(modelpack.Reference.parse(reference).local_name)
        local.tag(descriptor, modelpack.Reference.parse(name).local_name)
        digest = descriptor.digest
    if not quiet:
        note(f"{name} is {reference}")
    result(str(digest))


def rm(
    access: Access,
    references: Annotated[list[str], typer.Argument(help="Names to remove.")],
    remote: RemoteOption = False,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Remove names from the local store (the space is freed by prune), or models from a registry.

    With --remote, a reference with a digest removes the manifest and all its tags.
    """
    import modelpack

    for reference in references:
        if remote:
            modelpack.remove(reference, access=access)
        else:
            local_store(store, create=False).untag(modelpack.Reference.parse(reference).local_name)
        if not quiet:
            note(f"removed {reference}")


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Free the space of what no name leads to any more."""
    garbage = local_store(store, create=False).prune(dry_run=dry_run)
    total = sum(item.size for item in garbage)
    if output is Format.JSON:
        as_json(
            {
                "dryRun": dry_run,
                "size": total,
                "removed": [{"path": str(item.path), "size": item.size} for item in garbage],
            }
        )
        return
    for item in garbage:
        result(f"{size(item.size):>10}  {item.path}")
    if not quiet:
        note(f"{len(garbage)} files, {size(total)}" + (" would be freed" if dry_run else " freed"))
