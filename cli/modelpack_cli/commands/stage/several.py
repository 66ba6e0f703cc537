"""prefetch and verify: many models of one cache, each with a verdict of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli.commands.stage.following import both, listening
from modelpack_cli.commands.stage.keeping import bytes_of
from modelpack_cli.commands.stage.options import (
    CacheOption,
    LogOption,
    MetricsFileOption,
    MetricsListenOption,
    TerminationLogOption,
)
from modelpack_cli.commands.stage.staging import policy_of, told, watched
from modelpack_cli.operations import Outcome, as_pid_one, log_line
from modelpack_cli.options import ExcludeOption, FormatOption, IncludeOption, KindOption, QuietOption
from modelpack_cli.output import Format, as_json, counted, flush, note, size, table
from modelpack_cli.progress import Progress
from modelpack_cli.trust import Trust

if TYPE_CHECKING:
    from modelpack import Access, ModelPackError
    from modelpack.stage import Checked, Staged


def prefetch(
    access: Access,
    trust: Trust,
    references: Annotated[list[str], typer.Argument(metavar="REFERENCE...", help="The models.")],
    to: CacheOption,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    kind: KindOption = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="Fetch nothing beyond so much in the cache: 500G.")
    ] = None,
    keep: Annotated[
        float, typer.Option("--keep", metavar="HOURS", min=0.01, max=720, help="For so long gc leaves them alone.")
    ] = 24.0,
    every: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", min=1, help="Again and again, until SIGTERM.")
    ] = None,
    log: LogOption = "text",
    termination_log: TerminationLogOption = None,
    metrics_file: MetricsFileOption = None,
    metrics_listen: MetricsListenOption = None,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Bring verified models into a node cache before anybody needs them; no name is changed.

    One that fails does not keep the others from coming. If any failed, the exit code is 5 where trying again can help, and else
    that of the first failure.

    \b
    modelpack stage prefetch registry.example/ml/a:v1 registry.example/ml/b:v3 --to /cache --policy policy.yaml
    """
    options = {
        "include": include or (),
        "exclude": exclude or (),
        "kinds": kind or (),
        "max_bytes": bytes_of(max_size) if max_size else None,
        "ttl": max(1, round(keep * 3600)),
    }
    with as_pid_one(), told(counted(len(references), "model"), termination_log, metrics_file, log) as outcome:
        batch = _Batch(access, trust, to, options, outcome, log, quiet=quiet)
        with listening(metrics_listen, outcome.metrics):
            errors = batch.run(references, output)
            pause = threading.Event()
            while every is not None and not pause.wait(every):
                errors = batch.run(references, output)
        if errors:
            raise worst(errors)


class _Batch:
    """Several models, one after the other: each uses all connections."""

    def __init__(
        self,
        access: Access,
        trust: Trust,
        to: Path,
        options: dict[str, Any],
        outcome: Outcome,
        log: str,
        *,
        quiet: bool,
    ) -> None:
        self._access, self._trust, self._to, self._options = access, trust, to, options
        self._outcome, self._log, self._quiet = outcome, log, quiet

    def run(self, references: list[str], output: Format) -> list[ModelPackError]:
        """All of them; what failed."""
        done = [(reference, self._one(reference)) for reference in references]
        staged = [result for _, result in done if not isinstance(result, Exception)]
        errors = [result for _, result in done if isinstance(result, Exception)]
        self._outcome.facts = {
            "result": "hit" if all(one.hit for one in staged) else "miss",
            "digest": "",
            "bytes": sum(one.size for one in staged),
            "fetched": sum(one.fetched for one in staged),
            "signer": ", ".join(dict.fromkeys(name for one in staged for name in one.signers)),
        }
        if errors:
            self._outcome.failed(worst(errors))
        self._outcome.write()
        self._show(done, output)
        return errors

    def _one(self, reference: str) -> Staged | ModelPackError:
        from modelpack import ModelPackError, __version__
        from modelpack.staging import stage

        try:
            with watched(self._log, Progress.AUTO, quiet=self._quiet) as observe:
                observed = self._access.watched(both(observe, self._outcome.metrics.observe))
                return stage(
                    reference,
                    self._to,
                    policy=policy_of(self._trust.now()),
                    name=None,
                    lease=lease_of(reference),
                    tool=f"modelpack/{__version__}",
                    access=observed,
                    **self._options,
                )
        except ModelPackError as error:
            return error

    def _show(self, done: list[tuple[str, Staged | ModelPackError]], output: Format) -> None:
        lines = [_line(reference, result) for reference, result in done]
        if self._log == "json":
            for line in lines:
                log_line({"event": "prefetched" if line["result"] != "error" else "failed", **line})
        if output is Format.JSON:
            as_json(lines)
        else:
            rows = [(line["result"], size(line.get("fetched", 0)), line["reference"], line["detail"]) for line in lines]
            table(("RESULT", "FETCHED", "REFERENCE", "DIGEST"), rows, right=frozenset({"FETCHED"}))
        flush()


def _line(reference: str, result: Staged | ModelPackError) -> dict[str, Any]:
    if isinstance(result, Exception):
        said = {"result": "error", "error": type(result).__name__, "detail": str(result), "hint": result.hint}
        return {"reference": reference, **said}
    return {
        "reference": reference,
        "result": "hit" if result.hit else "miss",
        "detail": str(result.digest),
        "bytes": result.size,
        "fetched": result.fetched,
        "snapshot": str(result.snapshot),
        "signers": list(result.signers),
    }


def lease_of(reference: str) -> str:
    """The lease by which a prefetched model stays: one for each reference, so that a new version frees the old one."""
    import hashlib

    return f"prefetch-{hashlib.sha256(reference.encode()).hexdigest()[:16]}"


def worst(errors: list[ModelPackError]) -> ModelPackError:
    """Of several errors the one whose exit code should count: one that trying again can mend, else the first."""
    from modelpack import StoreError

    return next((error for error in errors if isinstance(error, StoreError)), errors[0])


def verify(
    trust: Trust,
    to: CacheOption,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|DIGEST]...", help="By default current.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All snapshots.")] = False,
    full: Annotated[
        bool, typer.Option("--full/--sample", help="Hash all files, or the small ones and one of the others.")
    ] = True,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Hash what is in a node cache again, without a registry; exit code 4 if anything is damaged. Nothing is changed.

    With --key or --policy the kept signatures are verified again as well.
    """
    from modelpack import ContentError
    from modelpack.stage import Cache, Depth, check, find
    from modelpack.staging import vouched

    cache = Cache(to.absolute())
    cache.check()
    keys = cache.keys() if every else tuple(dict.fromkeys(find(cache, name) for name in wanted or ["current"]))
    with as_pid_one():
        checked = [check(cache, key, Depth.FULL if full else Depth.SAMPLE) for key in keys]
    _tell(checked, output)
    if broken := [one for one in checked if one.damage]:
        raise ContentError(
            f"{counted(len(broken), 'snapshot')} of {len(checked)} damaged: {broken[0].key[:19]}: {broken[0].damage}",
            hint="modelpack stage REFERENCE makes it anew",
        )
    if trust.policy is not None:
        for key in keys:
            vouched(cache, key, policy=trust.policy)
    if not quiet:
        note(f"{counted(len(checked), 'snapshot')}, {size(sum(one.size for one in checked))}: sound")


def _tell(checked: list[Checked], output: Format) -> None:
    if output is Format.JSON:
        as_json(
            [
                {
                    "snapshot": one.key,
                    "reference": one.reference,
                    "digest": str(one.digest or ""),
                    "bytes": one.size,
                    "damage": one.damage,
                }
                for one in checked
            ]
        )
        return
    rows = [(one.key[:19], size(one.size), one.reference or "-", one.damage or "sound") for one in checked]
    table(("SNAPSHOT", "SIZE", "REFERENCE", "STATE"), rows, right=frozenset({"SIZE"}))
