"""diff: what is different between two models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli.options import (
    AskRegistryOption,
    Command,
    FormatOption,
    QuietOption,
    StoreOption,
    connects,
    store_if_any,
)
from modelpack_cli.output import Format, as_json, counted, note, result, size, table
from modelpack_cli.trust import Trust, trusts

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.compare import Change, Difference, FileChange, FileState, TensorChange

MAX_ROWS = 50
"""Tensors in a table; JSON has them all."""

_WIDTH = 60
_TOPICS = {
    "config": "configuration",
    "annotations": "annotation",
    "licenses": "licence",
    "origins": "made from",
    "templates": "chat template",
    "signatures": "signature",
    "documents": "document",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(trusts(diff)))


def diff(
    access: Access,
    trust: Trust,
    before: Annotated[str, typer.Argument(metavar="REFERENCE", help="The first model, as for inspect.")],
    after: Annotated[str, typer.Argument(metavar="REFERENCE", help="The second.")],
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if they differ, as git diff does.")
    ] = False,
    attached: Annotated[
        bool,
        typer.Option(
            "--attached/--no-attached", help="Compare signatures and documents too; --key and --policy name signers."
        ),
    ] = True,
    remote: AskRegistryOption = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    store: StoreOption = None,
) -> None:
    """Show what is different between two models.

    Configuration, annotations, files, tensors, licences, base models, signatures, and what an update would download. No weights
    are read: tensors are told from the files' headers. Each model is looked for in the local store first.

    \b
    modelpack diff registry.example/ml/minilm:v1 registry.example/ml/minilm:v2
    modelpack diff registry.example/ml/minilm:v1 registry.example/ml/minilm:v2 --key signer.pub
    modelpack diff oci:build:minilm registry.example/ml/minilm:v1 --exit-code --format json
    """
    import modelpack

    local = None if remote else store_if_any(store)
    found = modelpack.diff(before, after, policy=trust.policy, attached=attached, local=local, access=access)
    if output is Format.JSON:
        as_json({"references": [before, after], **found.to_json()})
    else:
        _show(before, after, found, quiet=quiet)
    if exit_code and not found.same:
        raise typer.Exit(1)


def _show(before: str, after: str, found: Difference, *, quiet: bool) -> None:
    if found.same:
        result(f"the same: {found.after}")
        return
    result(f"- {before}  {found.before}")
    result(f"+ {after}  {found.after}")
    rows = list(_rows(found))
    if rows:
        result("")
        table(("WHAT", "HOW", "NAME", "BEFORE", "AFTER"), rows)
    result("")
    moved = found.transfer
    kept = (
        f"; {counted(moved.shared_layers, 'other')} with {size(moved.shared_size)} stay" if moved.shared_layers else ""
    )
    result(f"an update moves {size(moved.size)} in {counted(moved.layers, 'blob')}{kept}")
    if not quiet:
        for line in _remarks(found, rows):
            note(line)


def _remarks(found: Difference, rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows and found.before != found.after:
        yield "the manifests differ only in how they are written, or in what is not compared"
    if len(found.tensors.changes) > MAX_ROWS:
        yield f"{len(found.tensors.changes) - MAX_ROWS:,} more tensors differ: --format json lists all"
    for path in found.tensors.unread:
        yield f"{path}: has no header that could be read, so its tensors are not compared"
    yield from found.notes


def _rows(found: Difference) -> Iterator[tuple[str, ...]]:
    for topic, title in _TOPICS.items():
        yield from (_value(title, change) for change in getattr(found, topic))
    yield from (_file(change) for change in found.files)
    for path in found.tensors.weights:
        yield "weights", "changed", path, "the same tensors", "other numbers"
    yield from map(_tensor, found.tensors.changes[:MAX_ROWS])
    first, second = found.tensors.parameters
    if first != second:
        yield "parameters", "changed", "", f"{first:,}", f"{second:,}"


def _value(title: str, change: Change) -> tuple[str, ...]:
    return title, str(change.how), *_cells((change.name, change.before, change.after))


def _file(change: FileChange) -> tuple[str, ...]:
    return "file", str(change.how), change.path, _state(change.before, change), _state(change.after, change)


def _state(state: FileState | None, change: FileChange) -> str:
    if state is None:
        return "-"
    name = state.path if change.path != state.path else ""
    digest = (state.layer if change.how == "repacked" else state.digest) or ""
    bytes_ = "" if state.size is None else size(state.size)
    return " ".join(filter(None, (name, str(digest)[:19], bytes_)))


def _tensor(change: TensorChange) -> tuple[str, ...]:
    before, after = (str(side) if side else "-" for side in (change.before, change.after))
    return "tensor", str(change.how), change.name, before, after


def _cells(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
