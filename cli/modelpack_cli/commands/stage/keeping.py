"""gc, rollback, status, pin, lease: what stays in the node cache and what goes."""

from __future__ import annotations

import re
import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack_cli.commands.stage.options import CacheOption, NameOption
from modelpack_cli.operations import as_pid_one
from modelpack_cli.options import FormatOption, QuietOption
from modelpack_cli.output import Format, as_json, counted, flush, note, path, result, size, table

if TYPE_CHECKING:
    from modelpack.stage import Freed

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def gc(
    to: CacheOption,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="Only until no more is left: 500G, 2T.")
    ] = None,
    max_age: Annotated[
        float | None, typer.Option("--max-age", metavar="HOURS", min=0, help="Only what is older.")
    ] = None,
    grace: Annotated[
        float, typer.Option("--grace", metavar="HOURS", min=0, help="Leave loose blobs that are younger.")
    ] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    every: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", min=0.1, help="Again and again, until SIGTERM.")
    ] = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Remove snapshots that no name, previous name, pin or lease uses, and blobs that no snapshot has."""
    from modelpack.stage import Cache, collect

    once = partial(
        collect,
        Cache(to.absolute()),
        max_bytes=bytes_of(max_size) if max_size else None,
        max_age=None if max_age is None else max_age * 3600,
        grace=grace * 3600,
        dry_run=dry_run,
    )
    with as_pid_one():
        _freed(once(), output, dry_run=dry_run, quiet=quiet)
        while every is not None:
            threading.Event().wait(every)
            _freed(once(), output, dry_run=dry_run, quiet=quiet)


def _freed(freed: tuple[Freed, ...], output: Format, *, dry_run: bool, quiet: bool) -> None:
    total = sum(item.size for item in freed)
    if output is Format.JSON:
        removed = [{"path": str(item.path), "kind": item.kind, "size": item.size} for item in freed]
        as_json({"dryRun": dry_run, "size": total, "removed": removed})
        return
    for item in freed:
        result(f"{item.kind:<9}{size(item.size):>10}  {item.path}")
    if not quiet:
        note(f"{counted(len(freed), 'item')}, {size(total)} {'would be freed' if dry_run else 'freed'}")


def rollback(to: CacheOption, name: NameOption = "current", output: FormatOption = Format.TABLE) -> None:
    """Let a name lead to what it led to before; again, and it goes forward."""
    from modelpack.stage import Cache
    from modelpack.stage import rollback as back

    cache = Cache(to.absolute())
    key = back(cache, name)
    if output is Format.JSON:
        as_json({"path": str(cache.root / name), "snapshot": str(cache.snapshot(key))})
    else:
        path(cache.snapshot(key))


def status(to: CacheOption, output: FormatOption = Format.TABLE) -> None:
    """Show the snapshots, who vouched for them, and what uses them."""
    from modelpack.stage import Cache, Receipt, leases, names, pins

    cache = Cache(to.absolute())
    cache.check()
    named, held, pinned = names(cache), leases(cache), pins(cache)
    found, rows = [], []
    for key in cache.keys():  # noqa: SIM118  # a method
        receipt = Receipt.load(cache, key)
        signers = list(receipt.signers) if receipt else []
        called = sorted(name for name, target in named.items() if target == key)
        owners = sorted(lease.owner for lease in held if lease.key == key)
        about = receipt.reference if receipt else ""
        total = receipt.size if receipt else 0
        found.append(
            {
                "snapshot": key,
                "reference": about,
                "bytes": total,
                "files": len(receipt.files) if receipt else 0,
                "signers": signers,
                "created": receipt.created if receipt else "",
                "names": called,
                "leases": owners,
                "pinned": key in pinned,
            }
        )
        uses = [*called, *(f"lease {owner}" for owner in owners), *(["pinned"] if key in pinned else [])]
        rows.append((key[:19], size(total), about, ", ".join(signers) or "-", ", ".join(uses) or "-"))
    if output is Format.JSON:
        as_json(found)
    else:
        table(("SNAPSHOT", "SIZE", "REFERENCE", "SIGNERS", "USED BY"), rows, right=frozenset({"SIZE"}))


def pin(
    snapshot: Annotated[
        str, typer.Argument(metavar="SNAPSHOT", help="A snapshot's key, as status --format json has it.")
    ],
    to: CacheOption,
    remove: Annotated[bool, typer.Option("--remove", help="Unpin it.")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Keep a snapshot from gc until it is unpinned."""
    from modelpack.stage import Cache, set_pin

    cache, key = Cache(to.absolute()), snapshot.removeprefix("sha256:")
    set_pin(cache, key, keep=not remove)
    if output is Format.JSON:
        as_json({"snapshot": str(cache.snapshot(key)), "pinned": not remove})
    else:
        path(cache.snapshot(key))


def lease(
    owner: Annotated[str, typer.Argument(metavar="ID", help="The lease that stage --lease took.")],
    to: CacheOption,
    every: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", min=0.1, help="Again and again, until SIGTERM.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Give it back.")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Give the sign of life for a lease, as a sidecar or a probe of the pod that uses the snapshot."""
    from modelpack.stage import Cache, renew
    from modelpack.stage import release as give_back

    cache = Cache(to.absolute())
    if release:
        give_back(cache, owner)
        if output is Format.JSON:
            as_json({"lease": owner, "released": True})
        return
    with as_pid_one():
        taken = renew(cache, owner)
        if output is Format.JSON:
            as_json({"lease": owner, "snapshot": str(cache.snapshot(taken.key)), "expires": round(taken.expires, 3)})
        else:
            path(cache.snapshot(taken.key))
        flush()  # whoever waits for it reads a pipe
        while every is not None:
            threading.Event().wait(every)
            renew(cache, owner)


def bytes_of(text: str) -> int:
    """What ``--max-size`` means. Raises InputError."""
    from modelpack import InputError

    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)([kMGT]?)", text)
    if not found:
        raise InputError(f"--max-size takes a size such as 500G or 2T, not {text[:40]!r}")
    return int(float(found[1]) * _UNITS[found[2]])
