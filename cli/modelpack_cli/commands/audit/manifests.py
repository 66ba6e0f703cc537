"""audit --from-manifests: the models that Kubernetes' manifests refer to, as targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.output import counted, note

if TYPE_CHECKING:
    from modelpack.audit.rules import Rule

INCOMPLETE = 2

ManifestsOption = Annotated[
    bool,
    typer.Option(
        "--from-manifests",
        help="Targets are Kubernetes manifests, files or folders: audit the models that they refer to.",
    ),
]


def referred(paths: Sequence[str], rules: Sequence[Rule]) -> tuple[list[str], list[Rule]]:
    """The models that manifests refer to, and the rules with the one that judges how they do.

    Manifests that refer to none end the program, and well, unless there are some that could not be read. Raises InputError.
    """
    from modelpack import InputError
    from modelpack.audit.rules import PinnedWorkloads
    from modelpack.audit.workloads import read_workloads

    found = read_workloads(map(Path, paths))
    if not found.files:
        raise InputError("--from-manifests found no manifest", hint="give files, or folders with .yaml, .yml or .json")
    if not found.found:
        note(f"no model is referred to in {counted(found.files, 'file')}")
        for one in found.unread:
            note(f"{one.place}: {one.reason}")
        raise typer.Exit(INCOMPLETE if found.unread else 0)
    pinning = PinnedWorkloads(found)
    return [str(one) for one in found.references], [pinning if one.id == pinning.id else one for one in rules]
