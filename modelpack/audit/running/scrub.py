"""Stored bytes hashed again, a budget at a time, those first that were not looked at for longest.

A blob is hashed whole or not at all. One that is larger than the budget is hashed when it is its turn, and nothing else then: so
that none is left out for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelpack.audit.facts import BlobProblem, BlobState
from modelpack.audit.running.crew import stream
from modelpack.audit.running.survey import Survey
from modelpack.audit.state import State
from modelpack.errors import ContentError, ModelPackError, NotFound
from modelpack.oci import Descriptor
from modelpack.store import CHUNK

_AT_A_TIME = 4


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A blob that was hashed: ``problem`` if it is not what it should be, ``error`` if that could not be found out."""

    place: str
    blob: Descriptor
    problem: BlobProblem | None = None
    error: Exception | None = None


def scrub(state: State, survey: Survey, budget: int, now: float, jobs: int) -> Iterator[Scrubbed]:
    """Hash blobs of this run's artifacts again and remember when that was; what is wrong stays known until it was found right."""

    def check(chosen: tuple[str, Descriptor]) -> Scrubbed:
        return _check(survey, *chosen)

    for done in stream(check, _chosen(state, budget, now), min(jobs, _AT_A_TIME), window=_AT_A_TIME):
        if done.error is None:
            state.scrubbed(done.place, done.blob.digest, done.problem, now)
        state.rest()
        yield done


def _chosen(state: State, budget: int, now: float) -> Iterator[tuple[str, Descriptor]]:
    """The oldest, as far as the budget goes; each once."""
    left = budget
    for place, blob in state.oldest_blobs(now):
        if blob.size <= left:
            left -= blob.size
            yield place, blob
        elif left == budget:
            yield place, blob
            return
        else:
            return


def _check(survey: Survey, place: str, blob: Descriptor) -> Scrubbed:
    buffer = memoryview(bytearray(CHUNK))
    try:
        with survey.store(place).open(blob) as reader:
            while reader.readinto(buffer):
                pass
    except NotFound as error:
        return Scrubbed(place, blob, BlobProblem(blob.digest, BlobState.MISSING, str(error)[:300]))
    except ContentError as error:
        return Scrubbed(place, blob, BlobProblem(blob.digest, BlobState.CORRUPT, str(error)[:300]))
    except ModelPackError as error:
        return Scrubbed(place, blob, error=error)
    return Scrubbed(place, blob)
