"""pack: files become an artifact."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli import environment
from modelpack_cli.options import (
    ExcludeOption,
    FormatOption,
    IncludeOption,
    QuietOption,
    StoreOption,
    connects,
    local_store,
)
from modelpack_cli.output import Format, as_json, note, result, size, table
from modelpack_cli.progress import watch

if TYPE_CHECKING:
    from modelpack import Access, Kind, Layout, Packed, Prepared


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(connects(pack))


def pack(
    access: Access,
    source: Annotated[str, typer.Argument(help="A folder, or hf://org/name[@revision].")],
    tag: Annotated[
        str | None,
        typer.Option("--tag", "-t", help="The model's reference: registry.example/ml/minilm:v1, or oci:PATH:tag."),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Into the registry at once, without a copy on this disk.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show files, kinds and metadata.")] = False,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", "-k", metavar="GLOB=KIND", help="weight, weight.config, doc, code or dataset. Repeatable."
        ),
    ] = None,
    modelfile: Annotated[
        Path | None, typer.Option("--modelfile", help="Pack what a Modelfile lists (modctl's format).")
    ] = None,
    kitfile: Annotated[
        Path | None, typer.Option("--kitfile", help="Pack what a Kitfile lists (KitOps' format).")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Metadata, as name=minilm or licenses=MIT. Repeatable, lists too."
        ),
    ] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option("--annotation", "-a", metavar="KEY=VALUE", help="A manifest annotation. Repeatable."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="[KIND=]CODEC",
            help="raw (the default), tar, tar+gzip or tar+zstd, for a kind or all. Repeatable.",
        ),
    ] = None,
    bundle: Annotated[bool, typer.Option("--bundle", help="The many small files of a kind in one tar layer.")] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Follow links that leave the folder.")] = False,
    link: Annotated[
        bool,
        typer.Option("--link", help="Hard-link files into the local store instead of copying. They must never change."),
    ] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Make a ModelPack artifact of a folder or a Hub snapshot.

    Kinds of files and metadata (format, parameters, precision, licence, …) are found in the files themselves; --dry-run
    shows them, --kind and --set correct them. The same files and options give the same digest everywhere.

    \b
    modelpack pack ./model -t registry.example/ml/minilm:v1
    modelpack pack ./model -t registry.example/ml/minilm:v1 --push
    modelpack pack hf://org/name@main -t registry.example/ml/name:v1 --push
    modelpack pack ./model --dry-run --set version=1.2.0 --set licenses=Apache-2.0
    """
    import modelpack

    if not dry_run and tag is None:
        raise modelpack.InputError("--tag is missing: which model is this?", hint="or --dry-run, to only look")
    hub = modelpack.HubAccess(environment.hub_cache(), environment.hub_token(), environment.hub_endpoint())
    with watch("pack", quiet=quiet) as observe:
        watched = access.watched(observe)
        prepared = modelpack.prepare(
            source,
            include=include or (),
            exclude=exclude or (),
            kinds=_kinds(kind or []),
            modelfile=modelfile,
            kitfile=kitfile,
            layout=_layout(layer or [], bundle=bundle),
            follow_links=follow_links,
            hub=hub,
            access=watched,
            **_fields(metadata or []),
        )
        packed = None
        if not dry_run:
            assert tag is not None  # noqa: S101  # checked above
            packed = _execute(
                prepared, tag, dict(_pairs(annotation or [], "--annotation")), watched, store, push=push, link=link
            )
    if output is Format.JSON:
        as_json(_json(prepared, packed, tag))
        return
    if dry_run:
        _show(prepared)
    if not quiet:
        for line in prepared.notes:
            note(f"note: {line}")
    if packed:
        if not quiet:
            note(f"{tag}: {len(packed.manifest.layers)} layers, {size(prepared.plan.size)}")
        result(str(packed.digest))


def _execute(
    prepared: Prepared,
    tag: str,
    annotations: dict[str, str],
    access: Access,
    store: Path | None,
    *,
    push: bool,
    link: bool,
) -> Packed:
    import modelpack

    where = modelpack.Reference.parse(tag)
    created = environment.source_date()
    if push or where.layout:
        return modelpack.pack(prepared, into=tag, created=created, annotations=annotations, access=access)
    if where.digest:
        raise modelpack.InputError(f"{tag} has a digest, which only the finished model can have", hint="give a tag")
    local = local_store(store, link=link)
    packed = modelpack.pack(prepared, into=local, created=created, annotations=annotations, access=access)
    local.tag(packed.descriptor, where.local_name)
    return packed


def _show(prepared: Prepared) -> None:
    rows = [
        (entry.path, f"{entry.kind}{' (guessed)' if entry.guessed else ''}", str(layer.type.codec), size(entry.size))
        for layer in prepared.plan.layers
        for entry in layer.entries
    ]
    table(("FILE", "KIND", "AS", "SIZE"), rows, right=frozenset({"SIZE"}))
    result("")
    found = [
        (name, ", ".join(value) if isinstance(value, tuple) else str(value), prepared.source_of(name))
        for name, value in _said(prepared)
    ]
    table(("METADATA", "VALUE", "FROM"), found)
    result("")
    result(f"{len(prepared.plan.entries)} files, {size(prepared.plan.size)}, {len(prepared.plan.layers)} layers")


def _said(prepared: Prepared) -> list[tuple[str, Any]]:
    """The fields of the configuration that have a value."""
    names = [item.name for item in fields(prepared.config) if item.name not in ("raw", "diff_ids")]
    return [(name, value) for name in names if (value := getattr(prepared.config, name)) not in ("", (), None)]


def _json(prepared: Prepared, packed: Packed | None, tag: str | None) -> dict[str, Any]:
    return {
        "reference": tag,
        "digest": str(packed.digest) if packed else None,
        "size": prepared.plan.size,
        "model": {
            name: {"value": list(value) if isinstance(value, tuple) else value, "from": prepared.source_of(name)}
            for name, value in _said(prepared)
        },
        "files": [
            {"path": entry.path, "kind": str(entry.kind), "size": entry.size, "guessed": entry.guessed}
            for entry in prepared.plan.entries
        ],
        "notes": list(prepared.notes),
    }


def _pairs(texts: list[str], option: str) -> list[tuple[str, str]]:
    from modelpack import InputError

    for text in texts:
        if not text.partition("=")[1] or text.startswith("="):
            raise InputError(f"{option} takes NAME=VALUE, not {text!r}")
    return [(name, value) for name, _, value in (text.partition("=") for text in texts)]


def _fields(texts: list[str]) -> dict[str, Any]:
    """``--set`` values: a field that is given several times is a list."""
    found: dict[str, list[str]] = {}
    for name, value in _pairs(texts, "--set"):
        found.setdefault(name.replace("-", "_"), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _kinds(texts: list[str]) -> dict[str, Kind]:
    return {glob: _kind(name) for glob, name in _pairs(texts, "--kind")}


def _kind(name: str) -> Kind:
    from modelpack import InputError, Kind

    try:
        return Kind(name)
    except ValueError:
        raise InputError(f"{name!r} is not a kind of file", hint=f"kinds are: {', '.join(Kind)}") from None


def _layout(texts: list[str], *, bundle: bool) -> Layout:
    from modelpack import InputError, Kind, Layout
    from modelpack.oci import Codec

    codecs: dict[Kind, Codec] = {}
    for text in texts:
        name, _, codec = text.rpartition("=")
        if codec not in list(Codec):
            raise InputError(f"{codec!r} is not a way to store a layer", hint=f"there is: {', '.join(Codec)}")
        codecs |= dict.fromkeys([_kind(name)] if name else Kind, Codec(codec))
    return Layout(codecs, bundle)
