"""Evidence: from a store and a manifest to facts, without weights."""

from modelpack.audit.collecting.collect import MAX_MEMBERS, Collecting, collect, judge_again
from modelpack.audit.collecting.watching import Watched, is_there, lists_referrers

__all__ = ["MAX_MEMBERS", "Collecting", "Watched", "collect", "is_there", "judge_again", "lists_referrers"]
