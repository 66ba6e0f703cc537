"""A folder or a Hub snapshot becomes a graph: plan (pure), then execute."""

from modelpack.pack.execute import Packed, execute
from modelpack.pack.plan import Entry, Layout, Plan, PlannedLayer
from modelpack.pack.planning import plan

__all__ = ["Entry", "Layout", "Packed", "Plan", "PlannedLayer", "execute", "plan"]
