"""One blob over several connections: hashed in order while it lands, resumable from what has landed."""

from modelpack.store.parallel.downloading import THRESHOLD, RangedSource, download

__all__ = ["THRESHOLD", "RangedSource", "download"]
