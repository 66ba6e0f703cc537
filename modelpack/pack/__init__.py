"""A folder or a Hub snapshot becomes a graph: plan (pure), then execute."""

from modelpack.pack.execute import Packed, execute
from modelpack.pack.hub import ENDPOINT, HubModel, Snapshot, check_lfs, fetch_snapshot, parse_hub
from modelpack.pack.mountable import check_mountable, mountable
from modelpack.pack.plan import Entry, Layout, Plan, PlannedLayer
from modelpack.pack.planning import plan

__all__ = [
    "ENDPOINT",
    "Entry",
    "HubModel",
    "Layout",
    "Packed",
    "Plan",
    "PlannedLayer",
    "Snapshot",
    "check_lfs",
    "check_mountable",
    "execute",
    "fetch_snapshot",
    "mountable",
    "parse_hub",
    "plan",
]
