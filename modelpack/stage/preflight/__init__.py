"""Before anything is fetched: facts about volume, memory and clock, and what they forbid, in words that say what to do."""

from modelpack.stage.preflight.facts import Facts, memory_limit
from modelpack.stage.preflight.rules import admit, check_clock

__all__ = ["Facts", "admit", "check_clock", "memory_limit"]
