"""One blob over several connections: hashed in order while it lands, resumable from what has landed."""

from modelpack.store.parallel.downloading import THRESHOLD, RangedSource, download
from modelpack.store.parallel.partmap import PartMap

__all__ = ["THRESHOLD", "PartMap", "RangedSource", "download"]
