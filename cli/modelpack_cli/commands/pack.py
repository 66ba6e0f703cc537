"""pack: files become an artifact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli import environment
from modelpack_cli.options import (
    Command,
    ExcludeOption,
    FormatOption,
    IncludeOption,
    ProgressOption,
    QuietOption,
    StoreOption,
    connects,
    local_store,
)
from modelpack_cli.output import Format, as_json, counted, note, result, size, table
from modelpack_cli.progress import Progress, watch

if TYPE_CHECKING:
    from modelpack import Access, Layout, Packed, Prepared, Reference
    from modelpack.oci import Descriptor, Manifest
    from modelpack.store import Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(pack))


def pack(
    access: Access,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, or hf://org/name[@revision].")],
    tag: Annotated[
        str | None,
        typer.Option(
            "--tag", "-t", metavar="REFERENCE", help="Its name: registry.example/ml/minilm:v1 or oci:PATH:tag."
        ),
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
        Path | None, typer.Option("--modelfile", metavar="FILE", help="Pack what a Modelfile lists (modctl's format).")
    ] = None,
    kitfile: Annotated[
        Path | None, typer.Option("--kitfile", metavar="FILE", help="Pack what a Kitfile lists (KitOps' format).")
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
    mountable: Annotated[
        bool,
        typer.Option(
            "--mountable",
            help="Tar layers, and a twin (REFERENCE-image) over the same blobs that containerd mounts as an image volume.",
        ),
    ] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Follow links that leave the folder.")] = False,
    link: Annotated[
        bool,
        typer.Option("--link", help="Hard-link files into the local store instead of copying. They must never change."),
    ] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
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
    from modelpack.pack import check_mountable
    from modelpack.pack import mountable as twin_of

    where = _reference(tag, dry_run=dry_run)
    annotations, created = dict(_pairs(annotation or [], "--annotation")), environment.source_date()
    with watch("pack", progress, quiet=quiet) as observe:
        watched = access.watched(observe)
        prepared = modelpack.prepare(
            source,
            include=include or (),
            exclude=exclude or (),
            kinds=dict(_pairs(kind or [], "--kind")),
            modelfile=modelfile,
            kitfile=kitfile,
            layout=_layout(layer or [], bundle=bundle, default="tar" if mountable else ""),
            follow_links=follow_links,
            hub=modelpack.HubAccess(environment.hub_cache(), environment.hub_token(), environment.hub_endpoint()),
            access=watched,
            **_fields(metadata or []),
        )
        if mountable:
            check_mountable(prepared.plan)
        packed = twin = None
        if where and not dry_run:
            with _target(where, watched, push=push, store=store, link=link) as target:
                packed = modelpack.pack(prepared, into=target, created=created, annotations=annotations, access=watched)
                twin = twin_of(packed) if mountable else None
                _tag(target, where, packed.descriptor, twin, local=not push and not where.layout)
    if output is Format.JSON:
        as_json(_json(prepared, packed, tag) | ({"image": str(twin.descriptor.digest)} if twin else {}))
        return
    if dry_run:
        _show(prepared)
    for line in (
        [] if quiet else [*(f"note: {text}" for text in prepared.notes), *_remarks(prepared, packed, twin, where, tag)]
    ):
        note(line)
    if packed:
        result(str(packed.digest))


def _remarks(
    prepared: Prepared, packed: Packed | None, twin: Manifest | None, where: Reference | None, tag: str | None
) -> Iterator[str]:
    if packed:
        yield f"{tag}: {counted(len(packed.manifest.layers), 'layer')}, {size(prepared.plan.size)}"
    if twin and where:
        yield f"{_twin(where)}: {twin.descriptor.digest}, the same blobs as an image; sign it as well"


def _target(
    where: Reference, access: Access, *, push: bool, store: Path | None, link: bool
) -> AbstractContextManager[Store]:
    """Where it goes: what the reference names, or the local store."""
    return access.open(where, create=True) if push or where.layout else nullcontext(local_store(store, link=link))


def _reference(tag: str | None, *, dry_run: bool) -> Reference | None:
    """Where to, checked before anything is downloaded or read."""
    from modelpack import InputError, Reference

    if tag is None:
        if dry_run:
            return None
        raise InputError("--tag is missing: which model is this?", hint="or --dry-run, to only look")
    where = Reference.parse(tag)
    if where.digest:
        raise InputError(f"{tag} has a digest, which only the finished model can have", hint="give a tag")
    return where


def _twin(where: Reference) -> Reference:
    """The name of the image-shaped twin."""
    from modelpack.oci.reference import DEFAULT_TAG

    return replace(where, tag=f"{where.tag or DEFAULT_TAG}-image")


def _tag(store: Store, where: Reference, model: Descriptor, twin: Manifest | None, *, local: bool) -> None:
    """Give model and twin their names; the twin's first, so that who sees the model finds both."""
    for name, descriptor in ((_twin(where), twin.descriptor if twin else None), (where, model)):
        if descriptor and (name.name or local):
            store.tag(descriptor, name.local_name if local else name.name)


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
    plan = prepared.plan
    result(f"{counted(len(plan.entries), 'file')}, {size(plan.size)}, {counted(len(plan.layers), 'layer')}")


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
    from modelpack import InputError, ModelConfig

    found: dict[str, list[str]] = {}
    for name, value in _pairs(texts, "--set"):
        found.setdefault(name.replace("-", "_"), []).append(value)
    known = [item.name for item in fields(ModelConfig) if item.name not in ("raw", "diff_ids")]
    if unknown := [name for name in found if name not in known]:
        raise InputError(f"there is no metadata field {unknown[0]!r}", hint=f"fields are: {', '.join(sorted(known))}")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _layout(texts: list[str], *, bundle: bool, default: str = "") -> Layout:
    from modelpack import InputError, Kind, Layout
    from modelpack.oci import Codec

    codecs: dict[Kind, Codec] = dict.fromkeys(Kind, Codec(default)) if default else {}
    for text in texts:
        name, _, codec = text.rpartition("=")
        if codec not in list(Codec):
            raise InputError(f"{codec!r} is not a way to store a layer", hint=f"there is: {', '.join(Codec)}")
        codecs |= dict.fromkeys([Kind.named(name)] if name else Kind, Codec(codec))
    return Layout(codecs, bundle)
