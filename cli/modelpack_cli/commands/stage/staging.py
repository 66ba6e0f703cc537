"""stage REFERENCE: verify a model, put it into the node cache, let a name lead to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack_cli.commands.stage.following import (
    Sight,
    announcer,
    begin,
    both,
    follow,
    listening,
    traced,
)
from modelpack_cli.commands.stage.options import (
    CacheOption,
    LogOption,
    MetricsFileOption,
    MetricsListenOption,
    NameOption,
    TerminationLogOption,
)
from modelpack_cli.operations import Outcome, Terminated, as_pid_one, log_events, log_line
from modelpack_cli.options import (
    ExcludeOption,
    FormatOption,
    IncludeOption,
    KindOption,
    ProgressOption,
    QuietOption,
    ReferenceArgument,
)
from modelpack_cli.output import Format, as_json, counted, note, path, size
from modelpack_cli.progress import Progress, watch
from modelpack_cli.trust import Trust

if TYPE_CHECKING:
    from modelpack import Access, PolicyFile
    from modelpack.stage import Depth, Rank, Staged
    from modelpack.store import Observer
    from modelpack.trust import Policy

TERMINATION = Path("/dev/termination-log")
_LOGS = ("text", "json")


def model(
    access: Access,
    trust: Trust,
    reference: ReferenceArgument,
    to: CacheOption,
    name: NameOption = "current",
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    kind: KindOption = None,
    layout: Annotated[str, typer.Option("--layout", metavar="LAYOUT", help="files, hf-cache, or triton.")] = "files",
    hf_repo: Annotated[
        str, typer.Option("--hf-repo", metavar="ORG/NAME", help="With hf-cache; by default the end of the repository.")
    ] = "",
    triton_model: Annotated[
        str, typer.Option("--triton-model", metavar="NAME", help="With triton; by default the end of the repository.")
    ] = "",
    triton_version: Annotated[
        int,
        typer.Option(
            "--triton-version", metavar="N", help="With triton; 0 if the model has folders of versions itself."
        ),
    ] = 1,
    rank: Annotated[
        int | None, typer.Option("--rank", metavar="N", help="Leave the parts of other ranks out; with --world-size.")
    ] = None,
    world_size: Annotated[
        int | None, typer.Option("--world-size", metavar="M", help="How many ranks the model is cut for.")
    ] = None,
    verify: Annotated[
        str, typer.Option("--verify", metavar="DEPTH", help="What a hit reads: receipt, sample or full.")
    ] = "receipt",
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no registry; needs a digest, and that it is staged already.")
    ] = False,
    lease: Annotated[
        str, typer.Option("--lease", metavar="ID", help="Take a lease that keeps it from gc, for a pod's uid.")
    ] = "",
    ttl: Annotated[int, typer.Option("--ttl", metavar="SECONDS", min=1, help="How long a lease lasts.")] = 3600,
    pin: Annotated[bool, typer.Option("--pin", help="Keep it until it is unpinned.")] = False,
    log: LogOption = "text",
    termination_log: TerminationLogOption = None,
    metrics_file: MetricsFileOption = None,
    metrics_listen: MetricsListenOption = None,
    following: Annotated[
        bool, typer.Option("--watch", help="Go on: look every --interval seconds, and swap to what is accepted.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="With --watch: how often to look.")
    ] = 60.0,
    digest_file: Annotated[
        Path | None,
        typer.Option(
            "--digest-file",
            metavar="PATH",
            help="The version stands there: a digest, a tag or a reference to the same repository.",
        ),
    ] = None,
    kubernetes_event: Annotated[
        bool, typer.Option("--kubernetes-event", help="Tell the pod's events of the outcome; needs the right to.")
    ] = False,
    kubernetes_condition: Annotated[
        bool, typer.Option("--kubernetes-condition", help="Set the pod's condition modelpack.dev/Verified; likewise.")
    ] = False,
    output: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    progress: ProgressOption = Progress.AUTO,
) -> None:
    """Fill a node cache with a verified model; DIR/current then leads to its files.

    Signatures are verified each time, hits too. What is there and unchanged is not fetched again, and several that stage the
    same model at once fetch it once. With --watch it goes on, as a sidecar does. There are also stage prefetch, verify, gc,
    rollback, status, pin, lease, and storage-initializer (for KServe).

    \b
    modelpack stage registry.example/ml/minilm:v1 --to /cache --key signer.pub
    modelpack stage registry.example/ml/minilm:v2 --to /cache --key signer.pub --include '*.safetensors'
    modelpack stage rollback --to /cache
    """
    with as_pid_one(), told(reference, termination_log, metrics_file, log) as outcome:
        from modelpack import __version__
        from modelpack.staging import arrangement, stage, standing

        sight = Sight(reference, digest_file, interval if following else 0.0)
        sight.check(lease, ttl)
        outcome.announce = announcer(kubernetes_event, kubernetes_condition, trusted=not trust.insecure)
        options: dict[str, Any] = {
            "name": name,
            "include": include or (),
            "exclude": exclude or (),
            "kinds": kind or (),
            "arrangement": arrangement(layout, reference, hf_repo, model=triton_model, version=triton_version),
            "rank": _rank(rank, world_size),
            "depth": _depth(verify),
            "lease": lease,
            "ttl": ttl,
            "pin": pin,
            "tool": f"modelpack/{__version__}",
        }

        def once(wanted: str, trust: Trust) -> Staged:
            outcome.metrics.begin()
            with watched(log, progress, quiet=quiet) as observe:
                observed = access.watched(both(observe, outcome.metrics.observe))
                with traced(wanted) as phase:
                    policy = policy_of(trust)
                    return stage(wanted, to, policy=policy, offline=offline, access=observed, phase=phase, **options)

        with listening(metrics_listen, outcome.metrics):
            first = begin(
                sight,
                lambda wanted: once(wanted, trust),
                lambda: standing(reference, to, policy=policy_of(trust), access=access, **options),
            )
            outcome.staged(first.staged)
            if following:
                _report(first.staged, output, trusted=not trust.insecure, quiet=quiet or log == "json")
                follow(sight, first, lambda wanted: once(wanted, trust.now()), outcome, log)
    _report(first.staged, output, trusted=not trust.insecure, quiet=quiet or log == "json")


def policy_of(trust: Trust) -> Policy | PolicyFile:
    """What the options say. Raises InputError if they say nothing: to skip verification is spelled out."""
    if trust.policy is None:
        from modelpack import InputError

        raise InputError(
            "stage feeds servers, so it wants to know whom to trust",
            hint="--key signer.pub or --policy policy.yaml; --insecure-skip-verify checks digests only",
        )
    return trust.policy


def _rank(number: int | None, world: int | None) -> Rank | None:
    from modelpack import InputError
    from modelpack.stage import Rank

    if (number is None) != (world is None):
        raise InputError("--rank and --world-size go together")
    return None if number is None or world is None else Rank(number, world)


def _depth(text: str) -> Depth:
    from modelpack import InputError
    from modelpack.stage import Depth

    try:
        return Depth(text)
    except ValueError:
        raise InputError(f"--verify takes {', '.join(Depth)}, not {text[:40]!r}") from None


@contextmanager
def watched(log: str, progress: Progress, *, quiet: bool) -> Iterator[Observer]:
    """An observer that shows progress in the form wanted. Raises InputError."""
    if log not in _LOGS:
        from modelpack import InputError

        raise InputError(f"--log takes {' or '.join(_LOGS)}, not {log[:40]!r}")
    if log == "json":
        yield log_events("stage")
        return
    with watch("stage", progress, quiet=quiet) as observe:
        yield observe


@contextmanager
def told(reference: str, termination: Path | None, metrics: Path | None, log: str) -> Iterator[Outcome]:
    """Whatever happens, it is told where a cluster looks."""
    chosen = termination or (TERMINATION if TERMINATION.exists() else None)
    outcome = Outcome(reference, time.monotonic(), chosen, metrics)
    try:
        yield outcome
    except BaseException as error:
        if not outcome.facts or not isinstance(error, Terminated):  # to be stopped while watching is no failure
            outcome.failed(error)
        if isinstance(error, Terminated):  # there is no time to tell the cluster, and it is no news
            outcome.announce = lambda _: None
        raise
    finally:
        outcome.write()
        if log == "json":
            log_line(outcome.line())
        outcome.announce(outcome.line())


@contextmanager
def reading(arguments: dict[str, Any]) -> Iterator[None]:
    """What goes wrong while options are read (a key that is not there) is told where the outcome would be."""
    wanted = [arguments.get("reference"), *(arguments.get("references") or ()), *(arguments.get("pairs") or ())]
    name = " ".join(str(one) for one in wanted if one)
    try:
        yield
    except Exception:
        with told(name, arguments["termination_log"], arguments.get("metrics_file"), arguments["log"]):
            raise


def _report(staged: Staged, output: Format, *, trusted: bool, quiet: bool) -> None:
    if output is Format.JSON:
        as_json(
            {
                "path": str(staged.path),
                "snapshot": str(staged.snapshot),
                "digest": str(staged.digest),
                "hit": staged.hit,
                "reason": staged.reason,
                "files": staged.files,
                "bytes": staged.size,
                "fetched": staged.fetched,
                "signers": list(staged.signers),
                "verified": trusted,
                "swapped": staged.swapped,
            }
        )
        return
    if not quiet:
        how = "was there" if staged.hit else f"{size(staged.fetched)} fetched ({staged.reason})"
        note(f"{counted(staged.files, 'file')}, {size(staged.size)}: {how}")
        if not trusted:
            note("the digests match; nobody vouched for the model (no signature was checked)")
    path(staged.path)
