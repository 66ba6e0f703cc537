"""Other places that have a registry's content: asked first, believed only as far as digests go."""

from modelpack.store.mirrors.hosts import load_hosts, parse_hosts
from modelpack.store.mirrors.listing import Mirrors
from modelpack.store.mirrors.mirror import Mirror
from modelpack.store.mirrors.relay import MirrorHost, Relay
from modelpack.store.mirrors.stream import MirroredStream

__all__ = ["Mirror", "MirrorHost", "MirroredStream", "Mirrors", "Relay", "load_hosts", "parse_hosts"]
