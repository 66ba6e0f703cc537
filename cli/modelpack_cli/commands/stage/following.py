"""stage --watch: go on after the first staging, as a native sidecar does; and what can be asked meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelpack_cli import environment
from modelpack_cli.operations import Outcome, log_line
from modelpack_cli.output import note, size

if TYPE_CHECKING:
    from modelpack import ModelPackError
    from modelpack.stage import Look, Phase, Staged
    from modelpack.store import Event, Observer
    from modelpack_cli.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Sight:
    """What is looked at: a reference, or the version of it that stands in a file. ``interval`` 0: once."""

    reference: str
    file: Path | None
    interval: float

    def check(self, lease: str, ttl: int) -> None:
        """Raise InputError for a lease that would end between two looks."""
        if lease and ttl < 2 * self.interval:
            from modelpack import InputError

            raise InputError(
                f"a lease of {ttl} s ends before the second look", hint="--ttl of twice the --interval, or more"
            )

    def wanted(self) -> str:
        """The reference that is to be staged now. Raises InputError, InvalidReference."""
        from modelpack.staging import completed

        return completed(self.reference, self.file) if self.file else self.reference


@dataclass(frozen=True, slots=True)
class First:
    """How it began: what is served, and why that is not what was wanted, if it is not."""

    staged: Staged
    error: ModelPackError | None = None


def begin(sight: Sight, once: Callable[[str], Staged], standing: Callable[[], Staged | None]) -> First:
    """The first staging. Where watching goes on, what stands there already will do, if it satisfies the policy itself.

    Raises the errors of staging.
    """
    from modelpack import InputError, ModelPackError

    try:
        return First(once(sight.wanted()))
    except ModelPackError as error:
        if not sight.interval or isinstance(error, InputError) or (staged := standing()) is None:
            raise
        return First(staged, error)


def follow(
    sight: Sight,
    first: First,
    once: Callable[[str], Staged],
    outcome: Outcome,
    log: str,
    wait: Callable[[float], bool] | None = None,
) -> None:
    """Look again and again, until SIGTERM, or until ``wait`` (for so many seconds) says that it is over."""
    from modelpack.stage import Follower

    outcome.announce(outcome.line())
    follower = Follower(sight.wanted, once, interval=sight.interval, serving=first.staged.digest)
    outcome.metrics.following(follower.counts)
    outcome.write()
    delay = follower.wait()
    if first.error is not None:
        delay = _tell(follower.look(first.error), outcome, log)
    wait = wait or threading.Event().wait
    while not wait(delay):
        delay = _tell(follower.look(), outcome, log)


@contextmanager
def listening(address: str | None, metrics: Metrics) -> Iterator[None]:
    """Serve metrics and probes, if that is wanted. Raises InputError."""
    if address is None:
        yield
        return
    from modelpack_cli.telemetry.listener import listening as serve

    with serve(address, metrics) as place:
        note(f"metrics on http://{place}/metrics")
        yield


def announcer(event: bool, condition: bool, *, trusted: bool) -> Callable[[dict[str, Any]], None]:
    """What tells the cluster of outcomes, if that is wanted. Raises InputError outside of a cluster."""
    if not event and not condition:
        return lambda _: None
    from modelpack_cli.telemetry.cluster import announcer as announcing

    return announcing(event=event, condition=condition, trusted=trusted)


@contextmanager
def traced(reference: str) -> Iterator[Phase]:
    """Parts of the work as spans, where the environment says who collects them. Raises InputError (a part is not installed)."""
    if not environment.variable("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from modelpack.stage import untraced

        yield untraced
        return
    from modelpack_cli.telemetry.trace import tracing

    with tracing(reference) as phase:
        yield phase


def both(first: Observer, second: Observer) -> Observer:
    """An observer that tells two."""

    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe


def _tell(look: Look, outcome: Outcome, log: str) -> float:
    """One line for a change, none for more of the same; metrics and termination message always. Seconds to the next look."""
    outcome.begun = time.monotonic() - look.seconds
    if look.staged is not None:
        outcome.staged(look.staged)
    elif look.error is not None:
        outcome.failed(look.error)
    outcome.write()
    if look.news:
        log_line(_line(look, outcome)) if log == "json" else note(_sentence(look))
        outcome.announce(outcome.line())
    return look.delay


def _line(look: Look, outcome: Outcome) -> dict[str, Any]:
    line = {**outcome.line(), "event": str(look.change)}
    if look.reference:
        line["reference"] = look.reference
    if look.staged is None:
        return {**line, "serving": str(look.before or ""), "retry_seconds": round(look.delay, 1)}
    return {**line, "previous": str(look.before or "")}


def _sentence(look: Look) -> str:
    if look.staged is None:
        return f"{look.change}: {look.error}; {look.before} is served on, next look in {look.delay:.0f} s"
    return f"{look.change}: {look.reference} is {look.staged.digest}, {size(look.staged.fetched)} fetched"
