"""ls, tag, rm, prune: names in the local store and in registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import (
    Command,
    FormatOption,
    QuietOption,
    StoreOption,
    connects,
    existing_store,
    store_if_any,
)
from modelpack_cli.output import Format, as_json, counted, note, result, size, table

if TYPE_CHECKING:
    from modelpack import Access, LayoutStore

RemoteOption = Annotated[bool, typer.Option("--remote", "-r", help="In the registry instead of the local store.")]
_HOUR = 3600.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command)(connects(ls))
    app.command(cls=Command)(connects(tag))
    app.command(cls=Command)(connects(rm))
    app.command(cls=Command)(prune)


def ls(
    access: Access,
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="WHERE", help="A registry host, a repository, or oci:PATH. Without it: the local store."
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    store: StoreOption = None,
) -> None:
    """List local models, a repository's tags, or repositories.

    \b
    modelpack ls                              the models in the local store
    modelpack ls oci:./layout                 those in a layout
    modelpack ls registry.example/ml/minilm   the tags of a repository
    modelpack ls registry.example             the repositories of a registry
    """
    import modelpack

    if where is None:
        _show(store_if_any(store), output)
    elif where.startswith("oci:"):
        _show(modelpack.LayoutStore(modelpack.Reference.parse(where).layout, create=False), output)
    else:
        names = modelpack.list_names(where, access=access)
        if output is Format.JSON:
            as_json(list(names))
        else:
            for name in names:
                result(name)


def _show(store: LayoutStore | None, output: Format) -> None:
    import modelpack

    models = modelpack.list_models(store) if store else ()
    if output is Format.JSON:
        as_json([{"name": model.name, "digest": str(model.digest), "size": model.size} for model in models])
    else:
        rows = [(model.name, str(model.digest)[:19], size(model.size)) for model in models]
        table(("NAME", "DIGEST", "SIZE"), rows, right=frozenset({"SIZE"}))


def tag(
    access: Access,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="A model.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Its further name: a whole reference, with --remote a tag.")
    ],
    remote: RemoteOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Give a model one more name.

    \b
    modelpack tag registry.example/ml/minilm:v1 registry.example/ml/minilm:latest
    modelpack tag --remote registry.example/ml/minilm:v1 latest
    """
    import modelpack

    local = None if remote or reference.startswith("oci:") else existing_store(store)
    digest = str(modelpack.tag(reference, name, local=local, access=access))
    if output is Format.JSON:
        as_json({"reference": reference, "name": name, "digest": digest})
        return
    if not quiet:
        note(f"{name} is {reference}")
    result(digest)


def rm(
    access: Access,
    references: Annotated[list[str], typer.Argument(metavar="REFERENCE...", help="Names to remove.")],
    remote: RemoteOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Remove names from the local store, or from a registry.

    The space in the local store is freed by prune. With --remote, a reference with a digest removes the manifest and all
    its tags.

    \b
    modelpack rm registry.example/ml/minilm:v1
    modelpack rm --remote registry.example/ml/minilm:v1
    """
    import modelpack

    for reference in references:
        local = None if remote or reference.startswith("oci:") else existing_store(store)
        modelpack.remove(reference, local=local, access=access)
        if not quiet:
            note(f"removed {reference}")
    if output is Format.JSON:
        as_json({"removed": references})


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="HOURS", min=0, help="Leave what is younger: a command that runs now may need it."
        ),
    ] = 24.0,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Free the space of what no name leads to any more."""
    found = existing_store(store)
    garbage = found.prune(dry_run=dry_run, grace=grace * _HOUR, untagged=True)
    total = sum(item.size for item in garbage)
    if output is Format.JSON:
        removed = [{"path": str(item.path), "size": item.size} for item in garbage]
        as_json({"dryRun": dry_run, "size": total, "removed": removed})
        return
    for item in garbage:
        result(f"{size(item.size):>10}  {item.path}")
    if not quiet:
        note(f"{counted(len(garbage), 'file')}, {size(total)} {'would be freed' if dry_run else 'freed'}")
        gone = {item.path for item in garbage} if dry_run else set()
        young = [item for item in found.prune(dry_run=True, grace=0, untagged=True) if item.path not in gone]
        if young:
            more = f"{counted(len(young), 'file')}, {size(sum(item.size for item in young))}"
            note(f"{more} are not needed either, but younger than {grace:g} hours: --grace 0 frees them")
