"""The clients of a benchmark: this project's, its peers', and what shows the limit. Each is a process of its own."""

from bench.clients.damaged import Verdict, judge
from bench.clients.limits import LIMITS
from bench.clients.ours import OURS
from bench.clients.peers import PEERS
from bench.clients.tool import Job, Tool

TOOLS = (*OURS, *PEERS, *LIMITS)

__all__ = ["TOOLS", "Job", "Tool", "Verdict", "judge"]
