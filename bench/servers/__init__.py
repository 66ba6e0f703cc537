"""The servers of a benchmark: registries, a fast origin for pulls, a sink for pushes, and a slow network in front of them."""

from bench.servers.authority import Authority, make_authority
from bench.servers.origin import origin
from bench.servers.process import Endpoint
from bench.servers.registries import REGISTRIES, behind_network, registry
from bench.servers.upload import upload

__all__ = [
    "REGISTRIES",
    "Authority",
    "Endpoint",
    "behind_network",
    "make_authority",
    "origin",
    "registry",
    "upload",
]
