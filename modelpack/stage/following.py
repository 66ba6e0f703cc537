"""Follow what a reference stands for: look, stage, wait. What is refused or fails leaves everything as it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from modelpack.errors import ModelPackError, PolicyViolation, VerificationError
from modelpack.oci import Digest
from modelpack.stage.staging import Staged

_LONGEST = 900.0
"""Seconds between two attempts at most, however often it failed (unless the interval itself is longer)."""
_SPREAD = 0.1
"""Share by which waits vary, so that a thousand nodes do not ask at the same instant."""


class Change(StrEnum):
    """What came of one look."""

    UNCHANGED = "unchanged"
    UPDATED = "updated"
    """The name leads to something else now."""
    REPAIRED = "repaired"
    """It leads to the same, which had to be made anew."""
    REFUSED = "refused"
    """Nobody who is trusted vouches for the new one; what was there is served on."""
    FAILED = "failed"
    """It could not be found out, fetched or written; what was there is served on."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: ``staged`` or ``error``, and the digest served before. ``news``: not the same as the look before it said.
    The next look is due in ``delay`` seconds.
    """

    change: Change
    reference: str
    before: Digest | None
    staged: Staged | None
    error: ModelPackError | None
    seconds: float
    news: bool
    delay: float


@dataclass(slots=True)
class Counts:
    """What all looks came to so far."""

    looks: int = 0
    updates: int = 0
    refusals: int = 0
    failures: int = 0


class Follower:
    """Looks again and again. ``wanted`` says which reference, ``stage`` stages it; both may raise ModelPackError, which is no
    end. ``serving`` is the digest that is served already.
    """

    def __init__(
        self,
        wanted: Callable[[], str],
        stage: Callable[[str], Staged],
        *,
        interval: float,
        serving: Digest | None = None,
        clock: Callable[[], float] = time.monotonic,
        vary: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._wanted = wanted
        self._stage = stage
        self._interval = interval
        self._serving = serving
        self._clock = clock
        self._vary = vary
        self._said = ""
        self._row = 0
        self.counts = Counts()

    @property
    def serving(self) -> Digest | None:
        """What the name leads to, by the last look that was no failure."""
        return self._serving

    def look(self, known: ModelPackError | None = None) -> Look:
        """Look once; ``known`` is what a look just now came to, which is then not repeated."""
        begun, reference = self._clock(), ""
        self.counts.looks += 1
        try:
            if known is not None:
                raise known
            reference = self._wanted()
            staged = self._stage(reference)
        except ModelPackError as error:
            return self._kept(reference, error, self._clock() - begun)
        return self._taken(reference, staged, self._clock() - begun)

    def _taken(self, reference: str, staged: Staged, seconds: float) -> Look:
        before, self._serving = self._serving, staged.digest
        change = Change.UNCHANGED
        if staged.swapped or before != staged.digest:
            change = Change.UPDATED
            self.counts.updates += 1
        elif not staged.hit:
            change = Change.REPAIRED
        news = change is not Change.UNCHANGED or bool(self._said)
        self._said, self._row = "", 0
        return Look(change, reference, before, staged, None, seconds, news, self.wait())

    def _kept(self, reference: str, error: ModelPackError, seconds: float) -> Look:
        refused = isinstance(error, VerificationError | PolicyViolation)
        self.counts.refusals += refused
        self.counts.failures += not refused
        self._row += 1
        said = f"{type(error).__name__} {error}"
        news, self._said = said != self._said, said
        change = Change.REFUSED if refused else Change.FAILED
        return Look(change, reference, self._serving, None, error, seconds, news, self.wait())

    def wait(self) -> float:
        """Seconds until the next look: the interval; twice as long after every further failure in a row."""
        longest = max(self._interval, _LONGEST)
        wait = min(self._interval * (1 << min(max(self._row - 1, 0), 20)), longest)
        return wait * self._vary(1 - _SPREAD, 1 + _SPREAD)
