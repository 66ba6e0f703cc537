"""lineage: what a model was made from, and what was made from it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.options import Command, QuietOption, connects
from modelpack_cli.output import as_json, counted, document, note, result, table

if TYPE_CHECKING:
    from modelpack import Access
    from modelpack.attest import Lineage
    from modelpack.audit.facts import Ancestor
    from modelpack.audit.lineage import Derived, Descent

INCOMPLETE = 2
_DEPTH = 8
"""Generations of ancestors that are asked for in a registry, one request after the other."""


class Shown(StrEnum):
    """How it is printed."""

    TABLE = "table"
    JSON = "json"
    DOT = "dot"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(connects(lineage))


def lineage(
    access: Access,
    question: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="A model; with --derived also host/repository, sha256:…, hf:org/name[@COMMIT], a commit, a name.",
        ),
    ],
    derived: Annotated[
        bool, typer.Option("--derived", help="Show what was made from it instead, directly or through others.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help="What audits have seen (modelpack audit --state).")
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--in", metavar="TARGET", help="Look at this registry, namespace, repository or layout first. Repeatable."
        ),
    ] = None,
    depth: Annotated[
        int, typer.Option("--depth", metavar="N", min=0, help="Generations at most; 0: all (of a registry, 8).")
    ] = 0,
    shown: Annotated[
        Shown, typer.Option("--format", "-f", help="A tree or table, JSON, or a graph for Graphviz.")
    ] = Shown.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Show what a model was made from, or what was made from it.

    As the models' own files, bills of materials and provenance say. Without --state and --in, the model's registry is asked for
    its ancestors. What was made from it is only known of what was looked at: give a state file of audits, or where to look.
    "maybe" stands where somebody names no version. The exit code is 2 if not everything could be looked at.

    \b
    modelpack lineage registry.example/ml/minilm:v1
    modelpack lineage registry.example/base/llama@sha256:… --derived --state audit.db
    modelpack lineage hf:org/name@COMMIT --derived --in registry.example/ml/
    modelpack lineage registry.example/base/llama --derived --state audit.db -f dot | dot -Tsvg > it.svg
    """
    import modelpack

    if derived and state is None and not targets:
        raise modelpack.InputError(
            "what was made from it is not written in it: say where to look",
            hint="--state FILE of modelpack audit, or --in REGISTRY, NAMESPACE/, REPOSITORY",
        )
    import tempfile  # loads what no other command needs at its start

    with tempfile.TemporaryDirectory(prefix="modelpack-lineage-") as folder:
        known = state if state is not None or not targets else Path(folder) / "state"
        complete = _look(targets or [], known, access) if known and targets else True
        if derived and known:
            complete = _show_derived(question, known, depth, shown, quiet=quiet) and complete
        else:
            _show_ancestors(question, known, depth, shown, access)
    if not complete:
        note("not everything could be looked at: modelpack audit says what, and why")
        raise typer.Exit(INCOMPLETE)


def _look(targets: list[str], state: Path, access: Access) -> bool:
    """Look at everything once, with no rule to ask. Whether all could be looked at."""
    from modelpack.audit.auditing import Audit, Options

    # What a mirror has says nothing of what is in the registry.
    with Audit(replace(access, mirrors=None), targets, (), state, Options(jobs=access.jobs)) as auditing:
        for _ in auditing:
            pass
        return auditing.complete


def _show_derived(question: str, state: Path, depth: int, shown: Shown, *, quiet: bool) -> bool:
    """Whether it is known of all artifacts."""
    from modelpack.audit.lineage import descent_dot
    from modelpack.audit.recall import derived

    found = derived(question, state, depth=depth)
    if shown is Shown.JSON:
        as_json(found.to_json())
    elif shown is Shown.DOT:
        document(descent_dot(found).encode())
    elif found.found:
        table(("ARTIFACT", "IS", "OF", "SAYS", "CERTAIN"), map(_row, found.found))
    if not quiet:
        _remarks(found)
    return not found.unread


def _remarks(found: Descent) -> None:
    doubtful = sum(not one.certain for one in found.found)
    maybe = f", {doubtful} of them maybe" if doubtful else ""
    note(f"{counted(len(found.found), 'artifact')} made from {found.asked.text}{maybe}")
    if found.truncated:
        note("and more than that: not all are listed")
    if found.unread:
        note(f"of {counted(found.unread, 'artifact')} it is not known, because files could not be read")


def _row(one: Derived) -> tuple[str, ...]:
    what = one.said.relation or one.said.role or "made"
    where = str(one.parent.subject).partition("@")[0] if one.parent else _named(one.said)
    gone = "gone, " if one.gone else ""
    return _short(one), what, where, one.said.source or "-", f"{gone}{'yes' if one.certain else 'maybe'}"


def _short(one: Derived) -> str:
    """With the first digits of the digest, as elsewhere."""
    name, _, digest = str(one.subject).partition("@")
    return f"{name}@{digest[:19]}"


def _named(said: Ancestor) -> str:
    version = str(said.digest)[:19] if said.digest else said.commit[:12]
    place = (said.uri or said.name).removeprefix("oci://").partition("@")[0]
    return f"{place}@{version}" if version else place


def _show_ancestors(question: str, state: Path | None, depth: int, shown: Shown, access: Access) -> None:
    import modelpack
    from modelpack.audit.lineage import lineage_dot
    from modelpack.audit.recall import ancestors

    if state is not None:
        root = ancestors(question, state, depth=depth)
    else:
        root = modelpack.lineage(question, depth=depth or _DEPTH, access=access)
    if shown is Shown.JSON:
        as_json(root.to_json())
    elif shown is Shown.DOT:
        document(lineage_dot(root).encode())
    else:
        result(f"{root.name}  {root.digest}")
        _tree(root, "")


def _tree(root: Lineage, indent: str) -> None:
    for number, one in enumerate(root.ancestors, 1):
        last = number == len(root.ancestors)
        notes = ", ".join(filter(None, (one.relation, *one.licenses, one.note)))
        name = (one.uri or one.name).removeprefix("oci://").partition("@")[0]
        digest = f"  {str(one.digest)[:19]}" if one.digest else ""
        result(f"{indent}{'└── ' if last else '├── '}{name}{digest}{f'  ({notes})' if notes else ''}")
        _tree(one, indent + ("    " if last else "│   "))
