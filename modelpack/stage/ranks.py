"""Models that are cut into one part for each rank of a server: which files one rank reads.

vLLM's ``sharded_state`` writes ``model-rank-3-part-0.safetensors``, TensorRT-LLM ``rank3.engine``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from modelpack.errors import InputError

MOST = 1024
_SHARD = re.compile(r"(?:.*/)?(?:model-rank-(\d{1,6})-part-\d{1,6}\.safetensors|rank(\d{1,6})\.engine)")


@dataclass(frozen=True, slots=True)
class Rank:
    """Rank ``number`` (from 0) of ``world``. Raises InputError."""

    number: int
    world: int

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 < self.world <= MOST or not 0 <= self.number < self.world:
            raise InputError(
                f"there is no rank {self.number} of {self.world}",
                hint=f"ranks count from 0, and there are up to {MOST}",
            )

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns for the shards of all others; what is no shard is for everybody."""
        others = [number for number in range(self.world) if number != self.number]
        return tuple(
            pattern
            for number in others
            for pattern in (f"model-rank-{number}-part-*.safetensors", f"rank{number}.engine")
        )

    def check(self, paths: Iterable[str]) -> None:
        """Raise InputError unless a model with these files is cut for a world of this size."""
        found = {int(shard[1] or shard[2]) for path in paths if (shard := _SHARD.fullmatch(path))}
        if found != set(range(self.world)):
            there = f"is cut into {len(found)} parts" if found else "is not cut into ranks"
            raise InputError(
                f"the model {there}, not into {self.world}",
                hint="--world-size is the number of ranks that it was made for",
            )
