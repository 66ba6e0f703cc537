"""What was made from what, over everything that audits have seen: questions in both directions, over an SQLite state."""

from modelpack.audit.lineage.asked import Asked
from modelpack.audit.lineage.downwards import MAX_FOUND, Derived, Descent, descent
from modelpack.audit.lineage.graph import Edge, Graph
from modelpack.audit.lineage.picture import descent_dot, lineage_dot
from modelpack.audit.lineage.upwards import ascent

__all__ = [
    "MAX_FOUND",
    "Asked",
    "Derived",
    "Descent",
    "Edge",
    "Graph",
    "ascent",
    "descent",
    "descent_dot",
    "lineage_dot",
]
