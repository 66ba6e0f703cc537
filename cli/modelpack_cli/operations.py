"""What a cluster wants to know of a program: its outcome, metrics, a log of JSON lines; and that it ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelpack_cli.tally import Tally
from modelpack_cli.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from modelpack.stage import Staged
    from modelpack.store import Event

TERMINATED = 143
MAX_TERMINATION = 4096
"""Bytes that Kubernetes keeps of a termination message."""

_PATIENCE = 1.5
_SECOND = 1.0


class Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def as_pid_one() -> Iterator[None]:
    """End on SIGTERM, within two seconds whatever is going on; as process 1 of a container there is no default for it.

    All that is interrupted can be gone on with. Raises SystemExit with 143.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except Terminated:
        raise SystemExit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_: int, __: object) -> None:
    timer = threading.Timer(_PATIENCE, os._exit, (TERMINATED,))
    timer.daemon = True
    timer.start()
    raise Terminated


@dataclass(slots=True)
class Outcome:
    """What came of staging one reference, and where that is told: a termination message, a file of metrics."""

    reference: str
    begun: float
    termination: Path | None = None
    metrics_file: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    announce: Callable[[dict[str, Any]], None] = lambda _: None
    metrics: Metrics = field(default_factory=Metrics)

    def staged(self, staged: Staged) -> None:
        """It went well."""
        self.facts = {
            "result": "hit" if staged.hit else "miss",
            "digest": str(staged.digest),
            "bytes": staged.size,
            "fetched": staged.fetched,
            "signer": ", ".join(staged.signers),
        }

    def failed(self, error: BaseException) -> None:
        """It did not."""
        kind = "Terminated" if isinstance(error, Terminated) else type(error).__name__
        said = str(error) if kind not in ("Terminated", "KeyboardInterrupt") else "stopped; run again to go on"
        self.facts = {"result": "error", "error": kind, "message": said[:1500]}
        if hint := getattr(error, "hint", ""):
            self.facts["hint"] = str(hint)[:500]

    def line(self) -> dict[str, Any]:
        """All of it."""
        seconds = round(time.monotonic() - self.begun, 3)
        return {"event": "outcome", "reference": self.reference[:600], **self.facts, "seconds": seconds}

    def write(self) -> None:
        """Tell it. A message that cannot be written is no reason for a model not to be served."""
        line = self.line()
        with suppress(OSError):
            if self.termination is not None:
                self.termination.write_bytes(_short(line))
        self.metrics.outcome(line)
        with suppress(OSError):
            if self.metrics_file is not None:
                self.metrics.write(self.metrics_file)


def log_events(verb: str, clock: Callable[[], float] = time.monotonic) -> Callable[[Event], None]:
    """An observer that writes JSON lines: all retries, and the state at most once a second."""
    tally, lock = Tally(clock), threading.Lock()
    told = clock()

    def observe(event: Event) -> None:
        nonlocal told
        with lock:
            tally.add(event)
            now = clock()
            if event.action == "retry":
                log_line({"event": "retry", "name": event.name, "note": event.note})
            elif now - told >= _SECOND:
                told = now
                log_line({"event": "progress", "name": verb, "done": tally.done, "total": tally.total})

    return observe


def log_line(line: dict[str, Any]) -> None:
    """One object on stderr, with the time."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{json.dumps({'time': stamp, **line})}\n")


def _short(line: dict[str, Any]) -> bytes:
    """JSON of no more than is kept; escapes can make text six times as long."""
    raw = json.dumps(line).encode()
    while len(raw) > MAX_TERMINATION:
        longest = max((key for key in line if isinstance(line[key], str)), key=lambda key: len(json.dumps(line[key])))
        line = {**line, longest: line[longest][: len(line[longest]) // 2]}
        raw = json.dumps(line).encode()
    return raw
