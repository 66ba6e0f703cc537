"""Metrics of staging in Prometheus' text format, version 0.0.4; names and units as its conventions have them.

The same names stand in the file for a textfile collector and in what ``/metrics`` serves.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelpack_cli.tally import Tally

if TYPE_CHECKING:
    from modelpack.stage import Counts
    from modelpack.store import Event

_PREFIX = "modelpack_stage_"
_LABELS = ("reference", "digest", "signer", "error")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without the prefix, ``gauge`` or ``counter``, what it is, and its value."""

    name: str
    kind: str
    about: str
    value: float

    def text(self) -> str:
        """The three lines."""
        name = _PREFIX + self.name
        return f"# HELP {name} {self.about}\n# TYPE {name} {self.kind}\n{name} {self.value}\n"


class Metrics:
    """What is known of this process's work so far. Thread-safe: one thread works, others read."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = Tally()
        self._last: dict[str, Any] = {}
        self._ended = self._succeeded = 0.0
        self._counts: Counts | None = None
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether a verified model is served."""
        return self._ready

    @property
    def moved(self) -> int:
        """Bytes that came in the run that is going on."""
        return self._tally.moved

    def observe(self, event: Event) -> None:
        """Take notice of a transfer's step."""
        with self._lock:
            self._tally.add(event)

    def begin(self) -> None:
        """Another run begins: what the transfer is told of starts at nothing."""
        with self._lock:
            self._tally = Tally()

    def outcome(self, line: dict[str, Any]) -> None:
        """Take the outcome of a run, as :meth:`modelpack_cli.operations.Outcome.line` says it."""
        with self._lock:
            self._last, self._ended = line, self._clock()
            if line["result"] != "error":
                self._ready, self._succeeded = True, self._ended

    def following(self, counts: Counts) -> None:
        """From here on, count looks."""
        self._counts = counts

    def text(self) -> str:
        """All of it."""
        with self._lock:
            families = [*_outcome(self._last, self._ended), *self._state(), *_counted(self._counts)]
            return "".join(family.text() for family in families) + _info(self._last)

    def write(self, place: Path) -> None:
        """Into a file, which is the old one or the new one at any time. Raises OSError."""
        temporary = place.with_name(f".{place.name}.{os.urandom(4).hex()}")
        try:
            temporary.write_text(self.text(), encoding="utf-8")
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)

    def _state(self) -> list[Family]:
        families = [
            Family("ready", "gauge", "Whether a verified model is there to be served.", int(self._ready)),
            Family("transfer_expected_bytes", "gauge", "Bytes of the run that is going on.", self._tally.total),
            Family("transfer_done_bytes", "gauge", "Of these, bytes that came or were there.", self._tally.done),
            Family("transfer_retries", "gauge", "How often something was tried again in it.", self._tally.retries),
        ]
        if self._succeeded:
            about = "When a run last ended well, in seconds since 1970."
            families.append(Family("last_success_timestamp_seconds", "gauge", about, round(self._succeeded, 3)))
        return families


def _outcome(line: dict[str, Any], ended: float) -> list[Family]:
    if not line:
        return []
    good = line["result"] != "error"
    families = [
        Family("success", "gauge", "Whether the last run staged the model.", int(good)),
        Family("duration_seconds", "gauge", "How long the last run took.", line["seconds"]),
        Family("last_run_timestamp_seconds", "gauge", "When the last run ended.", round(ended, 3)),
    ]
    if good:
        families += [
            Family("cache_hit", "gauge", "Whether the model was in the cache.", int(line["result"] == "hit")),
            Family("model_size_bytes", "gauge", "Size of the staged files.", line["bytes"]),
            Family("fetched_bytes", "gauge", "Bytes of content that were fetched.", line["fetched"]),
        ]
    return families


def _counted(counts: Counts | None) -> list[Family]:
    if counts is None:
        return []
    return [
        Family("looks_total", "counter", "How often it was asked what the reference stands for.", counts.looks),
        Family("updates_total", "counter", "How often the name was led to another version.", counts.updates),
        Family("refusals_total", "counter", "How often the policy refused a version.", counts.refusals),
        Family("failures_total", "counter", "How often looking or staging failed otherwise.", counts.failures),
    ]


def _info(line: dict[str, Any]) -> str:
    if not line:
        return ""
    name = f"{_PREFIX}info"
    labels = ",".join(f'{label}="{_label(str(line.get(label, "")))}"' for label in _LABELS)
    return f"# HELP {name} What the last run was about.\n# TYPE {name} gauge\n{name}{{{labels}}} 1\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
